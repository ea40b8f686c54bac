package pluginhost_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/ports/social"
)

// operation is a step of an operation that has a name.
func operation(key, text string, commit bool) social.PublishRequest {
	req := request(text, commit)
	req.Call.Idempotency = key
	return req
}

func TestAnOperationThatKillsThePluginTwiceIsParked(t *testing.T) {
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	for i := range 2 {
		_, err := p.Publish(t.Context(), operation("seg_1.0", "exit", i == 1))
		if f := social.FaultOf(err, i == 1); f.Source != social.FromPlugin || f.Key != "plugin.broken" {
			t.Fatalf("%d: %+v", i, f)
		}
	}
	eventually(t, time.Minute, "both falls are counted", func() bool { return h.Status()[0].Crashes == 2 })
	if s := h.Status()[0]; s.Parked != 1 {
		t.Errorf("status %+v", s)
	}
	for _, commit := range []bool{false, true} {
		_, err := p.Publish(t.Context(), operation("seg_1.0", "exit", commit))
		if f := social.FaultOf(err, commit); f.Kind != social.Permanent || f.Key != "plugin.operation_parked" {
			t.Errorf("the third time: %+v", f)
		}
	}
	other := operation("seg_1.0", "now", true)
	other.Call.Tenant = "t2"
	for _, req := range []social.PublishRequest{operation("seg_2.0", "now", true), operation("seg_1.1", "now", true), other, request("now", true)} {
		if _, err := p.Publish(t.Context(), req); err != nil {
			t.Errorf("another operation: %v", err)
		}
	}
	if now := h.Status()[0]; now.Crashes != 2 || now.State != pluginhost.Running {
		t.Errorf("status %+v", now)
	}
	// Another program may do better.
	if err := h.Upgrade(t.Context(), pluginhost.Spec{ID: "test.good", Name: "good"}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), operation("seg_1.0", "now", true)); err != nil {
		t.Errorf("after an upgrade: %v", err)
	}
}

func TestOneFallIsForgivenOnceItIsAnswered(t *testing.T) {
	h := host(t, "good", "test.good", unconfined)
	p := open(t, h, "test.good")
	dir := shortDir(t)
	for i := range 3 { // falls, then is answered, three times
		text := fmt.Sprint("once ", filepath.Join(dir, fmt.Sprint(i)))
		if _, err := p.Publish(t.Context(), operation("seg_1.0", text, false)); err == nil {
			t.Fatal("it did not fall")
		}
		if _, err := p.Publish(t.Context(), operation("seg_1.0", text, false)); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if s := h.Status()[0]; s.Parked != 0 {
		t.Errorf("status %+v", s)
	}
}

// Whoever was under way when somebody else's operation killed the plugin is not
// taken for the killer: suspects run one at a time.
func TestBystandersAreNotParked(t *testing.T) {
	h := host(t, "version:1.0.0:0:0:300ms", "test.good")
	p := open(t, h, "test.good")
	var wg sync.WaitGroup
	run := func(key, text string) {
		wg.Go(func() {
			for range 20 {
				_, err := p.Publish(t.Context(), operation(key, text, false))
				if err == nil || social.FaultOf(err, false).Kind == social.Permanent {
					return
				}
			}
		})
	}
	run("killer", "exit")
	for i := range 4 {
		run(fmt.Sprint("bystander ", i), "now")
	}
	wg.Wait()
	if s := h.Status()[0]; s.Parked != 1 || s.Crashes > 4 {
		t.Errorf("status %+v", s)
	}
	for i := range 4 {
		if _, err := p.Publish(t.Context(), operation(fmt.Sprint("bystander ", i), "now", true)); err != nil {
			t.Errorf("a bystander: %v", err)
		}
	}
}

// A plugin that an operation freezes is killed by the host: that is a fall, too.
func TestAnOperationThatFreezesThePluginIsParked(t *testing.T) {
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Timeouts.Prepare, c.Timeouts.Probe = 300*time.Millisecond, 500*time.Millisecond
		c.Sandbox.Mode = sandbox.Off // there a plugin is its namespace's first process, which cannot stop itself
	})
	p := open(t, h, "test.good")
	for n := range 2 {
		eventually(t, time.Minute, "another fall", func() bool {
			_, _ = p.Publish(t.Context(), operation("seg_1.0", "freeze", false))
			return h.Status()[0].Crashes > n
		})
	}
	eventually(t, time.Minute, "it is parked", func() bool { return h.Status()[0].Parked == 1 })
}

// Whoever kills a plugin from outside may have meant another operation.
func TestAKillFromOutsideCountsHalf(t *testing.T) {
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	for n := range 4 {
		if parked := h.Status()[0].Parked; parked != 0 {
			t.Fatalf("parked after %d kills", n)
		}
		call := make(chan error, 1)
		go func() { _, err := p.Publish(t.Context(), operation("seg_1.0", "hang", false)); call <- err }()
		eventually(t, time.Minute, "the call is in flight", func() bool { s := h.Status()[0]; return s.InFlight == 1 && s.PID != 0 })
		<-time.After(50 * time.Millisecond) // it has left the host by then, or is sent again to the next process
		if err := syscall.Kill(running(t, h), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := <-call; err == nil || !strings.Contains(err.Error(), "plugin") {
			t.Fatal(err)
		}
	}
	if s := h.Status()[0]; s.Parked != 1 {
		t.Errorf("status %+v", s)
	}
}
