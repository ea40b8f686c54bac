package pluginhost_test

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/ports/social"
)

func TestAFrozenPluginIsGivenUp(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Timeouts.Commit, c.Timeouts.Probe = 300*time.Millisecond, 500*time.Millisecond
	})
	p := open(t, h, "test.good")
	pid := running(t, h)
	freeze(t, pid)
	begun := time.Now()
	_, err := publish(p, "now", true)
	if f := social.FaultOf(err, true); err == nil || f.Kind != social.Ambiguous {
		t.Errorf("frozen in a commit: %v", err)
	}
	if took := time.Since(begun); took > promptly {
		t.Errorf("the call took %s", took)
	}
	eventually(t, time.Minute, "the frozen process is killed", func() bool { return gone(pid) })
	if _, err := publish(p, "now", false); err != nil {
		t.Errorf("after that: %v", err)
	}
}

func TestASlowPluginIsNotKilled(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	pid := running(t, h)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.Publish(ctx, request("hang", false)); err == nil {
		t.Fatal("a call without end ended")
	}
	if _, err := publish(p, "now", false); err != nil || h.Status()[0].PID != pid {
		t.Errorf("the plugin was replaced: %v", err)
	}
}

func TestCloseDoesNotWaitForAFrozenPlugin(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Timeouts.Probe = 500 * time.Millisecond })
	p := open(t, h, "test.good")
	pid := running(t, h)
	freeze(t, pid)
	call := make(chan error, 1)
	go func() { _, err := publish(p, "now", true); call <- err }()
	eventually(t, time.Minute, "the call is in flight", func() bool { return h.Status()[0].InFlight == 1 })
	begun := time.Now()
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > promptly {
		t.Errorf("took %s", took)
	}
	if !gone(pid) {
		t.Error("it still runs")
	}
	if err := <-call; err == nil {
		t.Error("the frozen plugin answered")
	}
}

func TestCloseLetsCallsFinish(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Timeouts.Commit = 300 * time.Millisecond })
	p := open(t, h, "test.good")
	done := make(chan error, 1)
	go func() { _, err := publish(p, "hang", true); done <- err }()
	eventually(t, time.Minute, "the call is in flight", func() bool { return h.Status()[0].InFlight == 1 })
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case <-done:
	default:
		t.Error("closed over a call in flight")
	}
	if _, err := publish(p, "now", true); social.FaultOf(err, true).Kind != social.Transient {
		t.Errorf("after Close: %v", err)
	}
}

// freeze stops a process. A busy machine takes a moment to do it.
func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		eventually(t, time.Minute, "the process stands still", func() bool { return state(pid) == "T" || gone(pid) })
	}
}
