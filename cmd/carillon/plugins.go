package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/plugins/bluesky"
	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/discord"
	"github.com/carillonhq/carillon/plugins/mastodon"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/telegram"
	"github.com/carillonhq/carillon/ports/social"
)

// firstParty are the plugins inside this program. Each runs as a process of
// its own: `carillon plugin serve <name>`.
var firstParty = map[string]func() (social.Platform, error){
	"bluesky": func() (social.Platform, error) {
		return bluesky.New(bluesky.Options{HTTP: sdk.HTTPClient(), AppView: os.Getenv("CARILLON_BLUESKY_APPVIEW")}), nil
	},
	"mastodon": func() (social.Platform, error) { return mastodon.New(mastodon.Options{HTTP: sdk.HTTPClient()}), nil },
	"discord":  func() (social.Platform, error) { return discord.New(declarative.FromEnv(os.Getenv)) },
	"telegram": func() (social.Platform, error) { return telegram.New(declarative.FromEnv(os.Getenv)) },
	"pigeon": func() (social.Platform, error) {
		opt, err := pigeon.FromEnv(os.Getenv)
		opt.HTTP = sdk.HTTPClient()
		return pigeon.New(opt), err
	},
}

// specs are the plugins that cfg enables.
func specs(cfg config) []pluginhost.Spec {
	all := []pluginhost.Spec{
		{ID: "org.joinmastodon", Name: "mastodon"},
		{ID: "org.telegram", Name: "telegram"},
		{ID: "com.discord", Name: "discord"},
		{ID: "app.bsky", Name: "bluesky", Env: []string{"CARILLON_BLUESKY_APPVIEW=" + cfg.BlueskyView}},
	}
	if cfg.PigeonURL != "" {
		all = append(all, pluginhost.Spec{ID: "org.carillonhq.pigeon", Name: "pigeon", Env: []string{
			"CARILLON_PIGEON_URL=" + cfg.PigeonURL,
			"CARILLON_PIGEON_SETTLE=" + cfg.PigeonSettle,
			"CARILLON_PIGEON_NATIVE_KEY=" + cfg.PigeonNative,
		}})
	}
	return all
}

func pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "The platforms this program can speak to"}
	c.AddCommand(&cobra.Command{
		Use: "serve NAME [FILE]", Short: "Be a plugin; the plugin host runs this", Args: cobra.RangeArgs(1, 2), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 2 && args[0] == "declarative" {
				return serveDeclarative(args[1])
			}
			open, ok := firstParty[args[0]]
			if !ok {
				return fmt.Errorf("there is no plugin %q", args[0])
			}
			p, err := open()
			if err != nil {
				return err
			}
			sdk.Serve(p)
			return nil
		},
	}, &cobra.Command{
		Use: "list", Short: "List them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return listPlugins(c) },
	})
	c.AddCommand(pluginNewCommand(), pluginDevCommand(), pluginTestCommand())
	return c
}

func listPlugins(c *cobra.Command) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tID\tVERSION\tSIGN-IN\tRECOVERY")
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(firstParty)) {
		p, err := firstParty[name]()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		m, err := sdk.Describe(p)
		errs = append(errs, err)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", name, m.ID, m.Version, m.Auth.Kind, m.Dedup)
	}
	return errors.Join(append(errs, w.Flush())...)
}
