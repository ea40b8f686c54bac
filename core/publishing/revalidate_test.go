package publishing_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
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
