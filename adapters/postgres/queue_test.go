package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/tenants"
)

// backlog plans n posts of one channel in bulk.
func backlog(t *testing.T, db *postgres.DB, who tenants.ID, ch channels.ID, n int, due time.Time) {
	t.Helper()
	postgrestest.Exec(t, db, fmt.Sprintf(`
		with names as (select md5(random()::text || i) as id from generate_series(1, %d) i),
		p as (insert into posts (tenant_id, post_id, state, content, publish_at, created_by, version)
		      select '%[2]s', 'post_' || id, 'scheduled', '{}', '%[4]s', 'usr_1', 1 from names),
		d as (insert into deliveries (tenant_id, delivery_id, post_id, channel_id, hash, due_at)
		      select '%[2]s', 'dlv_' || id, 'post_' || id, '%[3]s', 'h', '%[4]s' from names)
		insert into segments (tenant_id, segment_id, delivery_id, post_id, channel_id, due_at, position, part, state, next_at)
		select '%[2]s', 'seg_' || id, 'dlv_' || id, 'post_' || id, '%[3]s', '%[4]s', 0, '{"text":"hello"}', 'scheduled', '%[4]s' from names`,
		n, who, ch, due.UTC().Format(time.RFC3339Nano)))
}

// What a claim costs depends on what it takes: not on what is due besides, not
// on what waits where nothing may leave, and not on what is planned.
func TestAClaimCostsWhatItTakes(t *testing.T) {
	db := postgrestest.Isolated(t)
	us := postgrestest.Tenant(t, db)
	ch := channelOf(t, db, us)
	due := time.Now().Add(-time.Minute)
	cost := func() int {
		t.Helper()
		pages, err := db.ClaimCost(t.Context(), 50)
		if err != nil {
			t.Fatal(err)
		}
		return pages
	}
	backlog(t, db, us, ch, 300, due)
	few := cost()
	for _, more := range []struct {
		what string
		add  func()
	}{
		{"due", func() { backlog(t, db, us, ch, 5000, due) }},
		{"planned", func() { backlog(t, db, us, ch, 5000, time.Now().Add(24*time.Hour)) }},
		{"paused", func() {
			other := postgrestest.Tenant(t, db)
			theirs := channelOf(t, db, other)
			backlog(t, db, other, theirs, 5000, due)
			postgrestest.Exec(t, db, fmt.Sprintf("update tenants set paused = true where tenant_id = '%s'", other))
		}},
	} {
		more.add()
		if many := cost(); many > 2*few {
			t.Errorf("with thousands %s besides, a claim of 50 touches %d pages; with 300 due it is %d", more.what, many, few)
		}
	}
}

// A process that cannot serve a platform leaves it to those who can, however
// much of it is due and whatever stands, and takes the rest.
func TestAClaimLeavesAPlatformToOthers(t *testing.T) {
	db := postgrestest.Isolated(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	ours, theirs := channelOf(t, db, us), channelOf(t, db, them)
	postgrestest.Exec(t, db, "update channels set platform = 'test.resting' where tenant_id = $1", string(them))
	long := time.Now().Add(-100 * time.Hour) // it would be missed by now
	backlog(t, db, them, theirs, 300, long)
	backlog(t, db, us, ours, 2, time.Now().Add(-time.Minute))
	postgrestest.Exec(t, db, "update segments set state = 'unknown' where segment_id in (select segment_id from segments where tenant_id = $1 limit 20)", string(them))
	resting := []string{"test.resting", "test.other"}
	q := db.QueueWithout(func() []string { return resting })
	whole, err := db.ClaimCost(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	if less, err := db.ClaimCost(t.Context(), 50, resting...); err != nil || less > whole {
		t.Errorf("a claim that leaves a platform to others touches %d pages, one that does not %d; %v", less, whole, err)
	}
	if got := takeFrom(t, q, 50, us, them); got[us] != 2 || got[them] != 0 {
		t.Errorf("claimed %d of ours and %d of what was to be left, want 2 and 0", got[us], got[them])
	}
	if got := take(t, db, 50, us, them); got[them] != 50 {
		t.Errorf("another process claimed %d, want 50", got[them])
	}
	resting = nil
	if got := takeFrom(t, q, 50, us, them); got[them] != 50 {
		t.Errorf("once it is back, it claimed %d, want 50", got[them])
	}
}

// With more channels due than a claim visits, each still has its turn.
func TestClaimsGoAround(t *testing.T) {
	db := postgrestest.Isolated(t)
	us := postgrestest.Tenant(t, db)
	const wide = 700 // more than two looks' worth
	postgrestest.Exec(t, db, fmt.Sprintf(`insert into channel_grants (tenant_id, id, platform, sealed, generation)
		select '%[1]s', 'grt_' || i, 'p', '\x00', 1 from generate_series(1, %[2]d) i`, us, wide))
	postgrestest.Exec(t, db, fmt.Sprintf(`insert into channels (tenant_id, id, platform, account_id, account, name, grant_id, state, version)
		select '%[1]s', 'chn_' || i, 'p', i, '{}', 'test', 'grt_' || i, 'connected', 1 from generate_series(1, %[2]d) i`, us, wide))
	for range 2 {
		backlog(t, db, us, "chn_", wide, time.Now().Add(-time.Minute))
		postgrestest.Exec(t, db, `update segments s set channel_id = 'chn_' || n from (
			select segment_id, row_number() over () as n from segments where channel_id = 'chn_') r where r.segment_id = s.segment_id`)
	}
	seen := 0
	for range 2*wide/20 + 10 {
		got := take(t, db, 20, us)
		seen += got[us]
	}
	if seen != 2*wide {
		t.Errorf("%d of %d were claimed", seen, 2*wide)
	}
}

// What may not leave does not keep what may from being found.
func TestClaimsGetPastManyPausedChannels(t *testing.T) {
	db := postgrestest.Isolated(t)
	paused, us := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	backlog(t, db, paused, "chn_", 600, time.Now().Add(-2*time.Minute))
	postgrestest.Exec(t, db, `update segments set channel_id = segment_id`)
	postgrestest.Exec(t, db, fmt.Sprintf("update tenants set paused = true where tenant_id = '%s'", paused))
	duePost(t, db, us, channelOf(t, db, us), time.Now().Add(-time.Minute))
	got := take(t, db, 10, us, paused)
	if got[us] != 1 || got[paused] != 0 {
		t.Errorf("claimed %d of ours and %d of what is paused, want 1 and 0", got[us], got[paused])
	}
	if got := take(t, db, 10, us, paused); got[us]+got[paused] != 0 {
		t.Errorf("claimed %v from what is held or taken", got)
	}
}
