package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

func TestClaimsAreFairAndHeldBack(t *testing.T) {
	db := postgrestest.Open(t)
	big, small := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	bigChannel, smallChannel := channelOf(t, db, big), channelOf(t, db, small)
	due := time.Now().Add(-time.Minute)
	for range 30 {
		duePost(t, db, big, bigChannel, due)
	}
	for range 3 {
		duePost(t, db, small, smallChannel, due.Add(time.Second)) // later, and still not last
	}
	got := take(t, db, 8, big, small)
	if got[small] != 3 || got[big] != 5 {
		t.Errorf("of 8 slots big got %d and small %d, want 5 and 3", got[big], got[small])
	}

	for name, pause := range map[string]struct{ on, off, why string }{
		"channel":      {"update channels set paused = true, paused_on = tenant_id where tenant_id = '%s'", "update channels set paused = false where tenant_id = '%s'", "channel.paused"},
		"client":       {"update tenants set paused = true, paused_reason = tenant_id where tenant_id = '%s'", "update tenants set paused = false where tenant_id = '%s'", "tenant.paused"},
		"agency":       {"update tenants set paused = true, paused_reason = '%[1]s' where tenant_id = (select parent_id from tenants where tenant_id = '%[1]s')", "update tenants set paused = false where tenant_id = (select parent_id from tenants where tenant_id = '%s')", "tenant.paused_above"},
		"suspension":   {"update tenants set state = 'suspended' where tenant_id = (select parent_id from tenants where tenant_id = '%s')", "update tenants set state = 'active' where tenant_id = (select parent_id from tenants where tenant_id = '%s')", "tenant.suspended"},
		"disconnected": {"update channels set state = 'needs_reconnect' where tenant_id = '%s'", "update channels set state = 'connected' where tenant_id = '%s'", "channel.needs_reconnect"},
		"platform":     {"insert into platform_pauses (platform, reason) select platform, tenant_id from channels where tenant_id = '%s'", "delete from platform_pauses where reason = '%s'", "platform.paused"},
		"disabled":     {"insert into plugins (tenant_id, id, name, level, channel, state, tiers, version) select o.tenant_id, c.platform, 'plg_' || c.tenant_id, 'builtin', 'stable', 'disabled', '{free,creator,pro,agency}', 1 from channels c, tenants o where c.tenant_id = '%s' and o.kind = 'operator'", "delete from plugins where name = 'plg_%s'", "platform.disabled"},
		"plan":         {"insert into plugins (tenant_id, id, name, level, channel, state, version) select o.tenant_id, c.platform, 'plg_' || c.tenant_id, 'builtin', 'stable', 'enabled', 1 from channels c, tenants o where c.tenant_id = '%s' and o.kind = 'operator'", "delete from plugins where name = 'plg_%s'", "platform.not_included"},
		"choice":       {"insert into plugin_choices (tenant_id, plugin, wanted, chosen_by, chosen_at) select t.parent_id, c.platform, false, 'usr_x', now() from tenants t, channels c where t.tenant_id = '%[1]s' and c.tenant_id = '%[1]s'", "delete from plugin_choices where tenant_id = (select parent_id from tenants where tenant_id = '%s')", "platform.switched_off"},
	} {
		t.Run(name, func(t *testing.T) {
			us := postgrestest.Tenant(t, db)
			ch := channelOf(t, db, us)
			duePost(t, db, us, ch, due)
			postgrestest.Exec(t, db, fmt.Sprintf(pause.on, us))
			if got := take(t, db, 100, us); got[us] != 0 {
				t.Error("it was claimed while it is held back")
			}
			if why, err := db.Queue().Blocked(t.Context(), us, ch); err != nil || why != pause.why {
				t.Errorf("blocked = %q, %v", why, err)
			}
			told := ""
			if strings.Contains(pause.why, ".paused") {
				told = string(us)
			}
			if held := blockOf(t, db, us, ch); held != (publishing.Block{Reason: pause.why, Told: told}) {
				t.Errorf("people are told %+v", held)
			}
			if ids, err := db.Platforms(t.Context()); err != nil || !slices.Contains(ids, "test.platform") {
				t.Errorf("the platforms are %q, %v", ids, err)
			}
			postgrestest.Exec(t, db, fmt.Sprintf(pause.off, us))
			if why, err := db.Queue().Blocked(t.Context(), us, ch); err != nil || why != "" {
				t.Errorf("afterwards blocked = %q, %v", why, err)
			}
			if got := take(t, db, 100, us); got[us] != 1 {
				t.Error("it was not claimed afterwards")
			}
		})
	}
}

// Many workers on one queue never hold the same segment.
func TestClaimsDoNotOverlap(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	ch := channelOf(t, db, us)
	for range 60 {
		duePost(t, db, us, ch, time.Now().Add(-time.Second))
	}
	type result struct {
		claims []publishing.Claim
		err    error
	}
	results := make(chan result)
	for i := range 6 {
		go func() {
			var all []publishing.Claim
			for range 10 {
				claims, err := db.Queue().Claim(t.Context(), fmt.Sprint("w", i), 7, time.Hour)
				if err != nil {
					results <- result{nil, err}
					return
				}
				all = append(all, claims...)
			}
			results <- result{all, nil}
		}()
	}
	seen := map[publishing.SegmentID]int{}
	for range 6 {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		for _, c := range r.claims {
			if c.Tenant == us {
				seen[c.Segment]++
			}
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if len(seen) != 60 {
		t.Errorf("%d of 60 were claimed", len(seen))
	}
}

// A server that took over is noticed by the claim itself: what it would have
// handed out may have been sent by the one before.
func TestAClaimNoticesAFailover(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	ch := channelOf(t, db, us)
	if _, err := db.CheckIdentity(t.Context()); err != nil {
		t.Fatal(err)
	}
	post := duePost(t, db, us, ch, time.Now().Add(-time.Second))
	postgrestest.Exec(t, db, "update database_identity set timeline = timeline + 1")
	if got := take(t, db, 1000, us); got[us] != 0 {
		t.Error("it was handed out as if nothing had happened")
	}
	if s := deliveriesOf(t, db, us, post)[0].Segments[0]; s.State != publishing.Unknown || !s.Verify {
		t.Errorf("%+v", s)
	}
	if got := take(t, db, 1000, us); got[us] != 1 {
		t.Error("it is not looked up")
	}
	if why, err := db.Queue().Blocked(t.Context(), us, ch); err != nil || why != "" {
		t.Errorf("a failover paused everybody: %q, %v", why, err)
	}
}

// A dispatcher takes no segment of a post that is being changed, so nobody
// holds a claim on what was moved meanwhile.
func TestAClaimDoesNotCrossAChange(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	ch := channelOf(t, db, us)
	post := duePost(t, db, us, ch, time.Now().Add(-time.Second))
	err := db.Posts().Update(t.Context(), us, func(ctx context.Context, tx publishing.Tx) error {
		if _, err := tx.LockPost(ctx, post); err != nil {
			return err
		}
		if got := take(t, db, 1000, us); got[us] != 0 {
			t.Error("it was claimed while it was being changed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := take(t, db, 1000, us); got[us] != 1 {
		t.Error("it was not claimed afterwards")
	}
}

// take claims n and counts those of the given tenants.
func take(t *testing.T, db *postgres.DB, n int, of ...tenants.ID) map[tenants.ID]int {
	t.Helper()
	return takeFrom(t, db.Queue(), n, of...)
}

func takeFrom(t *testing.T, q publishing.Queue, n int, of ...tenants.ID) map[tenants.ID]int {
	t.Helper()
	claims, err := q.Claim(t.Context(), "w", n, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got := map[tenants.ID]int{}
	for _, c := range claims {
		for _, id := range of {
			if c.Tenant == id {
				got[id]++
			}
		}
	}
	return got
}
