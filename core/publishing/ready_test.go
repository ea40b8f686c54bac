package publishing_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/social"
)

// A token may take its time to be renewed; the look at the kill switch and the
// clock come after that.
func TestTheLastLookIsRightBeforeTheCall(t *testing.T) {
	for name, tc := range map[string]struct {
		borrow   func(*world)
		objects  int
		attempts int
		declined int
	}{
		"paused while the token was renewed": {func(w *world) { w.store.Block = map[channels.ID]string{w.chans[0]: "platform.paused"} }, 0, 1, 1},
		"a slow renewal":                     {func(w *world) { w.now = w.now.Add(20 * time.Second) }, 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			w.borrow = func() error { w.borrow = nil; tc.borrow(w); return nil }
			d := w.publishNow(t, w.compose(t, "one"))
			w.work(t)
			r := w.get(t, d.ID)
			if w.objects(t) != tc.objects || len(r.Attempts) != tc.attempts || w.declined != tc.declined {
				t.Errorf("%d objects, attempts %+v, %d declined", w.objects(t), r.Attempts, w.declined)
			}
		})
	}
}

// What keeps a call from being begun leaves no attempt, and what was prepared
// for it stays.
func TestACallThatCannotBeginIsNoAttempt(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	w.uploads = 2
	w.borrow = func() error {
		w.borrow = nil
		return &social.Fault{Kind: social.RateLimited, Message: "Used up.", RetryAfter: time.Minute}
	}
	d := w.publishNow(t, w.compose(t, "one"))
	w.work(t)
	before := len(w.calls)
	if s := w.segment(t, d.ID, 0); s.State != publishing.Armed || s.Problem == nil || len(w.get(t, d.ID).Attempts) != 0 {
		t.Errorf("%+v", s)
	}
	w.pass(t, 2*time.Minute)
	if r := w.get(t, d.ID); r.State != publishing.Published || len(w.calls) != before+1 || len(r.Attempts) != 1 {
		t.Errorf("state %s, calls %v", r.State, w.calls)
	}
}
