package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/cmd/internal/firstparty"
	"github.com/carillonhq/carillon/ports/social"
)

// The plugins of this program, as specs for a host of the bench's own.
var benched = []pluginhost.Spec{
	{ID: "org.carillonhq.pigeon", Name: "pigeon"},
	{ID: "org.joinmastodon", Name: "mastodon"},
	{ID: "app.bsky", Name: "bluesky"},
}

// plugins measures the boundary to a plugin: its start, its end, its price.
func plugins(ctx context.Context, h *house, r *report) error {
	for _, measure := range []func(context.Context, *house, *report) error{coldStarts, callsAndCrashes, upgrades, memoryOfPlugins} {
		if err := measure(ctx, h, r); err != nil {
			return err
		}
	}
	return withoutTheOther(ctx, h, r)
}

// pluginProgram is what runs the plugins: as in an installation, the one
// beside the program if it is there.
func (h *house) pluginProgram() string {
	if h.opt.plugins != "" {
		return h.opt.plugins
	}
	beside := filepath.Join(filepath.Dir(h.opt.binary), "carillon-plugins")
	if _, err := os.Stat(beside); err != nil {
		return h.opt.binary
	}
	return beside
}

// hostOf opens a host of some of the plugins, as the program does.
func (h *house) hostOf(of ...pluginhost.Spec) (*pluginhost.Host, error) {
	specs := slices.Clone(of)
	dir, err := os.MkdirTemp("", "crlb") // a socket's path is short by law
	if err != nil {
		return nil, err
	}
	h.OnClose(func() { _ = os.RemoveAll(dir) })
	proxy, err := egress.ListenProxy(egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), egress.Limits{})
	if err != nil {
		return nil, err
	}
	h.OnClose(func() { _ = proxy.Close() })
	for i, s := range specs {
		specs[i] = withEnv(s, h)
	}
	return pluginhost.New(pluginhost.Config{
		Binary: h.pluginProgram(), Args: firstparty.Args,
		Dir: dir, Log: slog.New(slog.DiscardHandler), Breakers: true,
		Egress: func(id string) pluginhost.Egress { return proxy.Grant(id, nil) },
	}, specs)
}

// coldStarts measures the first plugin of a host, whose program has to be
// hashed, and one more of the same program, as any later start is.
func coldStarts(ctx context.Context, h *house, r *report) error {
	var first, further sample
	for range max(h.scale(200), 20) / 10 {
		host, err := h.hostOf(benched[:2]...)
		if err != nil {
			return err
		}
		for i, took := range []*sample{&first, &further} {
			began := time.Now()
			if _, err := host.Platform(ctx, benched[i].ID); err != nil {
				return errors.Join(err, host.Close(ctx))
			}
			*took = append(*took, time.Since(began))
		}
		if err := host.Close(ctx); err != nil {
			return err
		}
	}
	r.atMost("plugin cold start p50", further.ms(.5), 150, "ms", fmt.Sprintf("sandbox (%s), fork, handshake, mutual TLS, manifest; of %d; p95 %s ms", sandbox.Effective().Name(), len(further), number(further.ms(.95))))
	r.plain("plugin cold start, the host's first p50", first.ms(.5), "ms", "and its program's digest; p95 "+number(first.ms(.95))+" ms")
	return nil
}

// unary is the cheapest call there is: a state that the plugin refuses to read.
func unary(ctx context.Context, p pluginhost.Plugin, tenant string) error {
	_, err := p.Publish(ctx, social.PublishRequest{
		Call: social.Call{Tenant: tenant}, Content: social.Content{Text: "hello"}, State: []byte("not one of its states"),
	})
	var f *social.Fault
	if errors.As(err, &f) && f.Kind != social.Transient && f.Kind != social.Ambiguous {
		return nil // it was asked, and answered
	}
	return fmt.Errorf("the plugin did not answer: %w", err)
}

// running is a host of the first plugin, and the plugin.
func (h *house) running(ctx context.Context) (*pluginhost.Host, pluginhost.Plugin, error) {
	host, err := h.hostOf(benched[0])
	if err != nil {
		return nil, nil, err
	}
	p, err := host.Platform(ctx, benched[0].ID)
	if err != nil {
		return nil, nil, errors.Join(err, host.Close(ctx))
	}
	return host, p, nil
}

func callsAndCrashes(ctx context.Context, h *house, r *report) error {
	host, p, err := h.running(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = host.Close(ctx) }()
	var calls, crashes sample
	for range h.scale(5000) {
		began := time.Now()
		if err := unary(ctx, p, "t"); err != nil {
			return err
		}
		calls = append(calls, time.Since(began))
	}
	r.plain("plugin call p50", calls.ms(.5), "ms", "there and back, one at a time, without the network behind it")
	r.plain("plugin call p99", calls.ms(.99), "ms", "")
	for range 4 { // one more and it would be left alone
		began := time.Now()
		if err := syscall.Kill(host.Status()[0].PID, syscall.SIGKILL); err != nil {
			return err
		}
		for unary(ctx, p, "t") != nil || ctx.Err() != nil {
			if time.Since(began) > 30*time.Second {
				return errors.New("the plugin did not come back")
			}
		}
		crashes = append(crashes, time.Since(began))
	}
	r.atMost("plugin crash to serving", crashes.ms(1), 500, "ms", "from kill -9 to the next answer, back-off included; the worst of four in a row")
	return nil
}

func withEnv(s pluginhost.Spec, h *house) pluginhost.Spec {
	s.Env = []string{"CARILLON_PIGEON_URL=" + h.NetworkURL, "CARILLON_PIGEON_SETTLE=10s"}
	return s
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
