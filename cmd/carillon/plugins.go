package main

import (
	"fmt"
	"os"

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
var firstParty = map[string]func(getenv func(string) string) (social.Platform, error){
	"bluesky": func(getenv func(string) string) (social.Platform, error) {
		return bluesky.New(bluesky.Options{HTTP: sdk.HTTPClient(), AppView: getenv("CARILLON_BLUESKY_APPVIEW")}), nil
	},
	"mastodon": func(func(string) string) (social.Platform, error) {
		return mastodon.New(mastodon.Options{HTTP: sdk.HTTPClient()}), nil
	},
	"discord": func(getenv func(string) string) (social.Platform, error) {
		return discord.New(declarative.FromEnv(getenv))
	},
	"telegram": func(getenv func(string) string) (social.Platform, error) {
		return telegram.New(declarative.FromEnv(getenv))
	},
	"pigeon": func(getenv func(string) string) (social.Platform, error) {
		opt, err := pigeon.FromEnv(getenv)
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
			p, err := open(os.Getenv)
			if err != nil {
				return err
			}
			sdk.Serve(p)
			return nil
		},
	})
	c.AddCommand(packCommands()...)
	c.AddCommand(catalogCommands()...)
	c.AddCommand(pluginNewCommand(), pluginDevCommand(), pluginTestCommand())
	return c
}
