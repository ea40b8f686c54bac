package pluginhost_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

func version(v string) pluginhost.Spec {
	return pluginhost.Spec{ID: "test.good", Name: "version:" + v}
}

// step publishes with a state and returns who answered.
func step(t *testing.T, p social.Platform, text string, state []byte) (string, []byte, error) {
	t.Helper()
	req := request(text, false)
	req.State = state
	got, err := p.Publish(t.Context(), req)
	switch {
	case err != nil:
		return "", nil, err
	case got.Next != nil:
		return "", got.Next.State, nil
	}
	return got.Receipt.Ref.ID, nil, nil
}

func TestAnUpgradeUnderLoadFailsNoCall(t *testing.T) {
	t.Parallel()
	h := host(t, "version:1.0.0:0:0:20ms", "test.good")
	p := open(t, h, "test.good")
	var calls, failed atomic.Int64
	var seen sync.Map
	stop := make(chan struct{})
	var load sync.WaitGroup
	for i := range 8 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				req := request("now", true)
				req.Call.Tenant = fmt.Sprint("t", i)
				got, err := p.Publish(context.Background(), req)
				if calls.Add(1); err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				seen.Store(got.Receipt.Ref.ID, true)
			}
		})
	}
	for i := range 4 {
		before := running(t, h)
		if err := h.Upgrade(t.Context(), version(fmt.Sprintf("2.%d.0:0:0:20ms", i))); err != nil {
			t.Fatal(err)
		}
		if now := running(t, h); now == before {
			t.Error("the same process serves")
		}
		n := calls.Load()
		eventually(t, time.Minute, "calls of the new version", func() bool { return calls.Load() > n+32 })
		eventually(t, time.Minute, "the old process ends", func() bool { return gone(before) && len(h.Status()[0].Older) == 0 })
	}
	close(stop)
	load.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d calls failed", failed.Load(), calls.Load())
	}
	for _, v := range []string{"1.0.0", "2.0.0", "2.1.0", "2.2.0", "2.3.0"} {
		if _, ok := seen.Load(v + " read "); !ok {
			t.Errorf("version %s answered nothing", v)
		}
	}
	if s := h.Status()[0]; s.Version != "2.3.0" || s.Crashes != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestAFailedUpgradeChangesNothing(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]pluginhost.Spec{
		"does not start":      {ID: "test.good", Name: "leaves"},
		"another plugin":      version("6.6.7:0:0"),
		"another sign-in":     version("6.6.6:0:0"),
		"cannot look up":      {ID: "test.finder", Name: "version:1.0.0"},
		"is not the program":  {ID: "test.good", Name: "good", Digest: strings.Repeat("0", 64)},
		"there is no program": {ID: "test.good", Name: "good", Binary: "/nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			fixture, id := "good", "test.good"
			if next.ID == "test.finder" {
				fixture, id = "finder", "test.finder"
			}
			if name == "another sign-in" {
				fixture = "version:6.6.6:0:0"
				next = version("1.0.0:0:0")
			}
			h := host(t, fixture, id)
			p := open(t, h, id)
			pid := running(t, h)
			if err := h.Upgrade(t.Context(), next); !fault.Is(err, fault.Invalid) {
				t.Errorf("%v", err)
			}
			if _, err := publish(p, "now", false); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			if s := h.Status()[0]; s.PID != pid || len(s.Older) != 0 || s.State != pluginhost.Running {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func TestOperationsStayWithTheVersionThatReadsThem(t *testing.T) {
	t.Parallel()
	h := host(t, "version:1.0.0:1:1", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Timeouts.Pinned = time.Second })
	p := open(t, h, "test.good")
	old := running(t, h)
	_, begun, err := step(t, p, "next", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Upgrade(t.Context(), version("2.0.0:2:2")); err != nil {
		t.Fatal(err)
	}
	if s := h.Status()[0]; len(s.Older) != 1 || s.Older[0].Version != "1.0.0" || s.Older[0].StateVersion != 1 || s.Older[0].PID != old {
		t.Errorf("status %+v", s)
	}
	for text, tt := range map[string]struct {
		state []byte
		want  string
	}{
		"begun before":   {begun, "1.0.0 read of 1.0.0"},
		"begins":         {nil, "2.0.0 read "},
		"begins, empty":  {[]byte{}, "2.0.0 read "},
		"begun after it": {must(t, p), "2.0.0 read of 2.0.0"},
	} {
		if got, _, err := step(t, p, "now", tt.state); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, tt.want)
		}
	}
	eventually(t, time.Minute, "the old version ends when nobody asked for it", func() bool { return gone(old) && len(h.Status()[0].Older) == 0 })
	_, _, err = step(t, p, "now", begun)
	if f := social.FaultOf(err, true); f.Kind != social.Transient || f.Key != social.StateUnreadable || f.Local {
		t.Errorf("then: %+v", f)
	}
	// One that reads them all takes what is left.
	if err := h.Upgrade(t.Context(), version("3.0.0:3:1,2,3")); err != nil {
		t.Fatal(err)
	}
	if got, _, err := step(t, p, "now", begun); err != nil || got != "3.0.0 read of 1.0.0" {
		t.Errorf("at last: %q, %v", got, err)
	}
	eventually(t, time.Minute, "it needs no other", func() bool { return len(h.Status()[0].Older) == 0 })
}

func must(t *testing.T, p social.Platform) []byte {
	t.Helper()
	_, state, err := step(t, p, "next", nil)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// A version that is kept for its own operations gets up again like any other.
func TestAnOldVersionIsStartedAgain(t *testing.T) {
	t.Parallel()
	h := host(t, "version:1.0.0:1:1", "test.good", func(c *pluginhost.Config, s *pluginhost.Spec) {
		c.Timeouts.Unused, s.Bundle = 100*time.Millisecond, "first"
	})
	p := open(t, h, "test.good")
	begun := must(t, p)
	next := version("2.0.0:2:2")
	next.Bundle = "second"
	if err := h.Upgrade(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if got := h.Bundles(); !slices.Equal(got, []string{"second", "first"}) {
		t.Errorf("needs %v", got)
	}
	eventually(t, time.Minute, "nobody runs", func() bool { s := h.Status()[0]; return s.PID == 0 && s.Older[0].PID == 0 })
	if got, _, err := step(t, p, "now", begun); err != nil || got != "1.0.0 read of 1.0.0" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestStatesFromBeforeTheStamp(t *testing.T) {
	t.Parallel()
	h := host(t, "version:1.0.0:0:0", "test.good")
	p := open(t, h, "test.good")
	if err := h.Upgrade(t.Context(), version("2.0.0:1:0,1")); err != nil {
		t.Fatal(err)
	}
	if got, _, err := step(t, p, "now", []byte("stored long ago")); err != nil || got != "2.0.0 read stored long ago" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestInstallAndRemove(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good")
	if err := h.Install(t.Context(), pluginhost.Spec{ID: "test.good", Name: "good"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("twice: %v", err)
	}
	if err := h.Install(t.Context(), pluginhost.Spec{ID: "test.finder", Name: "leaves"}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("one that does not start: %v", err)
	}
	if n := len(h.Status()); n != 1 {
		t.Errorf("%d plugins after refusals", n)
	}
	if err := h.Install(t.Context(), pluginhost.Spec{ID: "test.finder", Name: "finder"}); err != nil {
		t.Fatal(err)
	}
	p := open(t, h, "test.finder")
	if list := h.List(t.Context()); len(list) != 2 || list[1].ID != "test.finder" {
		t.Errorf("listed %+v", list)
	}
	pid := h.Status()[1].PID
	call := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, err := p.Publish(ctx, request("hang", false)); call <- err }()
	eventually(t, time.Minute, "a call is in flight", func() bool { return h.Status()[1].InFlight == 1 })
	removed := make(chan error, 1)
	go func() { removed <- h.Remove(t.Context(), "test.finder") }()
	eventually(t, time.Minute, "it is not offered any more", func() bool {
		_, err := h.Platform(t.Context(), "test.finder")
		return fault.Is(err, fault.NotFound)
	})
	select {
	case err := <-removed:
		t.Errorf("removed over a call in flight: %v", err)
	default:
	}
	cancel()
	if err := <-call; err == nil {
		t.Error("it hung on")
	}
	if err := <-removed; err != nil || !gone(pid) {
		t.Errorf("%v", err)
	}
	if _, err := publish(p, "now", true); social.FaultOf(err, true).Kind != social.Transient {
		t.Errorf("a call after that: %v", err)
	}
	for _, err := range []error{h.Remove(t.Context(), "test.finder"), h.Upgrade(t.Context(), pluginhost.Spec{ID: "test.finder"})} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("what is not there: %v", err)
		}
	}
	if err := h.Install(t.Context(), pluginhost.Spec{ID: "test.finder", Name: "finder"}); err != nil {
		t.Errorf("installed again: %v", err)
	}
}

// While one plugin takes its time to start, or to be upgraded, nobody waits.
func TestAStartHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	h := host(t, "version:1.0.0:0:0", "test.good", unconfined)
	p := open(t, h, "test.good")
	marks := shortDir(t)
	silent := func(id string) pluginhost.Spec {
		return pluginhost.Spec{ID: id, Name: "silent", Start: time.Minute, Env: []string{"MARK=" + filepath.Join(marks, id)}}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var over atomic.Bool
	var slow sync.WaitGroup
	slow.Go(func() {
		defer over.Store(true)
		if err := h.Install(ctx, silent("test.slow")); err == nil {
			t.Error("a silent plugin was installed")
		}
	})
	slow.Go(func() {
		defer over.Store(true)
		if err := h.Upgrade(ctx, silent("test.good")); err == nil {
			t.Error("a silent plugin took over")
		}
	})
	eventually(t, time.Minute, "both are starting", func() bool {
		list, err := os.ReadDir(marks)
		return err == nil && len(list) == 2
	})
	if err := h.Upgrade(t.Context(), version("2.0.0")); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second upgrade: %v", err)
	}
	for range 10 {
		if _, err := publish(p, "now", false); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Platform(t.Context(), "test.good"); err != nil || len(h.Status()) != 1 || len(h.List(t.Context())) != 1 {
			t.Errorf("%v", err)
		}
	}
	if over.Load() {
		t.Error("the starts were over before the calls were")
	}
	cancel()
	slow.Wait()
}
