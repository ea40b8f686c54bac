// Command carillon-plugins is the plugins that come with Carillon and nothing
// else. The plugin host of `carillon` runs it when it lies beside it and is of
// the same build; nobody runs it by hand.
package main

import (
	"fmt"
	"os"

	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/cmd/internal/firstparty"
)

func main() {
	sandbox.Main()
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "carillon-plugins:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 || args[0] != "plugin" || args[1] != "serve" {
		return fmt.Errorf("carillon runs this program; there is nothing in it to run by hand")
	}
	return firstparty.Serve(args[2:])
}
