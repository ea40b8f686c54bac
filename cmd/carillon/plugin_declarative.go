package main

import (
	"os"

	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/sdk"
)

// serveDeclarative is the plugin whose file is at path. What is wrong with the
// file is said with line, column and field.
func serveDeclarative(path string) error {
	p, err := declarative.Open(path, declarative.FromEnv(os.Getenv))
	if err != nil {
		return err
	}
	sdk.Serve(p)
	return nil
}
