package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
)

func TestFanOut(t *testing.T) {
	w := setup(t)
	all := w.endpoint(t)
	posts := w.endpoint(t, "post.*")
	w.endpoint(t, "media.ready")
	off := w.endpoint(t)
	w.set(t, off.ID, events.EndpointPatch{State: ptr(events.Disabled)})

	eid := w.emit(t, events.PostPublished)
	must(t, w.FanOut(t.Context(), w.us, eid))
	must(t, w.FanOut(t.Context(), w.us, eid)) // the queue may say so twice
	w.work(t)

	for _, to := range []*events.Endpoint{all, posts} {
		log := w.log(t, to.ID)
		if len(log) != 1 || log[0].Event != eid || log[0].State != events.Delivered || log[0].Attempts != 1 || log[0].Excerpt != "thanks" {
			t.Errorf("log = %+v", log)
		}
	}
	if len(w.sent) != 2 {
		t.Errorf("%d requests", len(w.sent))
	}
}

// Eight tries over about forty hours, then nobody tries any more.
func TestRetries(t *testing.T) {
	w := setup(t)
	to := w.endpoint(t)
	w.answer = events.Answer{Status: 500}
	began := w.now
	w.emit(t, events.PostPublished)
	w.work(t)
	d := w.log(t, to.ID)[0]
	if d.State != events.Failed || d.Attempts != 8 || len(d.Log) != 8 || !d.NextAt.IsZero() || len(w.sent) != 8 {
		t.Errorf("delivery = %+v after %d requests", d, len(w.sent))
	}
	if took := w.now.Sub(began); took < 34*time.Hour || took > 46*time.Hour {
		t.Errorf("took %v", took)
	}
	for i := 1; i < len(w.sent); i++ {
		if w.sent[i].Headers["webhook-id"] != w.sent[0].Headers["webhook-id"] || w.sent[i].Headers["webhook-timestamp"] == w.sent[0].Headers["webhook-timestamp"] {
			t.Errorf("try %d: %v", i, w.sent[i].Headers)
		}
	}
}

func TestWhatFollowsAnAnswer(t *testing.T) {
	unavailable := fault.New(fault.Unavailable, "egress.unreachable", "No answer.")
	for name, tc := range map[string]struct {
		answer events.Answer
		err    error
		state  events.DeliveryState
		after  time.Duration // at least, if pending
	}{
		"200":              {answer: ok, state: events.Delivered},
		"204":              {answer: events.Answer{Status: 204}, state: events.Delivered},
		"302":              {answer: events.Answer{Status: 302}, state: events.Pending, after: 4 * time.Second},
		"400":              {answer: events.Answer{Status: 400}, state: events.Pending, after: 4 * time.Second},
		"410":              {answer: events.Answer{Status: 410}, state: events.Failed},
		"429 and a wait":   {answer: events.Answer{Status: 429, RetryAfter: time.Hour}, state: events.Pending, after: time.Hour},
		"a wait too long":  {answer: events.Answer{Status: 503, RetryAfter: 1000 * time.Hour}, state: events.Pending, after: 24 * time.Hour},
		"nothing answered": {err: unavailable, state: events.Pending, after: 4 * time.Second},
		"refused":          {err: fault.New(fault.Invalid, "egress.refused", "No."), state: events.Pending, after: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			to := w.endpoint(t)
			w.answer, w.err = tc.answer, tc.err
			must(t, w.FanOut(t.Context(), w.us, w.emit(t, events.PostPublished)))
			for _, d := range w.store.Take(w.us.Tenant).Delivers {
				must(t, w.Deliver(t.Context(), w.us, d.ID, d.Attempt))
				must(t, w.Deliver(t.Context(), w.us, d.ID, d.Attempt)) // a stale job does nothing
			}
			d := w.log(t, to.ID)[0]
			if d.State != tc.state || d.Attempts != 1 || len(w.sent) != 1 {
				t.Fatalf("%+v after %d requests", d, len(w.sent))
			}
			if wait := d.NextAt.Sub(w.now); tc.state == events.Pending && (wait < tc.after || wait > tc.after+2*time.Second) {
				t.Errorf("next in %v", wait)
			}
			if tc.err != nil && d.Log[0].Reason != fault.Of(tc.err).Reason {
				t.Errorf("log = %+v", d.Log)
			}
		})
	}
}

func TestGoneDisables(t *testing.T) {
	w := setup(t)
	to := w.endpoint(t)
	w.answer = events.Answer{Status: 410}
	w.emit(t, events.PostPublished)
	w.emit(t, events.PostPublished)
	w.work(t)
	e := w.get(t, to.ID)
	if e.State != events.Disabled || e.Reason != events.Gone {
		t.Errorf("%s, %s", e.State, e.Reason)
	}
	if log := w.log(t, to.ID); len(w.sent) != 1 || log[0].State == events.Pending || log[1].State == events.Pending {
		t.Errorf("%d requests, %+v", len(w.sent), log)
	}
	page, err := w.List(t.Context(), w.us, events.Query{Types: []events.Filter{"webhook.disabled"}})
	if err != nil || len(page.Events) != 1 || !strings.Contains(string(page.Events[0].Data), "gone") {
		t.Errorf("page = %+v, %v", page, err)
	}
}

func TestLongFailureDisables(t *testing.T) {
	w := setup(t)
	to := w.endpoint(t)
	w.answer = events.Answer{Status: 500}
	for range 3 {
		if e := w.get(t, to.ID); e.State != events.Enabled {
			t.Fatalf("disabled after %v", w.now)
		}
		w.emit(t, events.PostPublished)
		w.work(t)
	}
	if e := w.get(t, to.ID); e.State != events.Disabled || e.Reason != events.Failing || e.FailingSince.IsZero() {
		t.Errorf("%+v", e)
	}
	w.set(t, to.ID, events.EndpointPatch{State: ptr(events.Enabled)})
	w.answer = ok
	w.emit(t, events.PostPublished)
	w.work(t)
	if e := w.get(t, to.ID); e.State != events.Enabled || e.Reason != "" || !e.FailingSince.IsZero() {
		t.Errorf("%+v", e)
	}
}

func TestRotation(t *testing.T) {
	w := setup(t)
	e, old, err := w.CreateEndpoint(t.Context(), w.us, events.NewEndpoint{URL: "https://example.com/"})
	must(t, err)
	_, fresh, err := w.Rotate(t.Context(), w.us, e.ID, time.Hour)
	must(t, err)
	w.now = w.now.Add(59 * time.Minute)
	w.emit(t, events.PostPublished)
	w.work(t)
	w.now = w.now.Add(time.Minute)
	w.emit(t, events.PostPublished)
	w.work(t)
	for i, secrets := range [][]string{{fresh, old}, {fresh}} {
		m := w.sent[i]
		at := w.sentAt[i]
		want, err := events.Sign(secrets, events.ID(m.Headers["webhook-id"]), at, m.Body)
		if must(t, err); m.Headers["webhook-signature"] != want {
			t.Errorf("%d: %s, want %s", i, m.Headers["webhook-signature"], want)
		}
	}
}

func TestReplay(t *testing.T) {
	w := setup(t)
	w.emit(t, events.PostCreated) // before: not replayed
	w.now = w.now.Add(time.Hour)
	since := w.now
	var want []string
	for i := range 230 { // more than two pages
		if i%10 == 0 {
			w.emit(t, events.MediaReady)
			continue
		}
		want = append(want, string(w.emit(t, events.PostCreated)))
	}
	to := w.endpoint(t, "post.*")
	_, err := w.Replay(t.Context(), w.us, to.ID, since)
	must(t, err)
	w.emit(t, events.PostCreated) // after: sent once, by itself
	w.work(t)
	got := map[string]int{}
	for _, m := range w.sent {
		got[m.Headers["webhook-id"]]++
	}
	for _, eid := range want {
		if got[eid] != 1 {
			t.Errorf("%s was sent %d times", eid, got[eid])
		}
	}
	if len(w.sent) != len(want)+1 {
		t.Errorf("%d requests, want %d", len(w.sent), len(want)+1)
	}
}

func TestResend(t *testing.T) {
	w := setup(t)
	to := w.endpoint(t)
	eid := w.emit(t, events.PostCreated)
	w.work(t)
	d, err := w.Resend(t.Context(), w.us, w.log(t, to.ID)[0].ID)
	must(t, err)
	w.work(t)
	if len(w.sent) != 2 || w.sent[1].Headers["webhook-id"] != string(eid) || d.Event != eid || len(w.log(t, to.ID)) != 2 {
		t.Errorf("%d requests, %+v", len(w.sent), d)
	}
	w.set(t, to.ID, events.EndpointPatch{State: ptr(events.Disabled)})
	if _, err := w.Resend(t.Context(), w.us, d.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("to a disabled endpoint: %v", err)
	}
}

func TestTestEvent(t *testing.T) {
	w := setup(t)
	to := w.endpoint(t, "media.ready")
	other := w.endpoint(t)
	w.set(t, to.ID, events.EndpointPatch{State: ptr(events.Disabled)})
	_, err := w.Test(t.Context(), w.us, to.ID)
	must(t, err)
	w.work(t)
	if len(w.sent) != 1 || !strings.Contains(string(w.sent[0].Body), `"type":"webhook.test"`) || len(w.log(t, other.ID)) != 0 {
		t.Errorf("sent %v", w.sent)
	}
}
