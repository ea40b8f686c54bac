package pluginhost

import (
	"fmt"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// However many accounts a tenant has that fail, it closes the platform to
// nobody but them.
func TestOneTenantsTroubleIsItsOwn(t *testing.T) {
	c := newClockwork()
	for i := range 40 {
		c.callOf("one", "publish", fmt.Sprint("a", i%8), "", unreachable)
	}
	if f := c.callOf("two", "publish", "b", "", nil); f != nil {
		t.Errorf("another tenant is refused: %+v", f)
	}
	c = newClockwork()
	for i := range 8 {
		c.callOf("one", "publish", fmt.Sprint("a", i), "", unreachable)
	}
	c.callOf("two", "publish", "b", "", unreachable)
	if f := c.callOf("three", "publish", "c", "", nil); f == nil || f.Key != "platform.down" {
		t.Errorf("two tenants see it: %+v", f)
	}
}

// A model that is down for several closes that model, and one that fails for a
// tenant that one for it: never the vendor.
func TestAModelsTroubleIsItsOwn(t *testing.T) {
	c := newClockwork()
	run := func(tenant, model string, err error) *social.Fault {
		ticket, refused := c.admit(request{method: "run", model: model, call: social.Call{Tenant: tenant}}, "")
		if refused != nil {
			return social.FaultOf(refused, false)
		}
		ticket.done(healthOf(err, true), err)
		return nil
	}
	for range 20 {
		run("one", "small", unreachable)
	}
	if f := run("one", "small", nil); f == nil || f.RetryAfter == 0 {
		t.Errorf("a model that fails for a tenant: %+v", f)
	}
	if f := run("two", "small", nil); f != nil {
		t.Errorf("another tenant: %+v", f)
	}
	for i := range 9 {
		run(fmt.Sprint("tenant ", i%3), "large", unreachable)
	}
	if f := run("four", "large", nil); f == nil || f.Kind != social.Transient || f.Message != "This model does not answer at the moment." {
		t.Errorf("a model that is down: %+v", f)
	}
	for _, model := range []string{"medium", ""} {
		if f := run("tenant 0", model, nil); f != nil {
			t.Errorf("model %q: %+v", model, f)
		}
	}
	for _, open := range c.refusing() {
		if open.Scope != OfModel {
			t.Errorf("open: %+v", open)
		}
	}
	run("five", "medium", &social.Fault{Kind: social.RateLimited, Source: social.FromPlatform, RetryAfter: time.Minute, HTTPStatus: 429})
	if run("five", "medium", nil) == nil || run("five", "tiny", nil) != nil || run("six", "medium", nil) != nil {
		t.Error("a limit of one model of one tenant is no other's")
	}
}
