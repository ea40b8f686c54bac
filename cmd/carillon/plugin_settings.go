package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/tenants"
)

func channelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "channel PLUGIN pinned|stable|latest", Short: "Say which new versions a plugin takes by itself", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return atCounter(c, func(ctx context.Context, at counter) error {
				ch := catalog.Channel(args[1])
				e, err := at.Update(ctx, at.who, args[0], catalog.ChannelChange{Channel: &ch})
				return at.show(e, err)
			})
		},
	}
}

// wishes are what the flags of "plugin grants" ask for.
type wishes struct {
	tiers               []string
	optIn               bool
	allow, deny, forget []string
}

func grantsCommand() *cobra.Command {
	var w wishes
	c := &cobra.Command{
		Use: "grants PLUGIN", Short: "Show who may use a plugin, or change it by flags; what no flag names stays", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return atCounter(c, func(ctx context.Context, at counter) error {
				g, row, err := at.Grants(ctx, at.who, args[0])
				if err != nil {
					return err
				}
				if c.Flags().NFlag() > 0 {
					w.change(&g, c.Flags().Changed)
					if g, _, err = at.SetGrants(ctx, at.who, args[0], row, g); err != nil {
						return explain(err)
					}
				}
				return at.tellGrants(g)
			})
		},
	}
	c.Flags().StringSliceVar(&w.tiers, "tiers", nil, "the plans that include it, such as pro,agency")
	c.Flags().BoolVar(&w.optIn, "opt-in", false, "nobody has it until they switch it on; --opt-in=false takes that back")
	c.Flags().StringSliceVar(&w.allow, "allow", nil, "tenants that have it whatever their plan, with all below them")
	c.Flags().StringSliceVar(&w.deny, "deny", nil, "tenants that do not have it, with all below them")
	c.Flags().StringSliceVar(&w.forget, "forget", nil, "tenants for which the plan counts again")
	return c
}

// change applies the flags that were given.
func (w wishes) change(g *catalog.Grants, given func(flag string) bool) {
	if given("tiers") {
		g.Tiers = nil
		for _, t := range w.tiers {
			g.Tiers = append(g.Tiers, tenants.Tier(t))
		}
	}
	if given("opt-in") {
		g.OptIn = w.optIn
	}
	words := maps.Clone(g.Tenants)
	if words == nil {
		words = map[tenants.ID]bool{}
	}
	for _, t := range w.allow {
		words[tenants.ID(t)] = true
	}
	for _, t := range w.deny {
		words[tenants.ID(t)] = false
	}
	for _, t := range w.forget {
		delete(words, tenants.ID(t))
	}
	g.Tenants = words
}

func (at counter) tellGrants(g catalog.Grants) error {
	var tiers []string
	for _, t := range g.Tiers {
		tiers = append(tiers, string(t))
	}
	when := "until somebody switches it off"
	if g.OptIn {
		when = "once they switch it on"
	}
	if _, err := fmt.Fprintf(at.out, "plans %s have it, %s\n", strings.Join(tiers, ", "), when); err != nil {
		return err
	}
	for _, t := range slices.Sorted(maps.Keys(g.Tenants)) {
		if _, err := fmt.Fprintf(at.out, "  %s  %s\n", t, map[bool]string{true: "allowed", false: "denied"}[g.Tenants[t]]); err != nil {
			return err
		}
	}
	return nil
}

func settingsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "settings PLUGIN [FILE]", Short: "Show what is set for a plugin, or replace it by a JSON file (- is standard input)", Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return atCounter(c, func(ctx context.Context, at counter) error {
				if len(args) == 1 {
					got, err := at.Settings(ctx, at.who, args[0])
					return at.tellSettings(got, err)
				}
				values, err := readValues(c.InOrStdin(), args[1])
				if err != nil {
					return err
				}
				got, err := at.SetSettings(ctx, at.who, args[0], values)
				return at.tellSettings(got, err)
			})
		},
	}
}

func readValues(stdin io.Reader, path string) (values map[string]any, err error) {
	var raw []byte
	if path == "-" {
		raw, err = io.ReadAll(io.LimitReader(stdin, 1<<20))
	} else {
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return values, nil
}

func (at counter) tellSettings(s catalog.Settings, err error) error {
	if err != nil {
		return explain(err)
	}
	e := json.NewEncoder(at.out)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{"schema": json.RawMessage(orNull(s.Schema)), "values": s.Values, "secrets": s.Secrets})
}

func orNull(raw []byte) []byte {
	if raw == nil {
		return []byte("null")
	}
	return raw
}

func trustCommand() *cobra.Command {
	var name string
	var revoke bool
	c := &cobra.Command{
		Use: "trust KEY", Short: "Trust a public key's signature, or stop to with --revoke and its id", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return atCounter(c, func(ctx context.Context, at counter) error {
				if revoke {
					return at.Distrust(ctx, at.who, args[0])
				}
				text, err := os.ReadFile(args[0])
				if err != nil {
					return err
				}
				k, err := catalog.ParseKey(string(text))
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				k.Name = name
				if k, err = at.Trust(ctx, at.who, k); err != nil {
					return err
				}
				return say(c, "key %s of %s is trusted\n", k.ID, k.Name)
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "whose key it is")
	c.Flags().BoolVar(&revoke, "revoke", false, "trust it no more")
	return c
}
