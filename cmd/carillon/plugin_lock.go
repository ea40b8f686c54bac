package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/bundle"
	"github.com/carillonhq/carillon/core/catalog"
)

// lockFile is what another installation needs to have the same plugins.
const lockFile = "carillon.lock.json"

// locked is what lockFile holds.
type locked struct {
	Format  int            `json:"format"`
	Keys    []lockedKey    `json:"keys"`
	Plugins []lockedPlugin `json:"plugins"`
}

type lockedKey struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Public string `json:"public"`
}

type lockedPlugin struct {
	ID      string          `json:"id"`
	State   catalog.State   `json:"state"`
	Channel catalog.Channel `json:"channel"`
	Version string          `json:"version,omitempty"` // builtins have what the program has
	Digest  string          `json:"digest,omitempty"`
}

func lockCommand() *cobra.Command {
	var apply bool
	c := &cobra.Command{
		Use: "lock [FOLDER]", Short: "Write " + lockFile + " and the bundles it names, or --apply them", Args: cobra.MaximumNArgs(1),
		Long: "Writes which plugins run here, in exactly which version and signed by whom, beside their bundles. With --apply, an\n" +
			"installation takes over what the folder says. Settings and grants stay where they are.",
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return atCounter(c, func(ctx context.Context, at counter) error {
				if apply {
					return at.apply(ctx, dir)
				}
				return at.lock(ctx, dir)
			})
		},
	}
	c.Flags().BoolVar(&apply, "apply", false, "take over what is in the folder")
	return c
}

// lock writes down what there is, in a folder that it makes if need be.
func (at counter) lock(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	keys, err := at.Keys(ctx, at.who)
	if err != nil {
		return err
	}
	all, err := at.List(ctx, at.who)
	if err != nil {
		return err
	}
	out := locked{Format: 1}
	for _, k := range keys {
		out.Keys = append(out.Keys, lockedKey{k.ID, k.Name, k.PEM()})
	}
	for _, e := range all {
		l := lockedPlugin{ID: e.Plugin.ID, State: e.Plugin.State, Channel: e.Plugin.Channel, Digest: e.Plugin.Active}
		if l.Digest != "" {
			l.Version = e.Manifest.Version
			if err := at.export(ctx, dir, l); err != nil {
				return err
			}
		}
		if l.Digest != "" || e.Plugin.Level == catalog.BuiltIn {
			out.Plugins = append(out.Plugins, l)
		}
	}
	raw, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, lockFile)
	if err := os.WriteFile(file, append(raw, '\n'), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(at.out, "%s: %d plugins, %d keys\n", file, len(out.Plugins), len(out.Keys))
	return nil
}

func (l lockedPlugin) file(dir string) string {
	return filepath.Join(dir, bundle.Lock{ID: l.ID, Version: l.Version}.Name())
}

func (at counter) export(ctx context.Context, dir string, l lockedPlugin) error {
	s, err := at.bundles.store(ctx)
	if err != nil {
		return err
	}
	f, err := os.Create(l.file(dir))
	if err != nil {
		return err
	}
	return errors.Join(s.Export(ctx, l.Digest, f), f.Close())
}

// apply makes this installation have what the folder says, and nothing less.
func (at counter) apply(ctx context.Context, dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, lockFile))
	if err != nil {
		return err
	}
	var in locked
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return fmt.Errorf("%s: %w", lockFile, err)
	}
	if in.Format != 1 {
		return fmt.Errorf("%s has format %d; this program reads 1", lockFile, in.Format)
	}
	for _, k := range in.Keys {
		key, err := catalog.ParseKey(k.Public)
		if err != nil || key.ID != k.ID {
			return fmt.Errorf("%s: key %s is not what it says", lockFile, k.ID)
		}
		key.Name = k.Name
		if _, err := at.Trust(ctx, at.who, key); err != nil {
			return err
		}
	}
	for _, l := range in.Plugins {
		if err := at.applyOne(ctx, dir, l); err != nil {
			return fmt.Errorf("%s %s: %w", l.ID, l.Version, explain(err))
		}
		fmt.Fprintf(at.out, "%s  %s  %s\n", l.ID, l.Version, l.State)
	}
	return nil
}

func (at counter) applyOne(ctx context.Context, dir string, l lockedPlugin) error {
	if l.Digest != "" {
		if err := at.applyVersion(ctx, dir, l); err != nil {
			return err
		}
	}
	set := at.Enable
	if l.State == catalog.Disabled {
		set = at.Disable
	}
	if _, err := set(ctx, at.who, l.ID); err != nil {
		return err
	}
	_, err := at.Update(ctx, at.who, l.ID, catalog.ChannelChange{Channel: &l.Channel})
	return err
}

// applyVersion makes exactly that bundle the one that runs.
func (at counter) applyVersion(ctx context.Context, dir string, l lockedPlugin) error {
	f, err := os.Open(l.file(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	c, err := bundle.Inspect(f)
	if err != nil {
		return err
	}
	if c.Digest != l.Digest {
		return fmt.Errorf("%s is another bundle than was locked", f.Name())
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	e, err := at.Add(ctx, at.who, catalog.Upload{Bundle: f, Channel: l.Channel})
	switch {
	case err != nil:
		return err
	case e.Plugin.Pending == l.Digest:
		_, err = at.Approve(ctx, at.who, l.ID, l.Digest)
	case e.Plugin.Active != l.Digest:
		_, err = at.Rollback(ctx, at.who, l.ID, l.Digest)
	}
	return err
}
