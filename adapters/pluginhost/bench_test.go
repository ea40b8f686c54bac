package pluginhost_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
)

// BenchmarkColdStart is from nothing to a checked manifest: hash, fork, sandbox,
// handshake, mutual TLS, Describe.
func BenchmarkColdStart(b *testing.B) {
	dir := shortDir(b)
	for b.Loop() {
		h, err := pluginhost.New(pluginhost.Config{
			Args: asFixture, Dir: dir, Log: slog.New(slog.DiscardHandler), Sandbox: pluginhost.Sandbox{Mode: sandbox.Required},
			Egress: func(string) pluginhost.Egress { return &door{url: "http://x:y@127.0.0.1:9"} },
		}, []pluginhost.Spec{{ID: "test.good", Name: "good"}})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.Platform(b.Context(), "test.good"); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := h.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkPublish is one step that does nothing: what the boundary costs.
func BenchmarkPublish(b *testing.B) {
	p := open(b, host(b, "good", "test.good"), "test.good")
	for b.Loop() {
		if _, err := publish(p, "now", true); err != nil {
			b.Fatal(err)
		}
	}
}
