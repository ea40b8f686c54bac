package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/playground"
	"github.com/carillonhq/carillon/adapters/rehearsal"
)

func pluginDevCommand() *cobra.Command {
	var addr string
	var upstream []string
	c := &cobra.Command{
		Use: "dev PATH", Short: "Try a plugin by hand, on a page that follows its source", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := openPlayground(args[0], upstream)
			if err != nil {
				return err
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			ln, err := new(net.ListenConfig).Listen(c.Context(), "tcp", addr)
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("%w: name another address with --addr, such as --addr 127.0.0.1:0 for any free port", err)
			}
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(c.OutOrStdout(), "\n  The playground is at http://%s\n  It follows %s. Ctrl-C ends it.\n\n", ln.Addr(), dir); err != nil {
				return err
			}
			return p.Run(c.Context(), ln)
		},
	}
	c.Flags().StringVar(&addr, "addr", "127.0.0.1:8782", "where the page is, on this machine")
	c.Flags().StringArrayVar(&upstream, "upstream", nil, "the server to try it against, instead of the fake that carillon.yaml names: a URL, or HOST=URL for one host of the manifest; may be repeated")
	return c
}

// openPlayground makes a playground for the plugin in a folder.
func openPlayground(path string, upstream []string) (*playground.Playground, error) {
	opt, build, err := authorsPlugin(path)
	if err != nil {
		return nil, err
	}
	if len(upstream) > 0 {
		if opt.Upstream, err = rehearsal.Remote(upstream, opt.Settings.Upstream.Objects); err != nil {
			return nil, fmt.Errorf("--upstream: %w", err)
		}
	}
	o := playground.Options{Options: opt, Watch: opt.Files}
	if len(build) > 0 {
		o.Build = func(ctx context.Context) (string, error) {
			var out bytes.Buffer
			err := runBuild(ctx, &out, opt.Files, build)
			return out.String(), err
		}
	}
	return playground.New(o), nil
}
