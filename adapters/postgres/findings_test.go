package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// A channel is looked at when its platform's rules or the channel itself are
// not what they were, and until the look has ended.
func TestStaleChannels(t *testing.T) {
	db := postgrestest.Open(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	ours, theirs := channelOf(t, db, us), channelOf(t, db, them)
	mine := map[channels.ID]bool{ours: true, theirs: true}
	stale := func(rules string) (out []publishing.Look) {
		t.Helper()
		all, err := db.Watch().Stale(t.Context(), map[string]string{"test.platform": rules, "other.platform": "x"}, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if mine[l.Channel] {
				out = append(out, l)
			}
		}
		return out
	}
	save := func(who tenants.ID, l publishing.Look, done bool) {
		t.Helper()
		err := db.Posts().Update(t.Context(), who, func(ctx context.Context, tx publishing.Tx) error { return tx.SaveLook(ctx, l, done) })
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := stale("a"); len(got) != 0 {
		t.Fatalf("%+v, want none while nothing is scheduled", got)
	}
	post := duePost(t, db, us, ours, time.Now().Add(time.Hour))
	postgrestest.Exec(t, db, "update posts set state = 'scheduled' where post_id = $1", string(post))
	err := db.Posts().View(t.Context(), us, func(ctx context.Context, tx publishing.Tx) error {
		found, err := tx.Posts(ctx, publishing.Filter{Channel: ours, States: []publishing.State{publishing.Scheduled}, Limit: 10})
		if err == nil && (len(found) != 1 || found[0].ID != post) {
			t.Errorf("scheduled on the channel: %v", found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	duePost(t, db, them, theirs, time.Now().Add(time.Hour))
	if got := stale("a"); len(got) != 2 {
		t.Fatalf("%+v, want both that nobody looked at", got)
	}
	save(us, publishing.Look{Channel: ours, Rules: "a", Version: 1, After: "post_5"}, false)
	save(them, publishing.Look{Channel: theirs, Rules: "a", Version: 1}, true)
	want := []publishing.Look{{Tenant: us, Channel: ours, Rules: "a", Version: 1, After: "post_5"}}
	if diff := cmp.Diff(want, stale("a")); diff != "" {
		t.Error(diff)
	}
	if got := stale("b"); len(got) != 2 || got[0].After != "" || got[1].After != "" {
		t.Errorf("%+v, want both, from the start", got)
	}
	save(us, publishing.Look{Channel: ours, Rules: "a", Version: 1}, true)
	if got := stale("a"); len(got) != 0 {
		t.Errorf("%+v, want none", got)
	}
	postgrestest.Exec(t, db, "update channels set version = 2 where tenant_id = $1 and id = $2", string(us), string(ours))
	if got := stale("a"); len(got) != 1 || got[0].Version != 2 || got[0].After != "" {
		t.Errorf("%+v, want the one that changed", got)
	}
	postgrestest.Exec(t, db, "update channels set state = 'disconnected', grant_id = null where tenant_id = $1 and id = $2", string(us), string(ours))
	if got := stale("a"); len(got) != 0 {
		t.Errorf("%+v, want none that is disconnected", got)
	}
}
