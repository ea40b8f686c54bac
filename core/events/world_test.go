package events_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

var ok = events.Answer{Status: 200, Excerpt: "thanks"}

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
