package postgres_test

import (
	"fmt"
	"strings"
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

// minutes spreads the segments of one channel over as many minutes.
func minutes(t *testing.T, db *postgres.DB, who tenants.ID) {
	t.Helper()
	postgrestest.Exec(t, db, fmt.Sprintf(`update segments s set next_at = s.next_at - n * interval '1 minute', due_at = s.due_at - n * interval '1 minute'
		from (select segment_id, row_number() over () as n from segments where tenant_id = '%[1]s') r
		where s.tenant_id = '%[1]s' and r.segment_id = s.segment_id`, who))
}

// A closed channel delays nobody, however much has become due on it and however
// long ago, and what is due there leaves as soon as it opens.
func TestAClosedBacklogIsInNobodysWay(t *testing.T) {
	db := postgrestest.Isolated(t)
	them, us := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	theirs, ours := channelOf(t, db, them), channelOf(t, db, us)
	backlog(t, db, them, theirs, 5000, time.Now().Add(-10*time.Minute))
	minutes(t, db, them)
	postgrestest.Exec(t, db, fmt.Sprintf("insert into publishing_settings (tenant_id, missed_after_s) values ('%s', 0)", them))
	postgrestest.Exec(t, db, fmt.Sprintf("update channels set paused = true where tenant_id = '%s'", them))
	for i, late := range []time.Duration{time.Second, 5 * time.Minute, 2400 * time.Minute} {
		duePost(t, db, us, ours, time.Now().Add(-late))
		if got := take(t, db, 10, us, them); got[us] != 1 || got[them] != 0 {
			t.Errorf("claim %d: %d of ours and %d of what is paused, want 1 and 0", i, got[us], got[them])
		}
	}
	pages, err := db.ClaimCost(t.Context(), 50)
	if err != nil || pages > 600 { // 2,000 while it was walked over
		t.Errorf("with all of that parked, a claim of nothing touches %d pages, %v", pages, err)
	}
	postgrestest.Exec(t, db, fmt.Sprintf("update channels set paused = false where tenant_id = '%s'", them))
	duePost(t, db, us, ours, time.Now().Add(-time.Second))
	if got := take(t, db, 10, us, them); got[us] != 1 || got[them] != 9 {
		t.Errorf("after it opened: %d of ours and %d of theirs, want 1 and 9", got[us], got[them])
	}
}

// That something is parked is a hint. Who moves it needs not know of it, and it
// is found where it is although its channel was never closed.
func TestWhatIsParkedIsNeverLost(t *testing.T) {
	db := postgrestest.Isolated(t)
	for name, tc := range map[string]struct {
		then string
		want int
	}{
		"its channel is open":      {"select", 1},
		"it was moved, to be due":  {"update segments set next_at = next_at + interval '1 second' where tenant_id = '%s'", 1},
		"it was moved, to be late": {"update segments set next_at = next_at + interval '1 day' where tenant_id = '%s'", 0},
		"it began elsewhere":       {"update segments set state = 'armed' where tenant_id = '%s'", 1},
		"it is in doubt":           {"update segments set state = 'unknown' where tenant_id = '%s'", 1},
		"it was canceled":          {"update segments set state = 'canceled', next_at = null where tenant_id = '%s'", 0},
		"its channel is gone":      {"delete from channels where tenant_id = '%s'", 1},
	} {
		t.Run(name, func(t *testing.T) {
			us := postgrestest.Tenant(t, db)
			duePost(t, db, us, channelOf(t, db, us), time.Now().Add(-time.Minute))
			postgrestest.Exec(t, db, fmt.Sprintf("update segments set parked_for = next_at where tenant_id = '%s'", us))
			if tc.then != "select" {
				postgrestest.Exec(t, db, fmt.Sprintf(tc.then, us))
			}
			if got := take(t, db, 10, us); got[us] != tc.want {
				t.Errorf("%d were claimed, want %d", got[us], tc.want)
			}
		})
	}
}

// Who asks for nothing, as a busy worker does to show that it is alive, moves nothing.
func TestAClaimOfNothingMovesNothing(t *testing.T) {
	db := postgrestest.Isolated(t)
	us := postgrestest.Tenant(t, db)
	backlog(t, db, us, channelOf(t, db, us), 600, time.Now())
	minutes(t, db, us)
	take(t, db, 0)
	got, err := db.Queue().Claim(t.Context(), "w", 1, time.Hour)
	if err != nil || len(got) != 1 || time.Since(got[0].DueAt) < 599*time.Minute {
		t.Errorf("claimed %+v, %v, want what is due since 600 minutes", got, err)
	}
}

// One tenant that switches a platform off does not make everybody's claims dear.
func TestAClaimAsksAboutPlatformsTogether(t *testing.T) {
	db := postgrestest.Isolated(t)
	var last tenants.ID
	for range 3 {
		last = postgrestest.Tenant(t, db)
		duePost(t, db, last, channelOf(t, db, last), time.Now().Add(-time.Minute))
	}
	postgrestest.Exec(t, db, fmt.Sprintf(`insert into plugin_choices (tenant_id, plugin, wanted, chosen_by, chosen_at)
		values ('%s', 'test.platform', false, 'usr_x', now())`, last))
	plan, err := db.ClaimPlan(t.Context())
	if err != nil || !strings.Contains(plan, "plugin_choices") || strings.Contains(plan, "platform_clos") {
		t.Errorf("the question is not a part of the statement but a function called for each: %v\n%s", err, plan)
	}
	if got := take(t, db, 100, last); got[last] != 0 {
		t.Error("it was claimed where the platform is switched off")
	}
}

// The two ways to ask whether a tenant may use a platform give one answer.
func TestPlatformsAreClosedInOneWay(t *testing.T) {
	db := postgrestest.Isolated(t)
	us := postgrestest.Tenant(t, db)
	up := "(select parent_id from tenants where tenant_id = '%[1]s')"
	operator := "(select tenant_id from tenants where kind = 'operator')"
	postgrestest.Exec(t, db, "insert into plugins (tenant_id, id, name, level, channel, state, tiers, version) select "+operator+", 'p', 'plg_1', 'builtin', 'stable', 'enabled', '{free,creator,pro,agency}', 1")
	for _, step := range []string{
		"update plugins set level = 'verified'", "update plugins set active = 'x'", "update plugins set tiers = '{}'",
		"insert into plugin_words (tenant_id, plugin, about, allowed) select " + operator + ", 'p', " + up + ", true",
		"insert into plugin_words (tenant_id, plugin, about, allowed) select " + operator + ", 'p', '%[1]s', false",
		"update plugin_words set allowed = not allowed", "update plugin_words set allowed = not allowed",
		"delete from plugin_words where about = '%[1]s'", "update plugins set opt_in = true",
		"insert into plugin_choices (tenant_id, plugin, wanted, chosen_by, chosen_at) select " + up + ", 'p', true, 'u', now()",
		"insert into plugin_choices (tenant_id, plugin, wanted, chosen_by, chosen_at) select '%[1]s', 'p', false, 'u', now()",
		"delete from plugin_words", "update plugins set tiers = '{pro}'", "update tenants set tier = 'pro' where tenant_id = " + up,
		"delete from plugin_choices where not wanted", "update tenants set tier = 'free' where tenant_id = '%[1]s'", "update plugins set state = 'disabled'", "delete from plugins",
		"update plugin_choices set wanted = false",
	} {
		if strings.Contains(step, "%[1]s") {
			step = fmt.Sprintf(step, us)
		}
		postgrestest.Exec(t, db, step)
		one, set, err := db.Closed(t.Context(), us, "p")
		if err != nil || one != set {
			t.Errorf("after %s: %q and %q, %v", step, one, set, err)
		}
	}
}
