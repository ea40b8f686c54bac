package publishing_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/social"
)

// A process without the plugin gives a segment back soon, whatever its own
// plugin's rest: the next to take it may be another. In doubt or not.
func TestATroubleOfOneProcessDelaysNothing(t *testing.T) {
	here := &social.Fault{Kind: social.Transient, Source: social.FromPlugin, Key: "plugin.quarantined", RetryAfter: 10 * time.Minute, Local: true}
	for name, doubt := range map[string]bool{"before the commit": false, "in doubt": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			if doubt {
				w.answer = func(social.PublishRequest) (bool, error) {
					w.findErr = here
					return true, &social.Fault{Kind: social.Ambiguous, Key: "x"}
				}
			} else {
				w.answer = func(social.PublishRequest) (bool, error) { return false, here }
			}
			d := w.publishNow(t, w.compose(t, "one"))
			w.pass(t, 5*time.Minute)
			if s := w.get(t, d.ID).State; s == publishing.Published || s.Final() {
				t.Fatalf("state %s", s)
			}
			w.answer, w.findErr = nil, nil // another process
			w.pass(t, 30*time.Second)
			if s := w.get(t, d.ID).State; s != publishing.Published || w.objects(t) != 1 {
				t.Errorf("state %s, %d objects", s, w.objects(t))
			}
		})
	}
}

// What never left this process is nothing to journal, however often it is
// tried, and it is not tried every few seconds for a day.
func TestATroubleOfEveryProcessFillsNothing(t *testing.T) {
	here := &social.Fault{Kind: social.Transient, Source: social.FromPlugin, Key: "plugin.busy", Local: true}
	for name, replay := range map[string]bool{"the first time": false, "again, in doubt": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.NativeKey, 1)
			w.manifest.KeyLife = 48 * time.Hour
			tried := 0
			w.answer = func(req social.PublishRequest) (bool, error) {
				if tried++; replay && tried == 1 {
					return true, &social.Fault{Kind: social.Ambiguous, Key: "x"}
				}
				if want := map[bool]int{false: 1, true: 2}[replay]; req.Attempt != want {
					t.Errorf("attempt %d, want %d", req.Attempt, want)
				}
				return false, here
			}
			d := w.publishNow(t, w.compose(t, "one"))
			w.pass(t, 50*time.Minute)
			journal := w.get(t, d.ID).Attempts
			if want := map[bool]int{false: 0, true: 1}[replay]; len(journal) != want {
				t.Errorf("%d attempts are journaled, want %d", len(journal), want)
			}
			if tried < 10 || tried > 40 {
				t.Errorf("it was tried %d times", tried)
			}
			w.answer = nil
			w.pass(t, 15*time.Minute)
			got := w.get(t, d.ID)
			if got.State != publishing.Published || w.objects(t) != 1 {
				t.Errorf("state %s, %d objects", got.State, w.objects(t))
			}
			if n := len(got.Attempts); got.Attempts[n-1].N != n || got.Attempts[n-1].Outcome != publishing.Applied {
				t.Errorf("journal %+v", got.Attempts)
			}
		})
	}
}

// What no version of the plugin can go on with begins anew, if nothing was
// sent. If something was, a person is asked in the end.
func TestAStateThatNobodyReads(t *testing.T) {
	unreadable := &social.Fault{Kind: social.Transient, Source: social.FromPlugin, Key: social.StateUnreadable}
	t.Run("before the commit", func(t *testing.T) {
		w := newWorld(t, social.ByFind, 1)
		refused := 0
		w.answer = func(social.PublishRequest) (bool, error) {
			if refused++; refused == 1 {
				return false, unreadable
			}
			return true, nil
		}
		d := w.publishNow(t, w.compose(t, "one"))
		w.pass(t, time.Minute)
		if s := w.get(t, d.ID).State; s != publishing.Published || w.objects(t) != 1 {
			t.Errorf("state %s, %d objects", s, w.objects(t))
		}
		if n := len(w.calls); n != 4 || w.calls[2] != "prepare" {
			t.Errorf("it went %v", w.calls)
		}
	})
	t.Run("in doubt", func(t *testing.T) {
		w := newWorld(t, social.ByFind, 1)
		w.findErr = unreadable
		w.answer = func(social.PublishRequest) (bool, error) {
			return true, &social.Fault{Kind: social.Ambiguous, Key: "x"}
		}
		d := w.publishNow(t, w.compose(t, "one"))
		w.pass(t, 2*time.Hour)
		if s := w.get(t, d.ID).State; s != publishing.NeedsReview || w.objects(t) != 1 {
			t.Errorf("state %s, %d objects", s, w.objects(t))
		}
	})
}
