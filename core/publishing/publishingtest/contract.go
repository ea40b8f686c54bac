package publishingtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Opened is an empty store with two tenants that exist in it, each with one
// channel.
type Opened struct {
	Store        publishing.Store
	Queue        publishing.Queue
	Us, Them     tenants.ID
	Ours, Theirs channels.ID
}

// Run holds a Store and its Queue to their contract.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	t.Run("what is saved is found", func(t *testing.T) { savedIsFound(t, open(t)) })
	t.Run("another tenant's post does not exist", func(t *testing.T) { wall(t, open(t)) })
	t.Run("a failed update leaves nothing", func(t *testing.T) { rollback(t, open(t)) })
	t.Run("a stale save conflicts", func(t *testing.T) { staleSave(t, open(t)) })
	t.Run("a delivery keeps its segments", func(t *testing.T) { roundTrip(t, open(t)) })
	t.Run("one attempt is open at a time", func(t *testing.T) { oneAttempt(t, open(t)) })
	t.Run("a due segment is claimed once", func(t *testing.T) { claimOnce(t, open(t)) })
	t.Run("posts are listed by window and by name", func(t *testing.T) { lists(t, open(t)) })
	t.Run("a calendar shows a line of each post", func(t *testing.T) { calendar(t, open(t)) })
	t.Run("a finding is replaced, and gone when it is fine", func(t *testing.T) { findings(t, open(t)) })
	t.Run("deleting a post deletes its deliveries", func(t *testing.T) { deletes(t, open(t)) })
}

func draft(ch channels.ID) *publishing.Post {
	return publishing.NewPost(publishing.Content{
		Parts:    []publishing.Part{{Text: "hello"}, {Text: "and more"}},
		Variants: []publishing.Variant{{Channel: ch, Settings: map[string]any{"visibility": "public"}}},
	}, "usr_1")
}

func update(t *testing.T, s publishing.Store, who tenants.ID, fn func(context.Context, publishing.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), who, fn); err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, s publishing.Store, who tenants.ID, id publishing.PostID) (p *publishing.Post, err error) {
	t.Helper()
	err = s.View(t.Context(), who, func(ctx context.Context, tx publishing.Tx) error {
		p, err = tx.Post(ctx, id)
		return err
	})
	return p, err
}

func savePost(p *publishing.Post) func(context.Context, publishing.Tx) error {
	return func(ctx context.Context, tx publishing.Tx) error { return tx.SavePost(ctx, p) }
}

func savedIsFound(t *testing.T, o Opened) {
	p := draft(o.Ours)
	p.Schedule = publishing.Schedule{Local: "2030-03-01T09:00:00", Zone: "Europe/Lisbon", At: time.Date(2030, 3, 1, 9, 0, 0, 0, time.UTC)}
	update(t, o.Store, o.Us, savePost(p))
	got, err := find(t, o.Store, o.Us, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, got, cmpopts.EquateApproxTime(time.Millisecond), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	if got.Version != 1 || got.CreatedAt.IsZero() {
		t.Errorf("version %d, created %v", got.Version, got.CreatedAt)
	}
}

func wall(t *testing.T, o Opened) {
	p := draft(o.Ours)
	update(t, o.Store, o.Us, savePost(p))
	if _, err := find(t, o.Store, o.Them, p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("err = %v, want %s", err, fault.NotFound)
	}
	if _, err := find(t, o.Store, "", p.ID); err == nil {
		t.Error("an empty tenant read a post")
	}
	err := o.Store.View(t.Context(), o.Them, func(ctx context.Context, tx publishing.Tx) error {
		posts, err := tx.Posts(ctx, publishing.Filter{Limit: 10})
		if len(posts) != 0 {
			t.Errorf("listed %d posts of another tenant", len(posts))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func rollback(t *testing.T, o Opened) {
	p, boom := draft(o.Ours), fault.New(fault.Internal, "boom", "boom")
	err := o.Store.Update(t.Context(), o.Us, func(ctx context.Context, tx publishing.Tx) error {
		if err := tx.SavePost(ctx, p); err != nil {
			return err
		}
		return boom
	})
	if !fault.Is(err, fault.Internal) {
		t.Fatalf("err = %v, want boom", err)
	}
	if _, err := find(t, o.Store, o.Us, p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("err = %v, want %s", err, fault.NotFound)
	}
}

func staleSave(t *testing.T, o Opened) {
	p := draft(o.Ours)
	update(t, o.Store, o.Us, savePost(p))
	old := *p
	update(t, o.Store, o.Us, savePost(p))
	if err := o.Store.Update(t.Context(), o.Us, savePost(&old)); !fault.Is(err, fault.Conflict) {
		t.Errorf("err = %v, want %s", err, fault.Conflict)
	}
	bad := draft(o.Ours)
	bad.Content.Parts[0].Text = " "
	if err := o.Store.Update(t.Context(), o.Us, savePost(bad)); !fault.Is(err, fault.Invalid) {
		t.Errorf("an empty post: err = %v, want %s", err, fault.Invalid)
	}
}

// delivery of p with two segments, due at.
func delivery(p *publishing.Post, ch channels.ID, at time.Time) *publishing.Delivery {
	id := string(p.ID)[5:]
	return &publishing.Delivery{
		ID: publishing.DeliveryID("dlv_" + id), Post: p.ID, Channel: ch, Hash: p.Content.Hash(), DueAt: at,
		Settings: map[string]any{"visibility": "public"},
		Segments: []*publishing.Segment{
			{ID: publishing.SegmentID("seg_" + id), State: publishing.Scheduled, Part: p.Content.Parts[0], NextAt: at},
			{ID: publishing.SegmentID("seg_" + otherThan(id)), Position: 1, State: publishing.Scheduled, Part: p.Content.Parts[1]},
		},
	}
}

func saveBoth(p *publishing.Post, d *publishing.Delivery) func(context.Context, publishing.Tx) error {
	return func(ctx context.Context, tx publishing.Tx) error {
		if err := tx.SavePost(ctx, p); err != nil {
			return err
		}
		return tx.SaveDelivery(ctx, d)
	}
}

func roundTrip(t *testing.T, o Opened) {
	p := draft(o.Ours)
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	d := delivery(p, o.Ours, at)
	s := d.Segments[0]
	s.State, s.Step, s.Label, s.Attempt, s.Tries, s.Revision = publishing.Unknown, []byte{0, 1, 255}, "waiting", 2, 3, 1
	s.DoubtAt, s.LiveAt, s.Generation, s.Holder, s.ArmedHash = at, at, 7, "w1", "abc"
	s.ReplyTo, s.Root, s.Ref = &social.Ref{ID: "1"}, &social.Ref{ID: "0"}, &social.Ref{ID: "2", URL: "https://x.test/2", Extra: map[string]string{"cid": "c"}}
	s.CalledAt, s.Verify, s.Canceling = at, true, true
	s.Hidden, s.Warnings = publishing.InReview, []string{"alt text dropped", "too many tags"}
	s.Problem, s.Evidence = &publishing.Problem{Kind: social.Ambiguous, Reason: "r", Message: "m"}, publishing.ByLookup
	update(t, o.Store, o.Us, saveBoth(p, d))
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error { return tx.SaveDelivery(ctx, d) })
	err := o.Store.View(t.Context(), o.Us, func(ctx context.Context, tx publishing.Tx) error {
		got, err := tx.Deliveries(ctx, p.ID)
		same(t, []*publishing.Delivery{d}, got)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	said := s.Part.Text
	s.State, s.Holder, s.Problem, s.Step, s.Root, s.DoubtAt = publishing.Live, "", nil, nil, nil, time.Time{}
	s.Hidden, s.Warnings = publishing.Processing, nil
	s.Label, s.Attempt, s.Part.Text, s.Ref.URL = "", 3, "other words", "https://x.test/3"
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error { return tx.SaveSegments(ctx, d, s) })
	s.Part.Text = said // what it says is not a step's to change
	c := publishing.Claim{Tenant: o.Us, Post: p.ID, Delivery: d.ID, Segment: s.ID}
	other := delivery(p, o.Theirs, at)
	other.ID += "x"
	for _, s := range other.Segments {
		s.ID += "x"
	}
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error {
		if err := tx.SaveDelivery(ctx, other); err != nil {
			return err
		}
		w, err := tx.Work(ctx, c)
		if err != nil {
			return err
		}
		same(t, d, w.Delivery)
		same(t, []publishing.State{publishing.Scheduled}, w.Rest)
		return tx.DeleteDelivery(ctx, other.ID)
	})
	w, err := o.Store.Peek(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	same(t, d, w.Delivery)
	c.Tenant = o.Them
	if _, err := o.Store.Peek(t.Context(), c); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant's claim: err = %v, want %s", err, fault.NotFound)
	}
	err = o.Store.View(t.Context(), o.Us, func(ctx context.Context, tx publishing.Tx) error {
		outline(d)
		got, err := tx.Outlines(ctx, p.ID)
		same(t, []*publishing.Delivery{d}, got)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func same[T any](t *testing.T, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateApproxTime(time.Millisecond), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func oneAttempt(t *testing.T, o Opened) {
	p := draft(o.Ours)
	d := delivery(p, o.Ours, time.Now().Add(time.Hour))
	update(t, o.Store, o.Us, saveBoth(p, d))
	sg := d.Segments[0]
	c := publishing.Claim{Tenant: o.Us, Post: p.ID, Delivery: d.ID, Segment: sg.ID, Generation: sg.Generation}
	first := publishing.Arming{State: sg.State, Hash: d.Hash, Step: []byte("ready"), Key: sg.Key(), RequestHash: "h", Lease: time.Minute}
	again := first
	again.State, again.Attempt = publishing.Sending, 1
	for name, change := range map[string]func(*publishing.Claim, *publishing.Arming){
		"taken over":       func(c *publishing.Claim, _ *publishing.Arming) { c.Generation++ },
		"of another state": func(_ *publishing.Claim, a *publishing.Arming) { a.State = publishing.Armed },
		"canceled":         func(_ *publishing.Claim, a *publishing.Arming) { a.Canceling = true },
		"tried again":      func(_ *publishing.Claim, a *publishing.Arming) { a.Attempt++ },
		"edited":           func(_ *publishing.Claim, a *publishing.Arming) { a.Hash += "x" },
		"not there":        func(c *publishing.Claim, _ *publishing.Arming) { c.Segment += "x" },
		"another tenant's": func(c *publishing.Claim, _ *publishing.Arming) { c.Tenant = o.Them },
	} {
		c, a := c, first
		change(&c, &a)
		if err := o.Store.Arm(t.Context(), c, a); !errors.Is(err, publishing.ErrLost) {
			t.Errorf("%s: err = %v, want ErrLost", name, err)
		}
	}
	if err := o.Store.Arm(t.Context(), c, first); err != nil {
		t.Fatal(err)
	}
	w, err := o.Store.Peek(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Arm(c, first, w.Delivery.Segments[0].CalledAt); err != nil {
		t.Fatal(err)
	}
	same(t, d, w.Delivery)
	if err := o.Store.Arm(t.Context(), c, first); !errors.Is(err, publishing.ErrLost) {
		t.Errorf("the same again: err = %v, want ErrLost", err)
	}
	if err := o.Store.Arm(t.Context(), c, again); !fault.Is(err, fault.Conflict) || errors.Is(err, publishing.ErrLost) {
		t.Errorf("a second open attempt: err = %v, want %s", err, fault.Conflict)
	}
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error {
		return tx.CloseAttempt(ctx, sg.ID, publishing.OutcomeLost, &publishing.Problem{Reason: "r"})
	})
	if err := o.Store.Arm(t.Context(), c, again); err != nil {
		t.Errorf("after closing: %v", err)
	}
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error { return tx.DropAttempt(ctx, sg.ID) }) // it never left
	again.Attempt++
	if err := o.Store.Arm(t.Context(), c, again); err != nil {
		t.Errorf("after dropping: %v", err)
	}
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error {
		return tx.ResolveAttempts(ctx, d.Segments[0].ID, publishing.FoundLater)
	})
	err = o.Store.View(t.Context(), o.Us, func(ctx context.Context, tx publishing.Tx) error {
		all, err := tx.Attempts(ctx, p.ID)
		if len(all) != 2 || all[0].N != 1 || all[0].Key != first.Key || all[0].RequestHash != "h" || all[0].Outcome != publishing.FoundLater || !all[1].EndedAt.IsZero() || all[0].Problem == nil {
			t.Errorf("attempts = %+v", all)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// claims of our tenant; a shared queue may hold others'.
func claims(t *testing.T, o Opened, holder string, lease time.Duration) (ours []publishing.Claim) {
	t.Helper()
	all, err := o.Queue.Claim(t.Context(), holder, 100, lease)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Tenant == o.Us {
			ours = append(ours, c)
		}
	}
	return ours
}

func claimOnce(t *testing.T, o Opened) {
	p := draft(o.Ours)
	d := delivery(p, o.Ours, time.Now().Add(-time.Second))
	update(t, o.Store, o.Us, saveBoth(p, d))
	first := claims(t, o, "w1", time.Hour)
	if len(first) != 1 || first[0].Segment != d.Segments[0].ID || first[0].Generation != 1 || first[0].Post != p.ID {
		t.Fatalf("claims = %+v", first)
	}
	if again := claims(t, o, "w2", time.Hour); len(again) != 0 {
		t.Errorf("a held segment was claimed again: %+v", again)
	}
	later := draft(o.Ours)
	update(t, o.Store, o.Us, saveBoth(later, delivery(later, o.Ours, time.Now().Add(time.Hour))))
	if early := claims(t, o, "w1", time.Hour); len(early) != 0 {
		t.Errorf("claimed before it was due: %+v", early)
	}
	expired := draft(o.Ours)
	update(t, o.Store, o.Us, saveBoth(expired, delivery(expired, o.Ours, time.Now().Add(-time.Second))))
	claims(t, o, "w1", -time.Second) // a lease that is over
	if again := claims(t, o, "w2", time.Hour); len(again) != 1 || again[0].Generation != 2 {
		t.Errorf("after the lease: %+v", again)
	}
}
