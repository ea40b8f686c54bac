package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/scaffold"
)

const module = "github.com/carillonhq/carillon"

// against says what a new plugin is built with: Carillon's source in a folder,
// or the packages of a release if there is none.
func against(source string) string {
	if source != "" {
		return "It builds against Carillon's source in " + source + "; --replace names another folder."
	}
	return "It builds against the released packages of Carillon. If the build does not find them, clone https://" + module +
		"\nand begin again with --replace and the folder of the clone."
}

// source is the folder of Carillon's source that this program lies in, or
// which one stands in; empty if neither is.
func source() string {
	var starts []string
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, dir := range starts {
		if found := above(dir); found != "" {
			return found
		}
	}
	return ""
}

// above is dir or the first folder over it that holds Carillon's module.
func above(dir string) string {
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if first, _, _ := strings.Cut(string(text), "\n"); err == nil && strings.TrimSpace(first) == "module "+module {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

func pluginNewCommand() *cobra.Command {
	var o scaffold.Options
	c := &cobra.Command{
		Use: "new NAME", Short: "Begin a plugin: a folder that builds, with a fake of its platform", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Name = args[0]
			if o.Dir == "" {
				o.Dir = o.Name
			}
			if o.Replace == "" {
				o.Replace = source()
				fmt.Fprintln(c.OutOrStdout(), against(o.Replace))
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
	f.StringVar(&o.Replace, "replace", "", "build against Carillon's source in this folder; found by itself if this program lies in it")
	f.BoolVar(&o.Finished, "finished", false, "with the parts filled in that are otherwise left to you")
	return c
}
