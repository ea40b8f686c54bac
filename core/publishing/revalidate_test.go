package publishing_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/core/publishing/publishingtest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// List implements publishing.Platforms.
func (p platform) List(context.Context) []social.Manifest { return []social.Manifest{p.w.manifest} }

// plan schedules a post for tomorrow.
func (w *world) plan(t *testing.T, text string) *publishing.Detail {
	t.Helper()
	d := w.compose(t, text)
	out, err := w.Schedule(t.Context(), w.who, d.ID, d.Version, publishing.Schedule{Local: w.now.Add(24 * time.Hour).Format("2006-01-02T15:04:05"), Zone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) risky(t *testing.T, d *publishing.Detail) []fault.Violation {
	t.Helper()
	got, err := w.Get(t.Context(), w.who, d.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got.Deliveries[0].AtRisk
}

func TestWhatIsScheduledIsCheckedAgainWhenTheRulesChange(t *testing.T) {
	w := newWorld(t, social.NativeKey, 1)
	r := publishing.NewRevalidator(w.Service, w.store, platform{w})
	told := func(event string) (n int) {
		for _, e := range w.store.Events(w.who.Tenant) {
			if e == event {
				n++
			}
		}
		return n
	}
	run := func() {
		t.Helper()
		if err := r.Revalidate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var posts []*publishing.Detail
	for range 60 { // more than one batch
		posts = append(posts, w.plan(t, "eleven char"))
	}
	short, draft := w.plan(t, "short"), w.compose(t, "eleven char")
	run()
	if n := told(publishing.EventAtRisk); n != 0 || w.risky(t, posts[0]) != nil {
		t.Fatalf("%d at risk by the rules that they were planned by", n)
	}

	before := w.manifest
	w.manifest.Formats = slices.Clone(before.Formats)
	w.manifest.Formats[0].Text.Max = 10
	run()
	run() // finds the same, and tells nobody twice
	if n := told(publishing.EventAtRisk); n != 60 {
		t.Errorf("%d told of, want 60", n)
	}
	for i, d := range []*publishing.Detail{posts[0], posts[59]} {
		if v := w.risky(t, d); len(v) != 1 || v[0].Reason != "text.too_long" || v[0].Field != "/segments/0/text" {
			t.Errorf("post %d: %+v", i, v)
		}
	}
	list, err := w.List(t.Context(), w.who, publishing.Filter{AtRisk: true, Limit: 100})
	if err != nil || len(list) != 60 || len(list[0].Deliveries[0].AtRisk) != 1 {
		t.Errorf("%d listed, want 60 with what is wrong: %v", len(list), err)
	}
	if w.risky(t, short) != nil {
		t.Error("a short one is at risk")
	}
	if got, err := w.Get(t.Context(), w.who, draft.ID); err != nil || len(got.Deliveries) != 0 {
		t.Error("a draft was looked at")
	}

	w.manifest = before
	run()
	if list, err := w.List(t.Context(), w.who, publishing.Filter{AtRisk: true}); err != nil || len(list) != 0 {
		t.Errorf("%d are still listed: %v", len(list), err)
	}
	if n := told(publishing.EventRevalidated); n != 60 || w.risky(t, posts[0]) != nil {
		t.Errorf("%d are fine again, want 60", n)
	}
}

// A plugin that is away leaves the look where it was.
func TestALookIsTakenUpWhereItStopped(t *testing.T) {
	w := newWorld(t, social.NativeKey, 1)
	r := publishing.NewRevalidator(w.Service, w.store, platform{w})
	for range 60 {
		w.plan(t, "eleven char")
	}
	w.manifest.Formats = slices.Clone(w.manifest.Formats)
	w.manifest.Formats[0].Text.Max = 10
	w.store.Fail = 1
	if err := r.Revalidate(t.Context()); err == nil {
		t.Fatal("nothing went wrong")
	}
	if err := r.Revalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range w.store.Events(w.who.Tenant) {
		if e == publishing.EventAtRisk {
			n++
		}
	}
	if n != 60 {
		t.Errorf("%d told of, want 60", n)
	}
}

// watched is a store that lists one look at a time and knows what is saved, when.
type watched struct {
	*publishingtest.Store
	t     *testing.T
	saved []bool
}

type watchedTx struct {
	publishing.Tx
	w      *watched
	locked bool
}

func (w *watched) Stale(ctx context.Context, rules map[string]string, _ int) ([]publishing.Look, error) {
	return w.Store.Stale(ctx, rules, 1)
}

func (w *watched) Update(ctx context.Context, who tenants.ID, fn func(context.Context, publishing.Tx) error) error {
	return w.Store.Update(ctx, who, func(ctx context.Context, tx publishing.Tx) error { return fn(ctx, &watchedTx{Tx: tx, w: w}) })
}

func (tx *watchedTx) SaveLook(ctx context.Context, l publishing.Look, done bool) error {
	tx.locked = true
	tx.w.saved = append(tx.w.saved, done)
	return tx.Tx.SaveLook(ctx, l, done)
}

func (tx *watchedTx) Findings(ctx context.Context, posts ...publishing.PostID) ([]publishing.Finding, error) {
	if !tx.locked {
		tx.w.t.Error("what is known was read before the channel's look was taken: another run could tell the same")
	}
	return tx.Tx.Findings(ctx, posts...)
}

// A run goes on until nothing is left, and notes what it could not check.
func TestARunLeavesNothing(t *testing.T) {
	w := newWorld(t, social.NativeKey, 3)
	w.plan(t, "eleven char")
	s := &watched{Store: w.store, t: t}
	r := publishing.NewRevalidator(publishing.New(s, platform{w}, platform{w}, platform{w}, w), s, platform{w})
	if err := r.Revalidate(t.Context()); err != nil || !slices.Equal(s.saved, []bool{true, true, true}) {
		t.Errorf("looks saved: %v, %v; want three that ended", s.saved, err)
	}
	w.manifest.Formats = slices.Clone(w.manifest.Formats)
	w.manifest.Formats[0].Text.Max = 10
	w.store.Fail, s.saved = 1, nil
	if err := r.Revalidate(t.Context()); err == nil || len(s.saved) == 0 || s.saved[0] {
		t.Errorf("looks saved: %v, %v; want the first noted as not ended", s.saved, err)
	}
}
