package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/scaffold"
)

func pluginNewCommand() *cobra.Command {
	var o scaffold.Options
	c := &cobra.Command{
		Use: "new NAME", Short: "Begin a plugin: a folder that builds, with a fake of its platform", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Name = args[0]
			if o.Dir == "" {
				o.Dir = o.Name
			}
			files, err := scaffold.New(o)
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			for _, f := range files {
				fmt.Fprintf(out, "  %s/%s\n", strings.TrimRight(o.Dir, "/"), f)
			}
			first := ""
			if o.Lang == "ts" {
				first = "npm install && "
			}
			_, err = fmt.Fprintf(out, "\nNext:  cd %s && %scarillon plugin test .\n", o.Dir, first)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Lang, "lang", "go", "the language: "+strings.Join(scaffold.Languages, ", "))
	f.StringVar(&o.Dir, "dir", "", "where; empty is a folder of that name")
	f.StringVar(&o.Replace, "replace", "", "build against Carillon's source in this folder instead of released packages")
	f.BoolVar(&o.Finished, "finished", false, "with the parts filled in that are otherwise left to you")
	return c
}
