package mastodon_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/plugins/mastodon"
	"github.com/carillonhq/carillon/plugins/mastodon/mastodonfake"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// TestMain lets the test binary be the plugin's program too.
func TestMain(m *testing.M) {
	sandbox.Main()
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		sdk.Serve(mastodon.New(mastodon.Options{}))
	}
	os.Exit(m.Run())
}

// abilities are what the plugin has. The host's handle has them all and
// answers Unsupported.
type abilities struct {
	social.Platform
	social.Finder
	social.Lister
	social.Meter
}

func TestContractOverTheWire(t *testing.T) {
	for name, opt := range map[string]mastodonfake.Options{"stock": {Polls: 2}, "ignores the key": {IgnoreKey: true, Version: "0.17.0"}} {
		t.Run(name, func(t *testing.T) {
			socialtest.Run(t, func(t *testing.T) socialtest.Harness {
				h := open(t, opt)
				p := child(t, h.Platform.Manifest().ID)
				h.Platform = abilities{p, p, p, p}
				return h
			})
		})
	}
}

// child runs the plugin in a process of its own.
func child(t *testing.T, id string) pluginhost.Plugin {
	t.Helper()
	dir, err := os.MkdirTemp("", "plug")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	host, err := pluginhost.New(pluginhost.Config{
		Args: func(string) []string { return []string{"serve"} }, Dir: filepath.Join(dir, "s"),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, []pluginhost.Spec{{ID: id, Name: id}})
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
