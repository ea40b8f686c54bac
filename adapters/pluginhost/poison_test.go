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
	t.Parallel()
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	for i := range 2 {
		_, err := p.Publish(t.Context(), operation("seg_1.0", "exit", i == 1))
		if f := social.FaultOf(err, i == 1); f.Source != social.FromPlugin || f.Key != "plugin.broken" {
			t.Fatalf("%d: %+v", i, f)
		}
	}
	eventually(t, time.Minute, "the fall among others is counted", func() bool { return h.Status()[0].Crashes == 1 })
	if s := h.Status()[0]; s.Parked != 1 {
		t.Errorf("status %+v", s)
	}
	for _, commit := range []bool{false, true} {
		_, err := p.Publish(t.Context(), operation("seg_1.0", "exit", commit))
		if f := social.FaultOf(err, commit); f.Kind != social.Permanent || f.Key != "plugin.operation_parked" {
			t.Errorf("the third time: %+v", f)
		} else if told := strings.Contains(f.Message, "once more"); told == commit {
			t.Errorf("it says %q", f.Message)
		}
	}
	other := operation("seg_1.0", "now", true)
	other.Call.Tenant = "t2"
	for _, req := range []social.PublishRequest{operation("seg_2.0", "now", true), operation("seg_1.1", "now", true), other, request("now", true)} {
		if _, err := p.Publish(t.Context(), req); err != nil {
			t.Errorf("another operation: %v", err)
		}
	}
	if now := h.Status()[0]; now.Crashes != 1 || now.State != pluginhost.Running {
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
	t.Parallel()
	h := host(t, "good", "test.good", unconfined)
	p := open(t, h, "test.good")
	dir := shortDir(t)
	for i := range 3 { // falls, then is answered, three times
		text := fmt.Sprint("once ", filepath.Join(dir, fmt.Sprint(i)))
		if _, err := p.Publish(t.Context(), operation("seg_1.0", text, false)); err == nil {
			t.Fatal("it did not fall")
		}
		eventually(t, time.Minute, "it is answered", func() bool {
			_, err := p.Publish(t.Context(), operation("seg_1.0", text, false))
			if f := social.FaultOf(err, false); err != nil && !f.Local { // not sent: on a busy machine its process is still on its way
				t.Errorf("%d: %v", i, err)
			}
			return err == nil
		})
	}
	if s := h.Status()[0]; s.Parked != 0 {
		t.Errorf("status %+v", s)
	}
}

// Whoever was under way when somebody else's operation killed the plugin is not
// taken for the killer, whatever else it meets: nothing that shares a process
// with another is parked.
func TestBystandersAreNotParked(t *testing.T) {
	t.Parallel()
	h := host(t, "version:1.0.0:0:0:300ms", "test.good")
	p := open(t, h, "test.good")
	var wg sync.WaitGroup
	together := make(chan struct{})
	run := func(tenant, key, text string, want social.Kind) {
		req := operation(key, text, false)
		req.Call.Tenant = tenant
		wg.Go(func() {
			<-together
			for range 40 { // as the queue does
				_, err := p.Publish(t.Context(), req)
				if kind := social.FaultOf(err, false).Kind; err == nil || kind == social.Permanent {
					if err != nil && kind != want || err == nil && want != "" {
						t.Errorf("%s of %s ended with %v", key, tenant, err)
					}
					return
				}
			}
			t.Errorf("%s of %s did not end", key, tenant)
		})
	}
	for i := range 4 {
		run("evil", fmt.Sprint("killer ", i), "exit", social.Permanent)
	}
	for _, tenant := range []string{"t1", "t2", "t3"} {
		for i := range 2 {
			run(tenant, fmt.Sprint("bystander ", i), "now", "")
		}
	}
	close(together)
	calm := make(chan struct{})
	var busy sync.WaitGroup
	for _, tenant := range []string{"t4", "t5"} { // fresh ones all the while
		busy.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-calm:
					return
				default:
				}
				req := operation(fmt.Sprint("fresh ", i), "now", false)
				req.Call.Tenant = tenant
				if _, err := p.Publish(t.Context(), req); err != nil && social.FaultOf(err, false).Kind == social.Permanent {
					t.Errorf("%s of %s: %v", req.Call.Idempotency, tenant, err)
				}
			}
		})
	}
	wg.Wait()
	close(calm)
	busy.Wait()
	if s := h.Status()[0]; s.Parked != 4 || s.Crashes > 4 {
		t.Errorf("status %+v", s)
	}
}

// The retry of a suspect takes nobody else down.
func TestASuspectFallsAlone(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	if _, err := p.Publish(t.Context(), operation("killer", "exit", false)); err == nil {
		t.Fatal("it did not fall")
	}
	eventually(t, time.Minute, "the plugin is back", func() bool { _, err := publish(p, "now", false); return err == nil })
	pid := running(t, h)
	calls := make(chan error, 4)
	for i := range cap(calls) {
		go func() {
			_, err := p.Publish(t.Context(), operation(fmt.Sprint("bystander ", i), "wait", false))
			calls <- err
		}()
	}
	eventually(t, time.Minute, "the others are under way", func() bool { return h.Status()[0].InFlight == cap(calls) })
	if _, err := p.Publish(t.Context(), operation("killer", "exit", false)); err == nil {
		t.Fatal("it did not fall again")
	}
	if s := h.Status()[0]; s.Parked != 1 || s.Crashes != 1 || s.PID != pid {
		t.Errorf("status %+v", s)
	}
	for range cap(calls) {
		if err := <-calls; err != nil {
			t.Errorf("a bystander: %v", err)
		}
	}
	eventually(t, time.Minute, "the suspect's process is gone", func() bool { return len(h.Status()[0].Alone) == 0 })
}

// A plugin that an operation freezes is killed by the host: that is a fall, too.
func TestAnOperationThatFreezesThePluginIsParked(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Timeouts.Prepare, c.Timeouts.Probe = 300*time.Millisecond, 500*time.Millisecond
		c.Sandbox.Mode = sandbox.Off // there a plugin is its namespace's first process, which cannot stop itself
	})
	p := open(t, h, "test.good")
	eventually(t, time.Minute, "it falls", func() bool {
		_, _ = p.Publish(t.Context(), operation("seg_1.0", "freeze", false))
		return h.Status()[0].Crashes == 1
	})
	before := h.Status()[0].Starts
	// Nothing of it runs again before its second fall is judged.
	eventually(t, time.Minute, "it is parked", func() bool {
		_, err := p.Publish(t.Context(), operation("seg_1.0", "freeze", false))
		return social.FaultOf(err, false).Key == "plugin.operation_parked"
	})
	if s := h.Status()[0]; s.Crashes != 1 || s.Parked != 1 || s.Starts > before+1 {
		t.Errorf("status %+v", s)
	}
}

// A suspect that froze its own process is found by a probe: nobody waits for the
// end of its call.
func TestAFrozenSuspectIsFoundBeforeItsDeadline(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Timeouts.Prepare = time.Hour
		c.Timeouts.Idle, c.Timeouts.Probe = 200*time.Millisecond, 500*time.Millisecond
		c.Sandbox.Mode = sandbox.Off // as above
	})
	p := open(t, h, "test.good")
	for _, when := range []string{"among others", "alone"} {
		over := make(chan error, 1)
		go func() { _, err := p.Publish(t.Context(), operation("seg_1.0", "freeze", false)); over <- err }()
		select {
		case err := <-over:
			if err == nil {
				t.Fatalf("%s: it answered", when)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: the call is still waited for", when)
		}
	}
	eventually(t, time.Minute, "it is parked", func() bool {
		_, err := p.Publish(t.Context(), operation("seg_1.0", "freeze", false))
		return social.FaultOf(err, false).Key == "plugin.operation_parked"
	})
	if s := h.Status()[0]; s.Parked != 1 {
		t.Errorf("status %+v", s)
	}
}

// Whoever kills a plugin from outside may have meant another operation.
func TestAKillFromOutsideCountsHalf(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	for n := range 4 {
		if parked := h.Status()[0].Parked; parked != 0 {
			t.Fatalf("parked after %d kills", n)
		}
		call := make(chan error, 1)
		go func() { _, err := p.Publish(t.Context(), operation("seg_1.0", "hang", false)); call <- err }()
		pid := 0
		eventually(t, time.Minute, "the call is in flight", func() bool {
			s := h.Status()[0]
			if pid = s.PID; n > 0 && len(s.Alone) > 0 { // by then it is a suspect
				pid = s.Alone[0]
			}
			return s.InFlight == 1 && pid != 0 && (n == 0 || len(s.Alone) > 0)
		})
		<-time.After(50 * time.Millisecond) // it has left the host by then
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
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
