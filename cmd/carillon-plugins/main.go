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
	args := os.Args[1:]
	if len(args) < 3 || args[0] != "plugin" || args[1] != "serve" {
		fmt.Fprintln(os.Stderr, "carillon-plugins: carillon runs this program; there is nothing in it to run by hand")
		os.Exit(2)
	}
	// It does not come back from being a plugin.
	fmt.Fprintln(os.Stderr, "carillon-plugins:", firstparty.Serve(args[2:]))
	os.Exit(1)
}
