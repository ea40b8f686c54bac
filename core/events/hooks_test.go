package events_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

var ok = events.Answer{Status: 200, Excerpt: "thanks"}

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

func TestEndpointInput(t *testing.T) {
	w := setup(t)
	for name, tc := range map[string]struct {
		in    events.NewEndpoint
		field string
	}{
		"no address":    {events.NewEndpoint{}, "/url"},
		"refused":       {events.NewEndpoint{URL: "https://refused.example/"}, "/url"},
		"unknown type":  {events.NewEndpoint{URL: "https://example.com/", Types: []events.Filter{"post.created", "post.exploded"}}, "/types/1"},
		"unknown noun":  {events.NewEndpoint{URL: "https://example.com/", Types: []events.Filter{"ghost.*"}}, "/types/0"},
		"two lines":     {events.NewEndpoint{URL: "https://example.com/", Description: "a\nb"}, "/description"},
		"a long story":  {events.NewEndpoint{URL: "https://example.com/", Description: strings.Repeat("é", 501)}, "/description"},
		"no such thing": {events.NewEndpoint{URL: "https://example.com/", Types: []events.Filter{""}}, "/types/0"},
	} {
		_, _, err := w.CreateEndpoint(t.Context(), w.us, tc.in)
		if f := fault.Of(err); f == nil || f.Code != fault.Invalid || f.Field != tc.field {
			t.Errorf("%s: %v on %q", name, err, f.Field)
		}
	}
	for range events.MaxEndpoints {
		w.endpoint(t)
	}
	if _, _, err := w.CreateEndpoint(t.Context(), w.us, events.NewEndpoint{URL: "https://example.com/"}); !fault.Is(err, fault.Quota) {
		t.Errorf("one too many: %v", err)
	}
}

func TestUpdateEndpoint(t *testing.T) {
	w := setup(t)
	e := w.endpoint(t)
	got, err := w.UpdateEndpoint(t.Context(), w.us, e.ID, e.Version, events.EndpointPatch{Description: ptr("new"), Types: &[]events.Filter{"post.*"}})
	if err != nil || got.Description != "new" || got.URL != e.URL || len(got.Types) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.UpdateEndpoint(t.Context(), w.us, e.ID, e.Version, events.EndpointPatch{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a stale version: %v", err)
	}
	must(t, w.DeleteEndpoint(t.Context(), w.us, e.ID))
	for name, err := range map[string]error{
		"get":    second(w.Endpoint(t.Context(), w.us, e.ID)),
		"delete": w.DeleteEndpoint(t.Context(), w.us, e.ID),
		"test":   second(w.Test(t.Context(), w.us, e.ID)),
		"replay": second(w.Replay(t.Context(), w.us, e.ID, w.now)),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each use case asks, and asks for the right thing.
func TestEveryUseCaseAuthorises(t *testing.T) {
	ctx := context.Background()
	denied := &authz{}
	s := events.New(nil, denied, nil, nil, time.Now) // reaching any of them would panic
	who := tenants.SystemScope(tenants.NewID())
	got := map[tenants.Action]int{}
	for _, call := range []func() error{
		func() error { return second(s.List(ctx, who, events.Query{})) },
		func() error { _, _, err := s.Resume(ctx, who, ""); return err },
		func() error { return second(s.Follow(ctx, who, events.Place{})) },
		func() error { return second(s.Endpoint(ctx, who, "")) },
		func() error { return second(s.Endpoints(ctx, who)) },
		func() error { _, _, err := s.Deliveries(ctx, who, events.DeliveryQuery{}); return err },
		func() error { _, _, err := s.CreateEndpoint(ctx, who, events.NewEndpoint{}); return err },
		func() error { return second(s.UpdateEndpoint(ctx, who, "", 0, events.EndpointPatch{})) },
		func() error { return s.DeleteEndpoint(ctx, who, "") },
		func() error { _, _, err := s.Rotate(ctx, who, "", 0); return err },
		func() error { return second(s.Test(ctx, who, "")) },
		func() error { return second(s.Resend(ctx, who, "")) },
		func() error { return second(s.Replay(ctx, who, "", time.Time{})) },
		func() error { return s.ReplayPage(ctx, who, events.Replay{}) },
		func() error { return s.FanOut(ctx, who, "") },
		func() error { return s.Deliver(ctx, who, "", 1) },
	} {
		if err := call(); !fault.Is(err, fault.Forbidden) {
			t.Errorf("err = %v", err)
		}
		got[denied.asked]++
	}
	want := map[tenants.Action]int{events.ActRead: 3, events.ActWebhookRead: 3, events.ActWebhookManage: 10}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

type authz struct{ asked tenants.Action }

func (a *authz) Allow(_ context.Context, _ tenants.Scope, act tenants.Action) error {
	a.asked = act
	return fault.New(fault.Forbidden, "x", "x")
}

// world is one tenant, a clock that stands still, and a network that answers.
type world struct {
	*events.Service
	store  *eventstest.Store
	us     tenants.Scope
	now    time.Time
	answer events.Answer
	err    error
	sent   []events.Message
	sentAt []time.Time
}

func setup(t *testing.T) *world {
	t.Helper()
	w := &world{us: tenants.SystemScope(tenants.NewID()), now: time.Now().Truncate(time.Second), answer: ok}
	clock := func() time.Time { return w.now }
	w.store = &eventstest.Store{Now: clock}
	w.Service = events.New(w.store, allowAll{}, eventstest.Sealer{}, w, clock)
	return w
}

func (w *world) Check(url string) error {
	if url == "" || strings.Contains(url, "refused") {
		return fault.New(fault.Invalid, "egress.refused", "No.")
	}
	return nil
}

func (w *world) Send(_ context.Context, m events.Message) (events.Answer, error) {
	w.sent, w.sentAt = append(w.sent, m), append(w.sentAt, w.now)
	return w.answer, w.err
}

func (w *world) emit(t *testing.T, typ events.Type) (eid events.ID) {
	t.Helper()
	must(t, w.store.Update(t.Context(), w.us.Tenant, func(tx events.Tx) (err error) {
		eid, err = tx.Emit(t.Context(), events.Draft{Type: typ, Subject: id.New("post")})
		return err
	}))
	return eid
}

// work does what was asked for, in due time, until nothing is left.
func (w *world) work(t *testing.T) {
	t.Helper()
	for range 100 {
		todo := w.store.Take(w.us.Tenant)
		if len(todo.FanOuts)+len(todo.Delivers)+len(todo.Replays) == 0 {
			return
		}
		for _, e := range todo.FanOuts {
			must(t, w.FanOut(t.Context(), w.us, e))
		}
		for _, r := range todo.Replays {
			must(t, w.ReplayPage(t.Context(), w.us, r))
		}
		for _, d := range todo.Delivers {
			if d.At.After(w.now) {
				w.now = d.At
			}
			must(t, w.Deliver(t.Context(), w.us, d.ID, d.Attempt))
		}
	}
	t.Fatal("work without end")
}

func (w *world) endpoint(t *testing.T, types ...events.Filter) *events.Endpoint {
	t.Helper()
	e, secret, err := w.CreateEndpoint(t.Context(), w.us, events.NewEndpoint{URL: "https://example.com/", Types: types})
	must(t, err)
	if !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("secret %q", secret)
	}
	return e
}

func (w *world) set(t *testing.T, eid events.EndpointID, p events.EndpointPatch) {
	t.Helper()
	_, err := w.UpdateEndpoint(t.Context(), w.us, eid, 0, p)
	must(t, err)
}

func (w *world) get(t *testing.T, eid events.EndpointID) *events.Endpoint {
	t.Helper()
	e, err := w.Endpoint(t.Context(), w.us, eid)
	must(t, err)
	return e
}

func (w *world) log(t *testing.T, eid events.EndpointID) []events.Delivery {
	t.Helper()
	log, _, err := w.Deliveries(t.Context(), w.us, events.DeliveryQuery{Endpoint: eid})
	must(t, err)
	return log
}

type allowAll struct{}

func (allowAll) Allow(context.Context, tenants.Scope, tenants.Action) error { return nil }

func ptr[T any](v T) *T { return &v }

func second[T any](_ T, err error) error { return err }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
