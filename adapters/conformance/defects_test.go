package conformance_test

import "os"

func serveDefect(string) { os.Exit(2) }
