package pluginhost_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/ports/social"
)

// journal keeps what a host logs.
type journal struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.String()
}

func stateOf(h *pluginhost.Host) pluginhost.State { return h.Status()[0].State }

func TestStatesAreToldAndLogged(t *testing.T) {
	t.Parallel()
	log := &journal{}
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
	if s := stateOf(h); s != pluginhost.Idle {
		t.Errorf("at first: %s", s)
	}
	p := open(t, h, "test.good")
	if s := stateOf(h); s != pluginhost.Running {
		t.Errorf("started: %s", s)
	}
	if _, err := publish(p, "exit", false); err == nil {
		t.Fatal("it answered")
	}
	eventually(t, time.Minute, "the rest is over", func() bool { return stateOf(h) == pluginhost.Idle })
	if _, err := publish(p, "now", false); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := stateOf(h); s != pluginhost.Closed {
		t.Errorf("closed: %s", s)
	}
	rest := log.String()
	for _, change := range []string{
		"from=idle to=starting", "from=starting to=running", "from=running to=resting", "from=resting to=idle",
		"from=idle to=starting", "from=starting to=running", "from=running to=draining", "from=draining to=closed",
	} {
		_, after, found := strings.Cut(rest, change)
		if !found {
			t.Fatalf("%q is not in the log, in this order:\n%s", change, log)
		}
		rest = after
	}
}

func TestAPluginThatNobodyUsesIsEnded(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Timeouts.Unused = 100 * time.Millisecond })
	p := open(t, h, "test.good")
	pid := running(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	used := make(chan struct{})
	go func() { defer close(used); _, _ = p.Publish(ctx, request("hang", false)) }()
	<-time.After(400 * time.Millisecond) // far longer than it may be unused
	if now := running(t, h); now != pid {
		t.Error("it was ended in the middle of a call")
	}
	cancel()
	<-used
	eventually(t, time.Minute, "the unused process is ended", func() bool { return gone(pid) && stateOf(h) == pluginhost.Idle })
	if _, err := h.Platform(t.Context(), "test.good"); err != nil || h.Status()[0].PID != 0 {
		t.Errorf("its manifest is forgotten: %v", err)
	}
	if _, err := publish(p, "now", false); err != nil {
		t.Errorf("when it was needed again: %v", err)
	}
	if s := h.Status()[0]; s.Crashes != 0 || s.Starts != 2 {
		t.Errorf("status %+v", s)
	}
}

// moody is a host of a plugin that cannot start while a file is there.
func moody(t *testing.T, rest time.Duration) (h *pluginhost.Host, mood string) {
	t.Helper()
	mood = filepath.Join(shortDir(t), "mood")
	return host(t, "moody", "test.good", func(c *pluginhost.Config, s *pluginhost.Spec) {
		c.Timeouts.Rest, s.Env = rest, []string{"MOOD=" + mood}
	}, unconfined), mood
}

func sulk(t *testing.T, mood string) {
	t.Helper()
	if err := os.WriteFile(mood, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// quarantine makes a plugin fall until it is left alone.
func quarantine(t *testing.T, h *pluginhost.Host) {
	t.Helper()
	eventually(t, time.Minute, "quarantine", func() bool {
		if _, err := h.Platform(t.Context(), "test.good"); err == nil {
			t.Fatal("it started")
		}
		return stateOf(h) == pluginhost.Quarantined
	})
}

func TestAPluginThatKeepsCrashingIsQuarantined(t *testing.T) {
	t.Parallel()
	h, mood := moody(t, time.Hour)
	sulk(t, mood)
	quarantine(t, h)
	if s := h.Status()[0]; s.Crashes != 5 || time.Until(s.Quarantined) > time.Hour {
		t.Errorf("status %+v", s)
	}
	begun := time.Now()
	_, err := h.Platform(t.Context(), "test.good")
	f := social.FaultOf(err, true)
	if f.Kind != social.Transient || !f.Local || f.RetryAfter > time.Hour || f.RetryAfter < 50*time.Minute {
		t.Errorf("%+v", f)
	}
	if took := time.Since(begun); took > promptly {
		t.Errorf("it was answered after %s", took)
	}
	if n := h.Status()[0].Starts; n != 5 {
		t.Error("it was started in quarantine")
	}
}

func TestQuarantineEndsWithATrial(t *testing.T) {
	h, mood := moody(t, 100*time.Millisecond)
	p := open(t, h, "test.good")
	sulk(t, mood)
	if err := syscall.Kill(running(t, h), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "quarantine", func() bool {
		_, _ = publish(p, "now", false)
		return stateOf(h) == pluginhost.Quarantined
	})
	// The first trial fails: the rest is doubled.
	eventually(t, time.Minute, "half-open", func() bool { return stateOf(h) == pluginhost.HalfOpen })
	if _, err := publish(p, "now", false); err == nil {
		t.Fatal("it answered")
	}
	if s := h.Status()[0]; s.State != pluginhost.Quarantined && s.State != pluginhost.HalfOpen || s.Starts != 6 {
		t.Errorf("after a failed trial: %+v", s)
	}
	eventually(t, time.Minute, "half-open again", func() bool { return stateOf(h) == pluginhost.HalfOpen })
	if err := os.Remove(mood); err != nil {
		t.Fatal(err)
	}
	// One call is let in; the others are told to come back.
	ctx, cancel := context.WithCancel(t.Context())
	trial := make(chan error, 1)
	go func() { _, err := p.Publish(ctx, request("hang", false)); trial <- err }()
	eventually(t, time.Minute, "the trial is under way", func() bool { s := h.Status()[0]; return s.InFlight == 1 && s.PID != 0 })
	if _, err := publish(p, "now", false); social.FaultOf(err, false).Key != "plugin.trial" {
		t.Errorf("a second call: %v", err)
	}
	cancel() // proves nothing
	<-trial
	if s := stateOf(h); s != pluginhost.HalfOpen {
		t.Errorf("after a trial that nobody waited for: %s", s)
	}
	if _, err := publish(p, "now", false); err != nil {
		t.Fatal(err)
	}
	if s := h.Status()[0]; s.State != pluginhost.Running || s.Crashes != 0 {
		t.Errorf("after a good trial: %+v", s)
	}
}
