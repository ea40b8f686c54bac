// Package firstparty is the table of the plugins that come with Carillon.
//
// Two programs hold it. `carillon` is sufficient and runs itself for each
// plugin; carillon-plugins holds nothing else, so that a process of it costs
// the memory of a plugin and not of a server that never serves. Both are asked
// with the same arguments.
package firstparty

import (
	"errors"
	"fmt"
	"os"

	"github.com/carillonhq/carillon/plugins/bluesky"
	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/discord"
	"github.com/carillonhq/carillon/plugins/local"
	"github.com/carillonhq/carillon/plugins/mastodon"
	"github.com/carillonhq/carillon/plugins/openai"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/telegram"
)

var table = map[string]func(getenv func(string) string) (sdk.Plugin, error){
	"bluesky": func(getenv func(string) string) (sdk.Plugin, error) {
		return bluesky.New(bluesky.Options{HTTP: sdk.HTTPClient(), AppView: getenv("CARILLON_BLUESKY_APPVIEW")}), nil
	},
	"local":  func(func(string) string) (sdk.Plugin, error) { return local.New(), nil },
	"openai": func(getenv func(string) string) (sdk.Plugin, error) { return openai.New(openai.FromEnv(getenv)), nil },
	"mastodon": func(func(string) string) (sdk.Plugin, error) {
		return mastodon.New(mastodon.Options{HTTP: sdk.HTTPClient()}), nil
	},
	"discord": func(getenv func(string) string) (sdk.Plugin, error) {
		return discord.New(declarative.FromEnv(getenv))
	},
	"telegram": func(getenv func(string) string) (sdk.Plugin, error) {
		return telegram.New(declarative.FromEnv(getenv))
	},
	"pigeon": func(getenv func(string) string) (sdk.Plugin, error) {
		opt, err := pigeon.FromEnv(getenv)
		opt.HTTP = sdk.HTTPClient()
		return pigeon.New(opt), err
	},
}

// Args make either program the plugin with that name.
func Args(name string) []string { return []string{"plugin", "serve", name} }

// Open is the plugin with that name, which reads its settings from getenv.
func Open(name string, getenv func(string) string) (sdk.Plugin, error) {
	open, ok := table[name]
	if !ok {
		return nil, fmt.Errorf("there is no plugin %q", name)
	}
	return open(getenv)
}

// Serve is the plugin that args name: one of the table, or "declarative" with
// the path of its file. It returns only what kept it from beginning. What is
// wrong with a file is said with line, column and field.
func Serve(args []string) error {
	var p sdk.Plugin
	var err error
	switch {
	case len(args) == 2 && args[0] == "declarative":
		p, err = declarative.Open(args[1], declarative.FromEnv(os.Getenv))
	case len(args) > 0:
		p, err = Open(args[0], os.Getenv)
	default:
		err = errors.New("plugin serve NAME [FILE]")
	}
	if err != nil {
		return err
	}
	sdk.Serve(p)
	return nil
}
