package channels_test

import (
	"errors"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

func TestAnAllowanceThatIsUsedUp(t *testing.T) {
	for scope, others := range map[social.QuotaScope]bool{
		social.ScopeAccount: true, social.ScopeTenant: true, social.ScopeApp: false,
	} {
		t.Run(string(scope), func(t *testing.T) {
			w := setup(t)
			w.net.manifest.Quotas = []social.Quota{{ID: "publish", Scope: scope, Limit: 2, Window: time.Hour}}
			ch := w.connected(w.who)
			for range 2 {
				w.must(w.publish(ch.ID, false)) // takes nothing
				w.must(w.publish(ch.ID, true))
			}
			calls := w.net.count()
			err := w.publish(ch.ID, true)
			var f *social.Fault
			if !errors.As(err, &f) || f.Kind != social.RateLimited || f.Scope != scope || f.RetryAfter <= 0 || f.RetryAfter > time.Hour {
				t.Errorf("err = %#v", err)
			}
			if w.net.count() != calls {
				t.Error("the platform was called")
			}
			them := w.person()
			theirs := w.connected(them)
			_, err = w.Publish(t.Context(), tenants.SystemScope(them.Tenant), theirs.ID, social.PublishRequest{Commit: true})
			if (err == nil) != others {
				t.Errorf("another tenant: %v", err)
			}
			w.clock.pass(2 * time.Hour)
			w.must(w.publish(ch.ID, true))
		})
	}
}

func TestARateLimitIsLearnedByAll(t *testing.T) {
	for scope, others := range map[social.QuotaScope]bool{
		"": true, social.ScopeAccount: true, social.ScopeTenant: true, social.ScopeApp: false,
	} {
		t.Run("scope "+string(scope), func(t *testing.T) {
			w := setup(t)
			ch := w.connected(w.who)
			limited := social.Fail(social.RateLimited, "test.429", "Wait.")
			limited.Scope, limited.RetryAfter = scope, 10*time.Minute
			w.net.answers = []error{limited}
			var f *social.Fault
			if err := w.publish(ch.ID, true); !errors.As(err, &f) || f.Key != "test.429" || f.Scope == "" {
				t.Fatalf("err = %v", err)
			}
			w.clock.pass(2 * time.Second)
			calls := w.net.count()
			other := w.another()
			_, err := other.Publish(t.Context(), tenants.SystemScope(w.who.Tenant), ch.ID, social.PublishRequest{})
			if !errors.As(err, &f) || f.Kind != social.RateLimited || f.RetryAfter > 10*time.Minute || f.RetryAfter < 9*time.Minute {
				t.Errorf("another process: %v", err)
			}
			if w.net.count() != calls {
				t.Error("the platform was called")
			}
			if _, err := other.Metrics(t.Context(), tenants.SystemScope(w.who.Tenant), ch.ID, nil); err != nil {
				t.Errorf("metrics are closed, too: %v", err)
			}
			them := w.person()
			theirs := w.connected(them)
			if _, err := other.Publish(t.Context(), tenants.SystemScope(them.Tenant), theirs.ID, social.PublishRequest{}); (err == nil) != others {
				t.Errorf("another tenant: %v", err)
			}
			w.clock.pass(10 * time.Minute)
			w.must(w.publish(ch.ID, true))
		})
	}
}

func TestARateLimitWithoutATimeWaitsAMinute(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	w.net.answers = []error{social.Fail(social.RateLimited, "test.429", "Wait.")}
	var f *social.Fault
	if err := w.publish(ch.ID, true); !errors.As(err, &f) || f.RetryAfter != time.Minute {
		t.Errorf("err = %v", err)
	}
}

// A call that was refused because the app is busy does not use up the
// account's own allowance.
func TestABusyAppCostsTheAccountNothing(t *testing.T) {
	w := setup(t)
	w.net.manifest.Quotas = []social.Quota{
		{ID: "publish", Scope: social.ScopeAccount, Limit: 2, Window: 24 * time.Hour},
		{ID: "publish", Scope: social.ScopeTenant, Limit: 2, Window: 24 * time.Hour},
		{ID: "publish", Scope: social.ScopeApp, Limit: 1, Window: time.Minute},
	}
	ch := w.connected(w.who)
	w.must(w.publish(ch.ID, true))
	for range 3 {
		var f *social.Fault
		if err := w.publish(ch.ID, true); !errors.As(err, &f) || f.Kind != social.RateLimited || f.Scope != social.ScopeApp {
			t.Fatalf("err = %v", err)
		}
	}
	w.clock.pass(2 * time.Minute)
	w.must(w.publish(ch.ID, true))
	w.clock.pass(2 * time.Minute)
	var f *social.Fault
	if err := w.publish(ch.ID, true); !errors.As(err, &f) || f.Scope == social.ScopeApp {
		t.Errorf("the third within a day: %v", err)
	}
}
