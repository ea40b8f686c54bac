package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/core/publishing/publishingtest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

func TestPosts(t *testing.T) {
	publishingtest.Run(t, func(t *testing.T) publishingtest.Opened {
		db := postgrestest.Open(t)
		us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
		return publishingtest.Opened{Store: db.Posts(), Queue: db.Queue(), Us: us, Them: them,
			Ours: channelOf(t, db, us), Theirs: channelOf(t, db, them)}
	})
}

// Each wall keeps tenants apart by itself.
func TestPostsBehindOneWall(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"row-level security alone": postgrestest.RowSecurityAlone,
		"filters alone":            postgrestest.FiltersAlone,
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			whole := postgrestest.Open(t)
			if name == "filters alone" {
				whole = db
			}
			us, them := postgrestest.Tenant(t, whole), postgrestest.Tenant(t, whole)
			post := duePost(t, db, us, channels.NewID(), time.Now().Add(time.Hour))
			err := db.Posts().Update(t.Context(), them, func(ctx context.Context, tx publishing.Tx) error {
				all, err := tx.Posts(ctx, publishing.Filter{Limit: 100})
				if err != nil || len(all) != 0 {
					t.Errorf("listed %d posts of another tenant, %v", len(all), err)
				}
				ds, err := tx.Deliveries(ctx, post)
				if err != nil || len(ds) != 0 {
					t.Errorf("read %d deliveries of another tenant, %v", len(ds), err)
				}
				if err := tx.SetState(ctx, post, publishing.Canceled); err != nil {
					return err
				}
				return tx.DeletePost(ctx, post)
			})
			if err != nil {
				t.Fatal(err)
			}
			if p := postOf(t, db, us, post); p.State == publishing.Canceled {
				t.Error("another tenant changed a post")
			}
		})
	}
}

func TestARestoredCopyDoubtsAndWaits(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	ch := channelOf(t, db, us)
	overdue := duePost(t, db, us, ch, time.Now().Add(-time.Minute))
	later := duePost(t, db, us, ch, time.Now().Add(time.Hour))
	ended, follows, live := duePost(t, db, us, ch, time.Now()), duePost(t, db, us, ch, time.Now()), duePost(t, db, us, ch, time.Now())
	for post, state := range map[publishing.PostID]publishing.State{ended: publishing.Rejected, follows: publishing.Scheduled, live: publishing.Live} {
		postgrestest.Exec(t, db, "update segments set state = $1, next_at = null where post_id = $2", string(state), string(post))
	}
	if restored, err := db.CheckIdentity(t.Context()); err != nil || restored {
		t.Fatalf("a first start: %v, %v", restored, err)
	}
	if restored, err := db.CheckIdentity(t.Context()); err != nil || restored {
		t.Fatalf("a restart: %v, %v", restored, err)
	}
	postgrestest.Exec(t, db, "update database_identity set identifier = 'another server'")
	restored, err := db.CheckIdentity(t.Context())
	defer postgrestest.Exec(t, db, "update tenants set paused = false where parent_id is null")
	if err != nil || !restored {
		t.Fatalf("a copy: %v, %v", restored, err)
	}
	if why, err := db.Queue().Blocked(t.Context(), us, ch); err != nil || why != "tenant.paused_above" {
		t.Errorf("publishing is not paused: %q, %v", why, err)
	}
	for name, tc := range map[string]struct {
		post publishing.PostID
		want publishing.State
	}{
		"overdue": {overdue, publishing.Unknown}, "for later": {later, publishing.Unknown},
		"ended": {ended, publishing.Rejected}, "waits for the one before it": {follows, publishing.Scheduled},
	} {
		s := deliveriesOf(t, db, us, tc.post)[0].Segments[0]
		if looks := s.State == publishing.Unknown; !s.Verify || s.State != tc.want || looks == s.NextAt.IsZero() || s.NextAt.After(time.Now()) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := deliveriesOf(t, db, us, live)[0].Segments[0]; s.Verify || s.State != publishing.Live {
		t.Errorf("what is live is in doubt: %+v", s)
	}
	if got := take(t, db, 1000, us); got[us] != 2 {
		t.Errorf("%d are looked up while everything is paused, want 2", got[us])
	}
}

// An object stands for one segment of a channel, also where two find it at once.
func TestAnObjectIsTheReceiptOfOneSegment(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	ch, other := channelOf(t, db, us), channelOf(t, db, us)
	adopt := func(on channels.ID, ref string) error {
		post := duePost(t, db, us, on, time.Now())
		return db.Posts().Update(t.Context(), us, func(ctx context.Context, tx publishing.Tx) error {
			ds, err := tx.Deliveries(ctx, post)
			if err != nil {
				return err
			}
			s := ds[0].Segments[0]
			s.State, s.Ref, s.LiveAt, s.NextAt = publishing.Live, &social.Ref{ID: ref, URL: "https://x.test/"}, time.Now(), time.Time{}
			return tx.SaveSegments(ctx, ds[0], s)
		})
	}
	results := make(chan error)
	for range 4 {
		go func() { results <- adopt(ch, "1") }()
	}
	adopted := 0
	for range 4 {
		switch err := <-results; {
		case err == nil:
			adopted++
		case fault.Of(err).Reason != publishing.TakenReason:
			t.Error(err)
		}
	}
	if adopted != 1 {
		t.Errorf("%d segments have it", adopted)
	}
	for name, err := range map[string]error{
		"on another channel": adopt(other, "1"), "another one": adopt(ch, "2"), "no name": adopt(ch, ""), "no name again": adopt(ch, ""),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := db.Posts().View(t.Context(), us, func(ctx context.Context, tx publishing.Tx) error {
		refs, err := tx.Refs(ctx, ch, time.Now().Add(-time.Minute))
		if slices.Sort(refs); !slices.Equal(refs, []string{"1", "2"}) {
			t.Errorf("taken: %v", refs)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func duePost(t *testing.T, db *postgres.DB, who tenants.ID, ch channels.ID, at time.Time) publishing.PostID {
	t.Helper()
	p := publishing.NewPost(publishing.Content{
		Parts: []publishing.Part{{Text: "hello"}}, Variants: []publishing.Variant{{Channel: ch}},
	}, "usr_1")
	id := string(p.ID)[5:]
	d := &publishing.Delivery{
		ID: publishing.DeliveryID("dlv_" + id), Post: p.ID, Channel: ch, Hash: p.Content.Hash(), DueAt: at,
		Segments: []*publishing.Segment{{ID: publishing.SegmentID("seg_" + id), State: publishing.Scheduled, Part: p.Content.Parts[0], NextAt: at}},
	}
	err := db.Posts().Update(t.Context(), who, func(ctx context.Context, tx publishing.Tx) error {
		if err := tx.SavePost(ctx, p); err != nil {
			return err
		}
		return tx.SaveDelivery(ctx, d)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.ID
}

func postOf(t *testing.T, db *postgres.DB, who tenants.ID, id publishing.PostID) (p *publishing.Post) {
	t.Helper()
	err := db.Posts().View(t.Context(), who, func(ctx context.Context, tx publishing.Tx) (err error) {
		p, err = tx.Post(ctx, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func deliveriesOf(t *testing.T, db *postgres.DB, who tenants.ID, id publishing.PostID) (ds []*publishing.Delivery) {
	t.Helper()
	err := db.Posts().View(t.Context(), who, func(ctx context.Context, tx publishing.Tx) (err error) {
		ds, err = tx.Deliveries(ctx, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// channelOf makes a connected channel without a credential, past the doors.
func blockOf(t *testing.T, db *postgres.DB, who tenants.ID, ch channels.ID) publishing.Block {
	t.Helper()
	var blocks map[channels.ID]publishing.Block
	err := db.Posts().Update(t.Context(), who, func(ctx context.Context, tx publishing.Tx) (err error) {
		blocks, err = tx.Blocked(ctx, ch)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return blocks[ch]
}

func channelOf(t *testing.T, db *postgres.DB, who tenants.ID) channels.ID {
	t.Helper()
	id := channels.NewID()
	grant := channels.NewGrantID()
	postgrestest.Exec(t, db, "insert into channel_grants (tenant_id, id, platform, sealed, generation) values ($1, $2, 'test.platform', '\\x00', 1)", string(who), string(grant))
	postgrestest.Exec(t, db, `insert into channels (tenant_id, id, platform, account_id, account, name, grant_id, state, version)
		values ($1, $2, 'test.platform', $2, '{}', 'test', $3, 'connected', 1)`, string(who), string(id), string(grant))
	return id
}

// What is held back for too long is handed out once more, to be missed, also if
// it had begun. What follows a part that is out is not missed.
func TestAPausedPostIsMissedInTheEnd(t *testing.T) {
	db := postgrestest.Open(t)
	for name, tc := range map[string]struct {
		settings string
		late     time.Duration
		begun    string
		want     int
	}{
		"in time":                     {"", 5 * time.Hour, "", 0},
		"by default":                  {"", 7 * time.Hour, "", 1},
		"by its own rule":             {"60", 2 * time.Minute, "", 1},
		"never, by its choice":        {"0", 100 * time.Hour, "", 0},
		"preparing":                   {"", 7 * time.Hour, "state = 'preparing', next_at = now() - interval '6.5 hours'", 1},
		"armed, nothing sent":         {"", 7 * time.Hour, "state = 'armed', next_at = now() - interval '6.5 hours'", 1},
		"armed, after a long limit":   {"", 7 * time.Hour, "state = 'armed', next_at = now() - interval '1 second'", 0},
		"armed, in time":              {"", 5 * time.Hour, "state = 'armed', next_at = now() - interval '1 second'", 0},
		"armed, never, by its choice": {"0", 100 * time.Hour, "state = 'armed'", 0},
		"scheduled, looked at again":  {"", 8 * time.Hour, "next_at = now() - interval '7 hours'", 1},
		"answered by a person":        {"", 30 * time.Hour, "next_at = now() - interval '1 second'", 0},
		"the rest of a thread":        {"", 7 * time.Hour, "position = 1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			us := postgrestest.Tenant(t, db)
			ch := channelOf(t, db, us)
			duePost(t, db, us, ch, time.Now().Add(-tc.late))
			postgrestest.Exec(t, db, fmt.Sprintf("update channels set state = 'needs_reconnect' where tenant_id = '%s'", us))
			if tc.begun != "" {
				postgrestest.Exec(t, db, fmt.Sprintf("update segments set %s where tenant_id = '%s'", tc.begun, us))
			}
			if tc.settings != "" {
				postgrestest.Exec(t, db, fmt.Sprintf("insert into publishing_settings (tenant_id, missed_after_s) values ('%s', %s)", us, tc.settings))
			}
			if got := take(t, db, 1000, us); got[us] != tc.want {
				t.Errorf("%d were handed out, want %d", got[us], tc.want)
			}
		})
	}
}
