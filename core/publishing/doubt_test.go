package publishing_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// once answers the first commit with err, applied or not, and accepts the rest.
func (w *world) once(apply bool, err error) {
	first := true
	w.answer = func(social.PublishRequest) (bool, error) {
		defer func() { first = false }()
		if first {
			return apply, err
		}
		return true, nil
	}
}

func (w *world) schedule(t *testing.T, d *publishing.Detail, local string) *publishing.Detail {
	t.Helper()
	out, err := w.Schedule(t.Context(), w.who, d.ID, d.Version, publishing.Schedule{Local: local, Zone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The database's clock steps while a call is under way: its lease is over for
// everybody but the sender. Nobody looks before the sender must be done.
func TestAClockThatStepsDoesNotDouble(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	stepped := false
	w.answer = func(social.PublishRequest) (bool, error) {
		if !stepped {
			stepped = true
			w.now = w.now.Add(5 * time.Minute)
			w.mu.Unlock()
			w.work(t)
			w.mu.Lock()
		}
		return true, nil
	}
	d := w.publishNow(t, w.compose(t, "one"))
	w.work(t)
	w.pass(t, 10*time.Minute)
	if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 1 {
		t.Errorf("state %s, %d objects", r.State, w.objects(t))
	}
}

func TestAnEditSendsNothingThatHasEnded(t *testing.T) {
	for name, end := range map[string]func(*world, *publishing.Detail){
		"canceled": func(w *world, d *publishing.Detail) {
			if _, err := w.Cancel(t.Context(), w.who, d.ID); err != nil {
				t.Fatal(err)
			}
		},
		"rejected": func(w *world, d *publishing.Detail) {
			w.once(false, social.Fail(social.Invalid, "x", "x"))
			w.pass(t, 2*time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, social.ByFind, 1)
			d := w.schedule(t, w.compose(t, "first"), "2026-03-01T12:01:00")
			end(w, d)
			now := w.detail(t, d.ID)
			if _, err := w.Edit(t.Context(), w.who, d.ID, now.Version, w.content("second"), publishing.Schedule{}); err != nil {
				t.Fatal(err)
			}
			w.pass(t, time.Hour)
			if w.objects(t) != 0 {
				t.Fatal("an edit sent it")
			}
			w.publishNow(t, w.detail(t, d.ID))
			w.work(t)
			if w.objects(t) != 1 {
				t.Error("it could not be sent afterwards")
			}
		})
	}
}

// A post that loses its time is a draft: it does not go out, and can be planned
// again.
func TestAPostWithoutItsTimeIsADraft(t *testing.T) {
	w := newWorld(t, social.ByFind, 2)
	d := w.schedule(t, w.compose(t, "x"), "2026-03-01T13:00:00")
	w.denied = publishing.ActCancel
	if _, err := w.Edit(t.Context(), w.who, d.ID, d.Version, d.Content, publishing.Schedule{}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("err = %v, want forbidden: it is a cancelation", err)
	}
	w.denied = ""
	got, err := w.Edit(t.Context(), w.who, d.ID, d.Version, d.Content, publishing.Schedule{})
	if err != nil || got.State != publishing.Draft || got.Schedule != (publishing.Schedule{}) || len(got.Deliveries) != 0 {
		t.Fatalf("%+v %v, want a draft", got, err)
	}
	w.pass(t, 2*time.Hour)
	if w.objects(t) != 0 {
		t.Fatal("it went out")
	}
	w.schedule(t, w.detail(t, d.ID), "2026-03-01T15:00:00")
	w.pass(t, 2*time.Hour)
	if w.objects(t) != 2 {
		t.Error("it could not be planned again")
	}
}

// A draft's own time must be one that can come, sends nothing, and is what
// Schedule takes if it is given none.
func TestADraftsTimeIsAWish(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	past, soon := publishing.Schedule{Local: "2026-03-01T11:00:00", Zone: "UTC"}, publishing.Schedule{Local: "2026-03-01T13:00:00", Zone: "UTC"}
	if _, err := w.Create(t.Context(), w.who, w.content("x"), past); fault.Of(err) == nil || fault.Of(err).Reason != "schedule.past" {
		t.Errorf("past: err = %v", err)
	}
	if made, err := w.CreateMany(t.Context(), w.who, []publishing.Composed{{Content: w.content("x"), Schedule: past}}, false); err != nil || fault.Of(made[0].Err).Reason != "schedule.past" {
		t.Errorf("past, of many: %+v %v", made, err)
	}
	none := w.compose(t, "x")
	if _, err := w.Schedule(t.Context(), w.who, none.ID, none.Version, publishing.Schedule{}); fault.Of(err) == nil || fault.Of(err).Reason != "schedule.none" {
		t.Errorf("no time: err = %v", err)
	}
	if _, err := w.Edit(t.Context(), w.who, none.ID, none.Version, none.Content, past); fault.Of(err) == nil || fault.Of(err).Reason != "schedule.past" {
		t.Errorf("past, edited: err = %v", err)
	}
	d, err := w.Create(t.Context(), w.who, w.content("x"), soon)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = w.Schedule(t.Context(), w.who, d.ID, d.Version, publishing.Schedule{}); err != nil || d.State != publishing.Scheduled || d.Schedule.Local != soon.Local {
		t.Fatalf("%+v %v", d, err)
	}
	w.pass(t, 2*time.Hour)
	if w.objects(t) != 1 {
		t.Error("it did not go out")
	}
}

// Who may edit but not schedule can change words, and neither time nor place.
func TestAnEditorWhoMayNotScheduleMovesNothing(t *testing.T) {
	w := newWorld(t, social.ByFind, 2)
	all := w.chans
	w.chans = all[:1]
	d := w.schedule(t, w.compose(t, "x"), "2026-03-01T13:00:00")
	w.denied = publishing.ActSchedule
	same := d.Schedule
	for name, tc := range map[string]struct {
		chans []channels.ID
		when  publishing.Schedule
		want  fault.Code
	}{
		"words":           {all[:1], same, ""},
		"another channel": {all, same, fault.Forbidden},
		"another time":    {all[:1], publishing.Schedule{Local: "2026-03-01T14:00:00", Zone: "UTC"}, fault.Forbidden},
	} {
		w.chans = tc.chans
		_, err := w.Edit(t.Context(), w.who, d.ID, w.detail(t, d.ID).Version, w.content("y"), tc.when)
		if (tc.want == "") != (err == nil) || (err != nil && !fault.Is(err, tc.want)) {
			t.Errorf("%s: err = %v, want %q", name, err, tc.want)
		}
	}
}

func TestWhatWasCanceledWhileUnknownIsNotSentAgain(t *testing.T) {
	for _, dedup := range []social.Dedup{social.ByFind, social.NativeKey} {
		w := newWorld(t, dedup, 1)
		w.once(false, social.Fail(social.Ambiguous, "x", "x"))
		d := w.publishNow(t, w.compose(t, "one"))
		w.work(t)
		if _, err := w.Cancel(t.Context(), w.who, d.ID); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: cancel says %v, want too late", dedup, err)
		}
		w.pass(t, 10*time.Minute)
		if r := w.get(t, d.ID); r.State != publishing.Canceled || w.objects(t) != 0 {
			t.Errorf("%s: state %s, %d objects", dedup, r.State, w.objects(t))
		}
	}
}

// An address is no name: nothing can reply to it.
func TestNothingFollowsAPartThatOnlyHasAnAddress(t *testing.T) {
	w := newWorld(t, social.NoDedup, 1)
	w.once(true, social.Fail(social.Ambiguous, "x", "x"))
	d := w.publishNow(t, w.compose(t, "one", "two"))
	w.work(t)
	first := w.get(t, d.ID).Deliveries[0].Segments[0].ID
	if _, err := w.Settle(t.Context(), w.who, d.ID, first, publishing.ItIsThere, "https://x.test/1"); err != nil {
		t.Fatal(err)
	}
	w.work(t)
	r := w.get(t, d.ID)
	if w.objects(t) != 1 || r.Deliveries[0].Segments[1].State != publishing.Canceled || r.State != publishing.PartlyCanceled {
		t.Errorf("state %s, %d objects, second %s", r.State, w.objects(t), r.Deliveries[0].Segments[1].State)
	}
}

func TestALateRetryIsMissedToo(t *testing.T) {
	w := newWorld(t, social.NoDedup, 1)
	w.once(false, &social.Fault{Kind: social.RateLimited, RetryAfter: time.Minute})
	d := w.publishNow(t, w.compose(t, "x"))
	w.work(t)
	w.now = w.now.Add(72 * time.Hour)
	w.work(t)
	if r := w.get(t, d.ID); r.State != publishing.Missed || w.objects(t) != 0 {
		t.Errorf("state %s, %d objects", r.State, w.objects(t))
	}
}

func TestAPauseOverDoubtAsksNobody(t *testing.T) {
	w := newWorld(t, social.NativeKey, 1)
	w.manifest.KeyLife = 365 * 24 * time.Hour
	w.once(true, social.Fail(social.Ambiguous, "x", "x"))
	d := w.publishNow(t, w.compose(t, "x"))
	w.work(t)
	w.store.Block = map[channels.ID]string{w.chans[0]: "platform.paused"}
	w.pass(t, 3*time.Hour)
	if r := w.get(t, d.ID); r.State != publishing.Published || w.objects(t) != 1 {
		t.Errorf("state %s, %d objects; it could have been looked up", r.State, w.objects(t))
	}
}

func TestAClaimIsGivenBackOnTheWayOut(t *testing.T) {
	w := newWorld(t, social.NativeKey, 1)
	d := w.publishNow(t, w.compose(t, "x"))
	claims, err := w.store.Claim(t.Context(), "w", 10, publishing.Lease)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := w.Run(ctx, claims[0]); err != nil {
		t.Fatal(err)
	}
	if s := w.get(t, d.ID).Deliveries[0].Segments[0]; s.NextAt.After(w.now) || s.Holder != "" {
		t.Errorf("it waits for its lease until %s", s.NextAt)
	}
}

// A thread that is canceled while its first part is out says that it is out in
// part, and so do its events.
func TestAThreadThatIsCutOffSaysSo(t *testing.T) {
	w := newWorld(t, social.ByFind, 1)
	d := w.publishNow(t, w.compose(t, "one", "two", "three"))
	claims, err := w.store.Claim(t.Context(), "w", 1, publishing.Lease)
	if err != nil || len(claims) != 1 {
		t.Fatal(claims, err)
	}
	if err := w.run(t, claims[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cancel(t.Context(), w.who, d.ID); err != nil {
		t.Fatal(err)
	}
	w.work(t)
	r := w.get(t, d.ID)
	if w.objects(t) != 1 || r.State != publishing.PartlyCanceled || r.Deliveries[0].State() != publishing.PartlyCanceled {
		t.Errorf("post %s, delivery %s, %d objects", r.State, r.Deliveries[0].State(), w.objects(t))
	}
	if heard := w.store.Events(w.who.Tenant); !slices.Contains(heard, "post.published") {
		t.Errorf("heard: %v", heard)
	}
	w.publishNow(t, w.detail(t, d.ID))
	w.work(t)
	if r := w.get(t, d.ID); w.objects(t) != 3 || r.State != publishing.Published {
		t.Errorf("the rest of it: %s, %d objects", r.State, w.objects(t))
	}
}

func TestTheSumSaysWhatHappened(t *testing.T) {
	const live, cut, off, bad, late, due = publishing.Live, publishing.PartlyCanceled, publishing.Canceled, publishing.Rejected, publishing.Missed, publishing.Scheduled
	for want, sums := range map[publishing.State][][]publishing.State{
		publishing.Published:      {{live}, {live, live}},
		publishing.PartlyCanceled: {{cut}, {live, off}, {live, cut}, {cut, off}},
		publishing.Canceled:       {{off}, {off, off}},
		publishing.PartlyFailed:   {{live, bad}, {cut, bad}, {live, late}, {cut, late}, {publishing.PartlyFailed, off}},
		publishing.Failed:         {{bad}, {bad, off}, {bad, late}},
		publishing.Missed:         {{late}, {late, off}},
		publishing.Publishing:     {{live, due}, {cut, due}, {bad, due}},
		publishing.Scheduled:      {{due}, {due, off}},
	} {
		for _, states := range sums {
			if got := publishing.Sum(states); got != want {
				t.Errorf("%v is %s, want %s", states, got, want)
			}
		}
	}
}
