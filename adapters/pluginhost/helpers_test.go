package pluginhost_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/ports/social"
)

// patient are limits that a busy machine does not meet by accident. A test that
// is about a limit shortens that one.
func patient() pluginhost.Timeouts {
	const long = 30 * time.Second
	return pluginhost.Timeouts{Start: long, Prepare: long, Commit: long, Query: long, Probe: long, Idle: time.Hour, Drain: long}
}

// instantly lets a process that was built with the race detector end at once,
// instead of waiting a second for other threads' reports.
const instantly = "GORACE=atexit_sleep_ms=0"

// host opens a host of the fixture, changed by with.
func host(t testing.TB, name, id string, with ...func(*pluginhost.Config, *pluginhost.Spec)) *pluginhost.Host {
	t.Helper()
	cfg := pluginhost.Config{Args: asFixture, Dir: shortDir(t), Env: []string{instantly}, Log: slog.New(slog.DiscardHandler), Timeouts: patient()}
	spec := pluginhost.Spec{ID: id, Name: name}
	for _, f := range with {
		f(&cfg, &spec)
	}
	h, err := pluginhost.New(cfg, []pluginhost.Spec{spec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// unconfined is for fixtures that tell the test something in a file.
func unconfined(c *pluginhost.Config, _ *pluginhost.Spec) { c.Sandbox.Mode = sandbox.Off }

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func open(t testing.TB, h *pluginhost.Host, id string) pluginhost.Plugin {
	t.Helper()
	p, err := h.Platform(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func publish(p social.Platform, text string, commit bool) (social.Step, error) {
	return p.Publish(context.Background(), request(text, commit))
}

func request(text string, commit bool) social.PublishRequest {
	return social.PublishRequest{
		Call:    social.Call{Tenant: "t1", Credential: social.Credential{AccessToken: "tok-0123456789"}},
		Content: social.Content{Text: text}, Commit: commit,
	}
}

// eventually polls until ok or the deadline.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.After(within)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// running is the process of h's only plugin. It is never 0, which a signal
// would take for this test's own group.
func running(t *testing.T, h *pluginhost.Host) int {
	t.Helper()
	pid := h.Status()[0].PID
	if pid == 0 {
		t.Fatal("the plugin does not run")
	}
	return pid
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
