package discord_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/discord"
	"github.com/carillonhq/carillon/plugins/discord/discordfake"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// TestMain lets the test binary be the plugin's program too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		p, err := discord.New(declarative.FromEnv(os.Getenv))
		if err != nil {
			panic(err)
		}
		sdk.Serve(p)
	}
	os.Exit(m.Run())
}

// abilities are what the plugin has. The host's handle has them all and
// answers Unsupported.
type abilities struct {
	social.Platform
	social.Connector
	social.Lister
	social.Meter
}

func TestContractOverTheWire(t *testing.T) {
	socialtest.Run(t, func(t *testing.T) socialtest.Harness {
		b := open(t, discordfake.Options{})
		p := child(t, b.Platform.Manifest().ID, b.url)
		b.Platform = abilities{p, p, p, p}
		return b.Harness
	})
}

// child runs the plugin in a process of its own.
func child(t *testing.T, id, url string) pluginhost.Plugin {
	t.Helper()
	dir, err := os.MkdirTemp("", "plug")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	host, err := pluginhost.New(pluginhost.Config{
		Args: func(string) []string { return []string{"serve"} }, Dir: filepath.Join(dir, "s"),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, []pluginhost.Spec{{ID: id, Name: id, Env: []string{"CARILLON_DECLARATIVE_UPSTREAM=discord.com=" + url}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close(context.WithoutCancel(t.Context())) })
	p, err := host.Platform(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
