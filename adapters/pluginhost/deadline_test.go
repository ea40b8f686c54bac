package pluginhost_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// A plugin that slept through half of a call does not get that half again.
func TestASuspendedPluginKeepsTheHostsDeadline(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good")
	p := open(t, h, "test.good")
	pid := running(t, h)
	freeze(t, pid)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	answered := make(chan social.Step, 1)
	go func() {
		step, err := p.Publish(ctx, request("deadline", true))
		if err != nil {
			t.Error(err)
		}
		answered <- step
	}()
	eventually(t, time.Minute, "the call is on its way", func() bool { return h.Status()[0].InFlight == 1 })
	<-time.After(300 * time.Millisecond) // it lies in the plugin's socket meanwhile
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	step := <-answered
	if step.Receipt == nil {
		t.Fatal("no receipt")
	}
	var nanos int64
	if _, err := fmt.Sscan(step.Receipt.Ref.ID, &nanos); err != nil {
		t.Fatal(err)
	}
	until, _ := ctx.Deadline()
	if got := time.Unix(0, nanos); got.After(until.Add(time.Millisecond)) {
		t.Errorf("the plugin counts %s longer than its host", got.Sub(until))
	}
}
