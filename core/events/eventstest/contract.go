package eventstest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// Open returns an empty store and two tenants that exist in it.
type Open func(t *testing.T) (s events.Store, us, them tenants.ID)

// Run holds a Store to its contract.
func Run(t *testing.T, open Open) {
	for name, check := range map[string]func(*testing.T, *shop){
		"events come back in order, page by page":    inOrder,
		"an event keeps what it was recorded with":   keeps,
		"a filter chooses types":                     filters,
		"a failed update leaves nothing":             rollsBack,
		"a malformed event is refused":               refusesMalformed,
		"another tenant's things do not exist":       isolates,
		"nobody sees nothing":                        nobody,
		"since finds the first event at or after":    since,
		"an endpoint keeps what it was saved with":   keepsEndpoint,
		"a stale endpoint conflicts":                 stale,
		"a bad endpoint is refused":                  refusesEndpoint,
		"a delivery is made once":                    once,
		"a delivery keeps every try":                 keepsDelivery,
		"a log is listed newest first, page by page": lists,
		"deleting an endpoint takes its deliveries":  deletes,
	} {
		t.Run(name, func(t *testing.T) {
			s, us, them := open(t)
			check(t, &shop{s: s, us: us, them: them})
		})
	}
}

// shop is a store with two tenants.
type shop struct {
	s        events.Store
	us, them tenants.ID
}

func (s *shop) update(t *testing.T, fn func(context.Context, events.Tx) error) {
	t.Helper()
	must(t, s.s.Update(t.Context(), s.us, func(tx events.Tx) error { return fn(t.Context(), tx) }))
}

func (s *shop) view(t *testing.T, fn func(context.Context, events.Tx) error) {
	t.Helper()
	must(t, s.s.View(t.Context(), s.us, func(tx events.Tx) error { return fn(t.Context(), tx) }))
}

// emit records one event in a transaction of its own, and waits until it shows.
func (s *shop) emit(t *testing.T, typ events.Type) (eid events.ID) {
	t.Helper()
	s.update(t, func(ctx context.Context, tx events.Tx) (err error) {
		eid, err = tx.Emit(ctx, events.Draft{Type: typ, Subject: id.New("post")})
		return err
	})
	s.settle(t)
	return eid
}

// settle waits until every event is in its place: other tests' transactions
// may still be open.
func (s *shop) settle(t *testing.T) {
	t.Helper()
	Settle(t, s.s, s.us)
}

// Settle waits until every committed event of who is in its place.
func Settle(t *testing.T, s events.Store, who tenants.ID) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for unsettled := true; unsettled; {
		must(t, s.View(t.Context(), who, func(tx events.Tx) error {
			page, err := tx.Events(t.Context(), events.Place{}, nil, 1)
			unsettled = page.Unsettled
			return err
		}))
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("events never settled")
		}
	}
}

func inOrder(t *testing.T, s *shop) {
	var want, got []events.ID
	s.view(t, func(ctx context.Context, tx events.Tx) error {
		head, err := tx.Head(ctx)
		if err == nil && head.Cursor != events.Start {
			t.Errorf("head of nothing = %q", head.Cursor)
		}
		return err
	})
	for range 3 {
		want = append(want, s.emit(t, events.PostCreated))
	}
	s.update(t, func(ctx context.Context, tx events.Tx) error { // two in one transaction
		for range 2 {
			eid, err := tx.Emit(ctx, events.Draft{Type: events.PostPublished, Subject: id.New("post")})
			must(t, err)
			want = append(want, eid)
		}
		return nil
	})
	s.settle(t)
	s.view(t, func(ctx context.Context, tx events.Tx) error {
		from, err := tx.Place(ctx, events.Start)
		must(t, err)
		for more := true; more; {
			page, err := tx.Events(ctx, from, nil, 2)
			must(t, err)
			for _, e := range page.Events {
				got = append(got, e.ID)
			}
			from, err = tx.Place(ctx, page.Next)
			must(t, err)
			more = page.More
		}
		head, err := tx.Head(ctx)
		must(t, err)
		if string(head.Cursor) != string(want[len(want)-1]) || head.After(from) {
			t.Errorf("head = %+v, last = %+v", head, from)
		}
		return nil
	})
	same(t, want, got)
}

func keeps(t *testing.T, s *shop) {
	subject := id.New("chn")
	var eid events.ID
	must(t, s.s.Update(t.Context(), s.us, func(tx events.Tx) (err error) {
		ctx := events.WithRequestID(t.Context(), "req_1", "once")
		eid, err = tx.Emit(ctx, events.Draft{Type: events.ChannelConnected, Subject: subject, Data: map[string]any{"platform": "pigeon"}})
		return err
	}))
	s.view(t, func(ctx context.Context, tx events.Tx) error {
		e, err := tx.Event(ctx, eid)
		must(t, err)
		body, err := e.Envelope()
		must(t, err)
		want := fmt.Sprintf(`{"id":%q,"object":"event","type":"channel.connected","timestamp":%q,"tenant":%q,`+
			`"data":{"id":%q,"object":"channel","platform":"pigeon"},"request":{"id":"req_1","idempotency_key":"once"}}`,
			eid, e.At.UTC().Format(time.RFC3339Nano), s.us, subject)
		same(t, want, string(body))
		if d := time.Since(e.At); d < -time.Minute || d > time.Hour {
			t.Errorf("at = %v", e.At)
		}
		return nil
	})
}

func filters(t *testing.T, s *shop) {
	s.emit(t, events.PostCreated)
	s.emit(t, events.MediaReady)
	s.emit(t, events.PostPublished)
	for name, tc := range map[string]struct {
		filter []events.Filter
		want   int
	}{
		"all":      {nil, 3},
		"star":     {[]events.Filter{"*"}, 3},
		"one":      {[]events.Filter{"media.ready"}, 1},
		"noun":     {[]events.Filter{"post.*"}, 2},
		"two":      {[]events.Filter{"post.created", "media.*"}, 2},
		"no match": {[]events.Filter{"channel.connected"}, 0},
	} {
		s.view(t, func(ctx context.Context, tx events.Tx) error {
			page, err := tx.Events(ctx, events.Place{}, tc.filter, 10)
			if len(page.Events) != tc.want {
				t.Errorf("%s: %d events, want %d", name, len(page.Events), tc.want)
			}
			return err
		})
	}
}

func rollsBack(t *testing.T, s *shop) {
	boom := fault.New(fault.Conflict, "boom", "boom")
	err := s.s.Update(t.Context(), s.us, func(tx events.Tx) error {
		_, err := tx.Emit(t.Context(), events.Draft{Type: events.PostCreated, Subject: id.New("post")})
		must(t, err)
		must(t, tx.SaveEndpoint(t.Context(), endpoint()))
		return boom
	})
	if !fault.Is(err, fault.Conflict) {
		t.Fatalf("err = %v, want boom", err)
	}
	s.view(t, func(ctx context.Context, tx events.Tx) error {
		page, err := tx.Events(ctx, events.Place{}, nil, 10)
		must(t, err)
		all, err := tx.Endpoints(ctx)
		if len(page.Events) != 0 || len(all) != 0 {
			t.Errorf("left %d events and %d endpoints", len(page.Events), len(all))
		}
		return err
	})
}

func refusesMalformed(t *testing.T, s *shop) {
	for name, d := range map[string]events.Draft{
		"no type":    {Subject: id.New("post")},
		"no subject": {Type: events.PostCreated},
		"not a name": {Type: events.PostCreated, Subject: "42"},
		"an array":   {Type: events.PostCreated, Subject: id.New("post"), Data: []int{1}},
	} {
		err := s.s.Update(t.Context(), s.us, func(tx events.Tx) error {
			_, err := tx.Emit(t.Context(), d)
			return err
		})
		if !fault.Is(err, fault.Internal) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}

func isolates(t *testing.T, s *shop) {
	eid := s.emit(t, events.PostCreated)
	e := endpoint()
	d := events.NewDelivery(e.ID, &events.Event{ID: eid, Type: events.PostCreated}, "", now())
	s.update(t, func(ctx context.Context, tx events.Tx) error {
		must(t, tx.SaveEndpoint(ctx, e))
		_, err := tx.AddDelivery(ctx, d)
		return err
	})
	must(t, s.s.Update(t.Context(), s.them, func(tx events.Tx) error {
		ctx := t.Context()
		_, err1 := tx.Event(ctx, eid)
		_, err2 := tx.Place(ctx, events.Cursor(eid))
		_, err3 := tx.Endpoint(ctx, e.ID)
		_, err4 := tx.Delivery(ctx, d.ID)
		err5 := tx.DeleteEndpoint(ctx, e.ID)
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("%d: err = %v", i, err)
			}
		}
		page, err := tx.Events(ctx, events.Place{}, nil, 10)
		must(t, err)
		all, err := tx.Endpoints(ctx)
		must(t, err)
		log, err := tx.Deliveries(ctx, events.DeliveryQuery{Endpoint: e.ID, Limit: 10})
		must(t, err)
		if len(page.Events)+len(all)+len(log) != 0 {
			t.Errorf("saw %v %v %v", page.Events, all, log)
		}
		return nil
	}))
}

func nobody(t *testing.T, s *shop) {
	s.emit(t, events.PostCreated)
	err := s.s.View(t.Context(), "", func(tx events.Tx) error {
		_, err := tx.Events(t.Context(), events.Place{}, nil, 10)
		return err
	})
	if err == nil {
		t.Error("an empty tenant read events")
	}
}

func since(t *testing.T, s *shop) {
	s.emit(t, events.PostCreated)
	s.emit(t, events.PostCreated)
	for name, tc := range map[string]struct {
		at   time.Time
		want int
	}{"long ago": {now().Add(-time.Hour), 2}, "later": {now().Add(time.Hour), 0}} {
		s.view(t, func(ctx context.Context, tx events.Tx) error {
			from, err := tx.FirstSince(ctx, tc.at)
			must(t, err)
			page, err := tx.Events(ctx, from, nil, 10)
			if len(page.Events) != tc.want {
				t.Errorf("%s: %d events, want %d", name, len(page.Events), tc.want)
			}
			return err
		})
	}
}
