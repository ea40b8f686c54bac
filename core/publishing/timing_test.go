package publishing_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/social"
)

func TestTiming(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*publishing.Timing)
		ok     bool
	}{
		"production":                        {func(*publishing.Timing) {}, true},
		"a step outlasts its lease":         {func(t *publishing.Timing) { t.Step = t.Lease }, false},
		"a call outlasts its lease":         {func(t *publishing.Timing) { t.Lease = t.Commit }, false},
		"no time left to record an outcome": {func(t *publishing.Timing) { t.Commit = t.Lease/2 - time.Second }, false},
		"stale only after the call":         {func(t *publishing.Timing) { t.Fresh = t.Commit }, false},
		"no limit":                          {func(t *publishing.Timing) { t.Commit = 0 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			timing := publishing.DefaultTiming
			tc.change(&timing)
			w := newWorld(t, social.ByFind, 1)
			if err := w.Within(timing); (err == nil) != tc.ok {
				t.Errorf("%+v: %v", timing, err)
			}
		})
	}
}

// The lease runs from the arming, not from a claim that uploads have used up.
func TestNobodyTakesOverACallUnderWay(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	w.uploads = 3
	d := w.compose(t, "hello")
	w.publishNow(t, d)
	w.answer = func(social.PublishRequest) (bool, error) {
		claims, err := w.store.Claim(t.Context(), "other", 10, publishing.Lease)
		if err != nil || len(claims) != 0 {
			t.Errorf("claimed while it was being sent: %v, %v", claims, err)
		}
		return true, nil
	}
	w.work(t)
	if r := w.get(t, d.ID); r.State != publishing.Published || len(r.Attempts) != 1 || count(w.calls, "commit") != 1 {
		t.Errorf("state %s, %d attempts, calls %v", r.State, len(r.Attempts), w.calls)
	}
}

// What was lost on the way may be live, even when its parts are gone by now.
func TestALostCallIsNotRejectedForItsMedia(t *testing.T) {
	w := newWorld(t, social.NativeKey, 1)
	c := w.content("hello")
	c.Parts[0].Media = []publishing.Attachment{{Media: "med_1"}}
	d, err := w.Create(t.Context(), w.who, c, publishing.Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	w.publishNow(t, d)
	w.answer = func(social.PublishRequest) (bool, error) {
		w.gone = true
		return true, social.Fail(social.Ambiguous, "network.lost", "The reply was lost.")
	}
	w.work(t)
	w.pass(t, 5*time.Minute)
	if r := w.get(t, d.ID); r.Deliveries[0].State() != publishing.Unknown {
		t.Fatalf("state %s while nobody knows", r.Deliveries[0].State())
	}
	w.gone, w.answer = false, nil
	w.pass(t, 15*time.Minute)
	if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 1 {
		t.Errorf("state %s, %d objects", r.State, w.objects(t))
	}
}

// The last call with a key may be almost as late as the platform remembers it,
// so a lookup before the index has caught up with that call proves nothing.
func TestAForgottenKeyIsLookedUpLate(t *testing.T) {
	w := newWorld(t, social.NativeKey, 1)
	d := w.compose(t, "hello")
	w.publishNow(t, d)
	var last time.Time
	w.answer = func(social.PublishRequest) (bool, error) {
		if len(w.looked) == 0 {
			last = w.now
		}
		return false, social.Fail(social.Ambiguous, "network.lost", "The reply was lost.")
	}
	w.work(t)
	w.pass(t, w.manifest.KeyLife)
	w.answer = nil
	w.pass(t, time.Hour)
	if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 1 {
		t.Errorf("state %s, %d objects", r.State, w.objects(t))
	}
	if early := last.Add(w.manifest.Settle); len(w.looked) == 0 || w.looked[0].Before(early) {
		t.Errorf("looked at %v, before %v", w.looked, early)
	}
}
