package publishing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

func (w *world) segment(t *testing.T, id publishing.PostID, i int) *publishing.Segment {
	t.Helper()
	return w.get(t, id).Deliveries[0].Segments[i]
}

// What a person orders the next day is sent, and has its day for failures too.
func TestAnAnswerTheNextDayIsObeyed(t *testing.T) {
	for name, tc := range map[string]struct{ busy bool }{"at once": {}, "after a failure": {true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.NoDedup, 1)
			w.once(false, social.Fail(social.Ambiguous, "x", "x"))
			d := w.publishNow(t, w.compose(t, "one"))
			w.work(t)
			w.pass(t, 2*time.Minute)
			w.now = w.now.Add(30 * time.Hour)
			if tc.busy {
				w.once(false, social.Fail(social.Transient, "x", "x"))
			}
			if _, err := w.Settle(t.Context(), w.who, d.ID, w.segment(t, d.ID, 0).ID, publishing.SendAgain, ""); err != nil {
				t.Fatal(err)
			}
			w.pass(t, time.Minute)
			if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 1 {
				t.Errorf("state %s, %d objects", r.State, w.objects(t))
			}
		})
	}
}

// A platform that asks for seven hours gets them; nobody was late.
func TestARateLimitIsNotLateness(t *testing.T) {
	limit := &social.Fault{Kind: social.RateLimited, Message: "Later.", RetryAfter: 7 * time.Hour}
	for name, break1 := range map[string]func(*world){
		"of the call": func(w *world) { w.once(false, limit) },
		"of the preparation": func(w *world) {
			w.prepErr = func(social.PublishRequest) error { w.prepErr = nil; return limit }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			break1(w)
			d := w.publishNow(t, w.compose(t, "one"))
			w.work(t)
			w.pass(t, 8*time.Hour)
			if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 1 {
				t.Errorf("state %s, %d objects", r.State, w.objects(t))
			}
		})
	}
}

// An order to send the rest of a thread does not make a post of its own of it.
func TestTheRestOfAThreadNeedsSomethingToFollow(t *testing.T) {
	w := newWorld(t, social.NoDedup, 1)
	w.once(true, social.Fail(social.Ambiguous, "x", "x"))
	d := w.publishNow(t, w.compose(t, "one", "two"))
	w.work(t)
	got, err := w.Settle(t.Context(), w.who, d.ID, w.segment(t, d.ID, 0).ID, publishing.ItIsThere, "https://x.test/1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Publish(t.Context(), w.who, d.ID, got.Version)
	if f := fault.Of(err); f == nil || f.Reason != "post.chain_broken" {
		t.Errorf("err = %v, want post.chain_broken", err)
	}
	w.work(t)
	if w.objects(t) != 1 {
		t.Errorf("%d objects", w.objects(t))
	}
}

// Events say what became of a post, also of one that was canceled in doubt.
func TestCancelTellsWhatBecameOfIt(t *testing.T) {
	for name, tc := range map[string]struct {
		applied bool
		want    []string
	}{
		"it was sent":     {true, []string{"post.published"}},
		"it was not sent": {false, []string{"post.canceled"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			w.once(tc.applied, social.Fail(social.Ambiguous, "x", "x"))
			d := w.publishNow(t, w.compose(t, "one", "two"))
			w.work(t)
			if _, err := w.Cancel(t.Context(), w.who, d.ID); err != nil {
				t.Fatal(err)
			}
			w.pass(t, 10*time.Minute)
			var got []string
			for _, e := range w.store.Events(w.who.Tenant) {
				if slices.Contains([]string{"post.published", "post.canceled", "post.failed"}, e) {
					got = append(got, e)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("told %v, want %v", got, tc.want)
			}
		})
	}
}

// Only what came to rest counts as settled, and everything that did.
func TestWhatCountsAsSettled(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(*testing.T, *world)
		want []publishing.State
	}{
		"live":                {func(*testing.T, *world) {}, []publishing.State{publishing.Live}},
		"after a failed step": {func(_ *testing.T, w *world) { w.once(false, social.Fail(social.Transient, "x", "x")) }, []publishing.State{publishing.Live}},
		"after doubt":         {func(_ *testing.T, w *world) { w.once(true, social.Fail(social.Ambiguous, "x", "x")) }, []publishing.State{publishing.Live}},
		"missed":              {func(_ *testing.T, w *world) { w.now = w.now.Add(7 * time.Hour) }, []publishing.State{publishing.Missed}},
		"rejected":            {func(_ *testing.T, w *world) { w.once(false, social.Fail(social.Invalid, "x", "x")) }, []publishing.State{publishing.Rejected}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			w.publishNow(t, w.compose(t, "one"))
			tc.do(t, w)
			w.work(t)
			w.pass(t, 10*time.Minute)
			if !slices.Equal(w.settled, tc.want) {
				t.Errorf("settled %v, want %v", w.settled, tc.want)
			}
		})
	}
}
