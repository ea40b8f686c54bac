package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/rules"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// A counter is the catalog from an operator's shell. It talks to the database,
// and every process of the installation hears of it.
type counter struct {
	*catalog.Service
	bundles *bundles
	who     tenants.Scope
	out     io.Writer
}

// atCounter runs one command of an operator on the catalog.
func atCounter(c *cobra.Command, run func(context.Context, counter) error) error {
	return withKeys(c, func(ctx context.Context, cfg config, db *postgres.DB) error {
		root, err := db.Registry().Operator(ctx)
		if fault.Is(err, fault.NotFound) {
			return errNoOperator
		}
		if err != nil {
			return err
		}
		blobs, err := cfg.openBlobs(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = blobs.Close() }()
		at := counter{bundles: &bundles{state: cfg.StateDir, blobs: blobs, root: db.Registry().Operator}, out: c.OutOrStdout()}
		at.who = tenants.Scope{Tenant: root, Kind: tenants.Operator, Role: tenants.Owner, Tier: tenants.Team}
		if at.Service, err = counterService(cfg, db, at.bundles); err != nil {
			return err
		}
		return run(ctx, at)
	})
}

func counterService(cfg config, db *postgres.DB, b *bundles) (*catalog.Service, error) {
	authz, err := casbin.New(db)
	if err != nil {
		return nil, err
	}
	own, err := builtins(cfg)
	if err != nil {
		return nil, err
	}
	envelope := vault.NewEnvelope(db.DataKeys(), cfg.keeper(), time.Now)
	// It runs nothing, and so neither signs in nor publishes.
	settings := channels.New(channels.Deps{Store: db.Channels(), Plugins: unasked{}, Sealer: envelope, Authz: authz, Now: time.Now}, channels.Config{})
	return catalog.New(catalog.Deps{
		Store: db.Plugins(), Bundles: b, Apps: apps{settings}, Rules: rules.New(), Authz: authz, Builtins: own,
		Runtime: func() map[string]catalog.Health { return nil }, AllowLocal: cfg.LocalPlugins, Now: time.Now,
	}), nil
}

// unasked knows every platform by name. The catalog has looked already.
type unasked struct{}

// List implements channels.Plugins.
func (unasked) List(context.Context) []social.Manifest { return nil }

// Platform implements channels.Plugins.
func (unasked) Platform(context.Context, string) (social.Platform, error) { return nil, nil } //nolint:nilnil // nobody calls it

func catalogCommands() []*cobra.Command {
	return []*cobra.Command{
		addCommand(),
		{
			Use: "list", Short: "List the plugins of this installation", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				return atCounter(c, func(ctx context.Context, at counter) error { return at.list(ctx) })
			},
		},
		on("show PLUGIN", "Show one plugin: what runs, what waits and what that would change", func(ctx context.Context, at counter, id string) error {
			e, err := at.Get(ctx, at.who, id)
			return at.show(e, err)
		}),
		on("enable PLUGIN", "Switch a plugin on for the installation", func(ctx context.Context, at counter, id string) error {
			e, err := at.Enable(ctx, at.who, id)
			return at.show(e, err)
		}),
		on("disable PLUGIN", "Switch a plugin off for the installation; what is planned waits", func(ctx context.Context, at counter, id string) error {
			e, err := at.Disable(ctx, at.who, id)
			return at.show(e, err)
		}),
		on("dismiss PLUGIN", "Let the version that waits go; what runs runs on", func(ctx context.Context, at counter, id string) error {
			e, err := at.Dismiss(ctx, at.who, id, "")
			return at.show(e, err)
		}),
		on("remove PLUGIN", "Remove a plugin and its bundles; its channels stay", func(ctx context.Context, at counter, id string) error {
			return at.Remove(ctx, at.who, id)
		}),
		approveCommand(), rollbackCommand(), channelCommand(), grantsCommand(), settingsCommand(), trustCommand(), lockCommand(),
	}
}

// on is a command about one plugin.
func on(use, short string, run func(context.Context, counter, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return atCounter(c, func(ctx context.Context, at counter) error { return run(ctx, at, args[0]) })
		},
	}
}

func addCommand() *cobra.Command {
	var channel string
	c := &cobra.Command{
		Use: "add BUNDLE|DIR", Short: "Add a plugin, or a version of one", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return atCounter(c, func(ctx context.Context, at counter) error {
				raw, err := at.bundleAt(ctx, args[0])
				if err != nil {
					return err
				}
				e, err := at.Add(ctx, at.who, catalog.Upload{Bundle: bytes.NewReader(raw), Channel: catalog.Channel(channel)})
				return at.show(e, err)
			})
		},
	}
	c.Flags().StringVar(&channel, "channel", "", "which versions a new plugin takes by itself: pinned, stable or latest")
	return c
}

// bundleAt is a bundle's file, or a folder packed as it is. What is in a folder
// nobody signed, and packing runs it: that is asked first.
func (at counter) bundleAt(ctx context.Context, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return os.ReadFile(path)
	}
	if !at.AllowLocal {
		return nil, catalog.ErrUnsigned()
	}
	var out bytes.Buffer
	_, err = packInto(ctx, path, &out)
	return out.Bytes(), err
}

func approveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "approve PLUGIN [DIGEST]", Short: "Let the version that waits run, with all that it asks for; without its digest, show it", Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return atCounter(c, func(ctx context.Context, at counter) error {
				if len(args) == 1 {
					e, err := at.Get(ctx, at.who, args[0])
					if err := at.show(e, err); err != nil || e.Pending == nil {
						return err
					}
					return errors.New("nothing is approved yet: add the digest of what was looked at")
				}
				e, err := at.Approve(ctx, at.who, args[0], args[1])
				return at.show(e, err)
			})
		},
	}
}

func rollbackCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rollback PLUGIN [VERSION]", Short: "Run the version before, or another that is kept, and pin it", Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return atCounter(c, func(ctx context.Context, at counter) error {
				e, err := at.Rollback(ctx, at.who, args[0], strings.Join(args[1:], ""))
				return at.show(e, err)
			})
		},
	}
}

// explain adds to a fault what is wrong with which field.
func explain(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	for _, v := range f.Violations {
		err = fmt.Errorf("%w\n  %s: %s", err, v.Field, v.Message)
	}
	return err
}

func (at counter) list(ctx context.Context) error {
	all, err := at.List(ctx, at.who)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(at.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tVERSION\tLEVEL\tSTATE\tCHANNEL\tWAITS")
	for _, e := range all {
		waits := ""
		if e.Pending != nil {
			waits = fmt.Sprintf("%s, %d changes", e.Pending.Version, len(e.Diff))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Plugin.ID, e.Manifest.Version, e.Plugin.Level, e.Plugin.State, e.Plugin.Channel, waits)
	}
	return w.Flush()
}

// show says all there is to say of one plugin.
func (at counter) show(e catalog.Entry, err error) error {
	if err != nil {
		return explain(err)
	}
	p := e.Plugin
	fmt.Fprintf(at.out, "%s  %s\n  %s, %s, takes %s versions\n", p.ID, e.Manifest.Name, p.Level, p.State, p.Channel)
	for _, v := range e.Versions {
		mark := ""
		switch v.Digest {
		case p.Active:
			mark = "  runs"
		case p.Pending:
			mark = "  waits for approval"
		}
		fmt.Fprintf(at.out, "  %s  %.12s  %s%s\n", v.Version, v.Digest, v.Level, mark)
	}
	for _, c := range e.Diff {
		fmt.Fprintf(at.out, "    %s: %s\n", c.Kind, c.What)
	}
	if e.Pending != nil {
		fmt.Fprintf(at.out, "  approve it with: carillon plugin approve %s %s\n", p.ID, e.Pending.Digest)
		if p.Active != "" {
			fmt.Fprintf(at.out, "  or let it go with: carillon plugin dismiss %s\n", p.ID)
		}
	}
	return nil
}
