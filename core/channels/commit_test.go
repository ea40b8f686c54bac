package channels_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// The last word is asked for when the token is fresh and the allowance taken;
// a no gives the allowance back and reaches nobody.
func TestTheLastWordBeforeACommit(t *testing.T) {
	for _, scope := range []social.QuotaScope{social.ScopeAccount, social.ScopeTenant, social.ScopeApp} {
		t.Run(string(scope), func(t *testing.T) {
			w := setup(t)
			w.net.manifest.Quotas = []social.Quota{{ID: "publish", Scope: scope, Limit: 2, Window: time.Hour}}
			w.auth.life = time.Hour
			ch := w.connected(w.who)
			w.clock.pass(2 * time.Hour)
			calls, no := w.net.count(), errors.New("no")
			for range 5 {
				_, err := w.Commit(t.Context(), tenants.SystemScope(w.who.Tenant), ch.ID, social.PublishRequest{}, func(context.Context) (context.Context, error) {
					if w.auth.refreshes() != 1 {
						t.Error("it was asked before the token was renewed")
					}
					return nil, no
				})
				if !errors.Is(err, no) || w.net.count() != calls {
					t.Fatalf("err = %v after %d calls", err, w.net.count()-calls)
				}
			}
			for range 2 {
				w.must(w.publish(ch.ID, true))
			}
			if err := w.publish(ch.ID, true); kindOf(err) != social.RateLimited {
				t.Errorf("more than the allowance: %v", err)
			}
		})
	}
}
