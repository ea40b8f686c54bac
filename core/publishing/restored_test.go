package publishing_test

import (
	"context"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// restore is what a store does to the segments of a post after a restore.
func (w *world) restore(t *testing.T, d *publishing.Detail) {
	t.Helper()
	err := w.store.Update(t.Context(), w.who.Tenant, func(ctx context.Context, tx publishing.Tx) error {
		ds, err := tx.Deliveries(ctx, d.ID)
		for _, dl := range ds {
			for _, s := range dl.Segments {
				w.doubt(s)
			}
			if err := tx.SaveSegments(ctx, dl, dl.Segments...); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) doubt(s *publishing.Segment) {
	if s.State == publishing.Live {
		return
	}
	s.Verify, s.DoubtAt, s.CalledAt, s.Holder = true, w.now, w.now, ""
	s.Generation += 1000000
	if s.NextAt.IsZero() {
		return
	}
	if s.NextAt = w.now; s.State.Untouched() {
		s.State = publishing.Unknown
	}
}

// What was planned for later may have been ordered to go out at once, after the
// copy was made.
func TestARestoredPostThatIsDueLater(t *testing.T) {
	for name, tc := range map[string]struct {
		dedup social.Dedup
		sent  bool
		early publishing.State // soon after the restore
		want  publishing.State // past its time
		calls int
	}{
		"was sent":                     {social.ByFind, true, publishing.Published, publishing.Published, 0},
		"was not":                      {social.ByFind, false, publishing.Scheduled, publishing.Published, 2},
		"was sent with a key":          {social.NativeKey, true, publishing.Published, publishing.Published, 0},
		"on a platform without lookup": {social.NoDedup, true, publishing.NeedsReview, publishing.NeedsReview, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.dedup, 1)
			d := w.schedule(t, w.compose(t, "one"), "2026-03-03T12:00:00")
			if tc.sent {
				w.live[w.segment(t, d.ID, 0).Key()] = []string{"one"}
			}
			w.now = w.now.Add(24 * time.Hour)
			w.restore(t, d)
			w.pass(t, 10*time.Minute)
			if got := w.get(t, d.ID).State; got != tc.early {
				t.Errorf("after the restore it is %s, want %s", got, tc.early)
			}
			if p := w.segment(t, d.ID, 0).Problem; tc.early == publishing.NeedsReview && (p == nil || p.Reason != "segment.restored") {
				t.Errorf("people are told %+v", p)
			}
			for _, l := range w.lookups {
				if !l.Restored || l.Since.After(noon.Add(24*time.Hour)) {
					t.Errorf("looked up since %s, restored %v", l.Since, l.Restored)
				}
			}
			w.now = w.now.Add(23 * time.Hour)
			w.pass(t, 2*time.Hour)
			if got := w.get(t, d.ID).State; got != tc.want || len(w.calls) != tc.calls {
				t.Errorf("in the end it is %s, want %s; calls %v", got, tc.want, w.calls)
			}
		})
	}
}

// A person may order what has ended in the copy, and had been ordered already.
func TestARestoredPostThatHadEndedIsLookedUpWhenOrdered(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	w.once(false, social.Fail(social.Invalid, "x", "x"))
	d := w.publishNow(t, w.compose(t, "one"))
	w.work(t)
	w.restore(t, d)
	w.live[string(w.segment(t, d.ID, 0).ID)+".1"] = []string{"one"} // the original's second order
	calls := len(w.calls)
	w.publishNow(t, w.detail(t, d.ID))
	w.pass(t, 10*time.Minute)
	if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 1 || len(w.calls) != calls {
		t.Errorf("state %s, %d objects, calls %v", r.State, w.objects(t), w.calls)
	}
}

// A platform that cannot be reached for a while is no reason to ask people
// about what is not due yet.
func TestDoubtAboutWhatIsNotDueIsPatient(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.schedule(t, w.compose(t, "one"), "2026-03-03T12:00:00")
	w.restore(t, d)
	w.findErr = social.Fail(social.Transient, "x", "down")
	w.pass(t, 5*time.Hour)
	if s := w.get(t, d.ID).State; s == publishing.NeedsReview {
		t.Error("somebody was asked about a post of the day after tomorrow")
	}
	w.findErr = nil
	w.pass(t, time.Hour)
	if s := w.get(t, d.ID).State; s != publishing.Scheduled {
		t.Errorf("it is %s", s)
	}
}

func TestARestoredThreadIsLookedUpNotSent(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.schedule(t, w.compose(t, "one", "two", "three"), "2026-03-01T12:01:00")
	for _, s := range w.get(t, d.ID).Deliveries[0].Segments { // the original sent it all
		w.live[s.Key()] = []string{s.Part.Text}
	}
	w.now = w.now.Add(10 * time.Minute)
	w.restore(t, d)
	w.pass(t, 10*time.Minute)
	if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 3 || len(w.calls) != 0 {
		t.Errorf("state %s, %d objects, calls %v", r.State, w.objects(t), w.calls)
	}
}

func TestARestoredPostThatNeverLeftIsPreparedAnew(t *testing.T) {
	for _, dedup := range []social.Dedup{social.ByFind, social.NativeKey} {
		w := newWorld(t, dedup, 1)
		d := w.schedule(t, w.compose(t, "with an image"), "2026-03-01T12:01:00")
		w.now = w.now.Add(2 * time.Minute)
		w.restore(t, d)
		w.pass(t, 10*time.Minute)
		if r := w.get(t, d.ID); r.State != publishing.Published || len(w.calls) != 2 || w.calls[0] != "prepare" {
			t.Errorf("%s: state %s, calls %v", dedup, r.State, w.calls)
		}
	}
}

// Before somebody has looked, a restored post may be out: other words or
// another time would make a second one of it.
func TestARestoredPostIsLookedUpBeforeItIsChanged(t *testing.T) {
	for _, dedup := range []social.Dedup{social.ByFind, social.NativeKey} {
		for name, change := range map[string]func(*world, *publishing.Detail) error{
			"words": func(w *world, d *publishing.Detail) error {
				_, err := w.Edit(t.Context(), w.who, d.ID, d.Version, w.content("other words"), d.Schedule)
				return err
			},
			"time": func(w *world, d *publishing.Detail) error {
				_, err := w.Schedule(t.Context(), w.who, d.ID, d.Version, publishing.Schedule{Local: "2026-03-01T15:00:00", Zone: "UTC"})
				return err
			},
			"now": func(w *world, d *publishing.Detail) error {
				_, err := w.Publish(t.Context(), w.who, d.ID, d.Version)
				return err
			},
			"cancel": func(w *world, d *publishing.Detail) error { _, err := w.Cancel(t.Context(), w.who, d.ID); return err },
			"delete": func(w *world, d *publishing.Detail) error { return w.Delete(t.Context(), w.who, d.ID, d.Version) },
		} {
			t.Run(string(dedup)+" "+name, func(t *testing.T) {
				w := newWorld(t, dedup, 1)
				d := w.schedule(t, w.compose(t, "the words"), "2026-03-01T12:01:00")
				s := w.get(t, d.ID).Deliveries[0].Segments[0]
				w.live[s.Key()] = []string{s.Part.Text} // the original sent it
				w.now = w.now.Add(2 * time.Minute)
				w.restore(t, d)
				if err := change(w, d); !fault.Is(err, fault.Conflict) {
					t.Errorf("err = %v, want %s", err, fault.Conflict)
				}
				w.pass(t, 4*time.Hour)
				if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 1 || len(w.calls) != 0 {
					t.Errorf("state %s, %d objects, calls %v", r.State, w.objects(t), w.calls)
				}
			})
		}
	}
}

func TestWhatWasCanceledAfterARestoreIsLookedUpAndNotSent(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.schedule(t, w.compose(t, "one", "two"), "2026-03-01T12:01:00")
	w.now = w.now.Add(2 * time.Minute)
	w.restore(t, d)
	if _, err := w.Cancel(t.Context(), w.who, d.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("err = %v, want %s", err, fault.Conflict)
	}
	w.pass(t, time.Hour)
	if r := w.get(t, d.ID); r.State != publishing.Canceled || w.objects(t) != 0 {
		t.Errorf("state %s, %d objects", r.State, w.objects(t))
	}
}

func TestDoubtAfterARestoreIsPatient(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.schedule(t, w.compose(t, "x"), "2026-03-01T12:01:00")
	w.now = w.now.Add(2 * time.Minute)
	w.restore(t, d)
	w.findErr = social.Fail(social.Transient, "x", "down")
	w.pass(t, 30*time.Minute)
	if s := w.get(t, d.ID).State; s == publishing.NeedsReview {
		t.Error("an outage of half an hour made a person look")
	}
}
