package bluesky_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/plugins/bluesky"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// TestMain lets the test binary be the plugin's program too.
func TestMain(m *testing.M) {
	sandbox.Main()
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		server := os.Getenv("SERVER")
		sdk.Serve(bluesky.New(bluesky.Options{Entry: server, AppView: server, PLC: server}))
	}
	os.Exit(m.Run())
}

func TestContractOverTheWire(t *testing.T) {
	socialtest.Run(t, func(t *testing.T) socialtest.Harness {
		b := open(t)
		b.Platform = child(t, b.plugin.Manifest().ID, "SERVER="+b.url)
		return b.Harness
	})
}

// child runs the plugin in a process of its own.
func child(t *testing.T, id string, env ...string) pluginhost.Plugin {
	t.Helper()
	dir, err := os.MkdirTemp("", "plug")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	host, err := pluginhost.New(pluginhost.Config{
		Args: func(string) []string { return []string{"serve"} }, Dir: filepath.Join(dir, "s"),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Env: env,
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
