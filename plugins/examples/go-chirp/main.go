// Command go-chirp is a plugin for Chirp: texts, pictures and replies.
package main

import "github.com/carillonhq/carillon/plugins/sdk"

func main() { sdk.Serve(New(sdk.HTTPClient())) }
