package publishing_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/social"
)

// A planned post says what holds it, on the channel that is held; a draft and
// what is out do not wait for anything.
func TestWhatIsHeldSaysWhy(t *testing.T) {
	w := newWorld(t, social.NativeKey, 2)
	draft := w.compose(t, "a draft")
	out := w.publishNow(t, w.compose(t, "out already"))
	w.work(t)
	planned := w.publishNow(t, w.compose(t, "hello", "and more"))

	w.store.Block = map[channels.ID]string{w.chans[1]: "channel.paused"}
	w.work(t) // one channel gets it, the other waits
	got := w.get(t, planned.ID)
	if got.Deliveries[0].Held != nil || got.Deliveries[1].Held == nil || *got.Held() != *got.Deliveries[1].Held {
		t.Fatalf("%+v %+v", got.Deliveries[0].Held, got.Deliveries[1].Held)
	}
	if h := got.Held(); h.Reason != "channel.paused" || h.Message == "" {
		t.Errorf("%+v", h)
	}
	for name, id := range map[string]publishing.PostID{"draft": draft.ID, "out": out.ID} {
		if h := w.get(t, id).Held(); h != nil {
			t.Errorf("%s: %+v", name, h)
		}
	}
	list, err := w.List(t.Context(), w.who, publishing.Filter{Limit: 10})
	if err != nil || len(list) != 3 || list[0].Held() == nil {
		t.Errorf("listed %d, %v", len(list), err)
	}

	w.store.Block = nil
	if h := w.get(t, planned.ID).Held(); h != nil {
		t.Errorf("afterwards %+v", h)
	}
	w.work(t)
	if got := w.get(t, planned.ID); got.State != publishing.Published {
		t.Errorf("state %s", got.State)
	}
}

// Whatever changes a post answers how it stands, too.
func TestAPostThatIsPlannedWhilePausedSaysSo(t *testing.T) {
	w := newWorld(t, social.NativeKey, 1)
	w.store.Block = map[channels.ID]string{w.chans[0]: "tenant.paused_above"}
	w.store.Told = map[channels.ID]string{w.chans[0]: "We are looking into it."}
	d := w.publishNow(t, w.compose(t, "hello"))
	if h := d.Held(); h == nil || h.Reason != "tenant.paused_above" || h.Message != "Publishing is paused above this workspace. We are looking into it." {
		t.Fatalf("%+v", h)
	}
	if d, err := w.Cancel(t.Context(), w.who, d.ID); err != nil || d.Held() != nil {
		t.Errorf("canceled: %+v, %v", d.Held(), err)
	}
}

func TestSettings(t *testing.T) {
	w := newWorld(t, social.NativeKey, 1)
	if got, err := w.Settings(t.Context(), w.who); err != nil || got != publishing.DefaultSettings {
		t.Errorf("%+v, %v", got, err)
	}
	for name, tc := range map[string]struct {
		after time.Duration
		ok    bool
	}{
		"however late": {0, true}, "a minute": {60 * time.Second, true}, "30 days": {publishing.MaxMissedAfter, true},
		"negative": {-time.Second, false}, "longer": {publishing.MaxMissedAfter + time.Second, false}, "half a second": {time.Second / 2, false},
	} {
		want, _ := w.Settings(t.Context(), w.who)
		err := w.UpdateSettings(t.Context(), w.who, publishing.Settings{MissedAfter: tc.after})
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
		if tc.ok {
			want.MissedAfter = tc.after
		}
		if got, _ := w.Settings(t.Context(), w.who); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	w.denied = publishing.ActSettings
	if err := w.UpdateSettings(t.Context(), w.who, publishing.DefaultSettings); err == nil {
		t.Error("nobody was asked")
	}
}
