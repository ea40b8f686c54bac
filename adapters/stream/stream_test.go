package stream_test

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillonhq/carillon/adapters/stream"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func TestStream(t *testing.T) {
	w := setup(t)
	before := w.emit(t, events.PostCreated)
	s := w.subscribe(t, "")
	defer s.Close()
	if m := next(t, s); m.Kind != stream.Ready || string(m.Cursor) != string(before) {
		t.Fatalf("first = %+v", m)
	}
	var want []events.ID
	for range 5 {
		want = append(want, w.emit(t, events.PostUpdated))
	}
	for _, eid := range want {
		if m := next(t, s); m.Kind != stream.Event || m.Event.ID != eid {
			t.Fatalf("got %+v, want %s", m, eid)
		}
	}
}

func TestResume(t *testing.T) {
	w := setup(t)
	seen := w.emit(t, events.PostCreated)
	var want []events.ID
	for range 150 { // more than a page
		want = append(want, w.emit(t, events.PostUpdated))
	}
	s := w.subscribe(t, events.Cursor(seen))
	defer s.Close()
	if m := next(t, s); m.Kind != stream.Ready || string(m.Cursor) != string(seen) {
		t.Fatalf("first = %+v", m)
	}
	want = append(want, w.emit(t, events.PostPublished)) // while it catches up
	for i, eid := range want {
		if m := next(t, s); m.Event.ID != eid {
			t.Fatalf("%d: got %s, want %s", i, m.Event.ID, eid)
		}
	}
}

func TestResumeThatCannotGoOn(t *testing.T) {
	w := setup(t)
	old := w.emit(t, events.PostCreated)
	w.later = 25 * time.Hour
	head := w.emit(t, events.PostUpdated)
	for name, last := range map[string]events.Cursor{
		"too old": events.Cursor(old), "unknown": events.Cursor(events.NewID()), "rubbish": "'; drop table events",
	} {
		s := w.subscribe(t, last)
		if m := next(t, s); m.Kind != stream.Reset || string(m.Cursor) != string(head) {
			t.Errorf("%s: first = %+v", name, m)
		}
		s.Close()
	}
}

// One that does not read is told to start afresh; one that does misses nothing.
func TestSlowSubscriber(t *testing.T) {
	w := setup(t)
	slow, quick := w.subscribe(t, ""), w.subscribe(t, "")
	defer slow.Close()
	defer quick.Close()
	next(t, slow)
	next(t, quick)
	if _, err := nextWithin(t, slow, 0); err == nil { // it has caught up
		t.Fatal("an event out of nothing")
	}
	var last events.ID
	for range stream.Buffer + 50 {
		last = w.emit(t, events.PostUpdated)
		if m := next(t, quick); m.Event.ID != last {
			t.Fatalf("quick got %+v, want %s", m, last)
		}
	}
	for m := next(t, slow); m.Kind != stream.Reset; m = next(t, slow) {
		if m.Kind != stream.Event {
			t.Fatalf("slow got %+v", m)
		}
	}
	last = w.emit(t, events.PostDeleted)
	if m := next(t, slow); m.Event.ID != last {
		t.Errorf("after the reset: %+v", m)
	}
}

func TestWhoLosesAccessHearsNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := setup(t)
		gone := false
		s, err := w.hub.Subscribe(t.Context(), w.us, "", func(context.Context) error {
			if gone {
				return fault.New(fault.Forbidden, "x", "x")
			}
			return nil
		})
		must(t, err)
		defer s.Close()
		next(t, s)
		gone = true
		w.emit(t, events.PostCreated)
		time.AfterFunc(2*time.Second, func() { w.emit(t, events.PostUpdated) })
		for {
			m, err := s.Next(t.Context())
			if err == nil && m.Event.Type == events.PostUpdated {
				t.Fatal("told two seconds after access was lost")
			}
			if err != nil {
				if !fault.Is(err, fault.Forbidden) {
					t.Fatalf("err = %v", err)
				}
				return
			}
		}
	})
}

func TestSilenceBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := setup(t)
		s := w.subscribe(t, "")
		defer s.Close()
		next(t, s)
		began := time.Now()
		m, err := s.Next(t.Context())
		if took := time.Since(began); err != nil || m.Kind != stream.Beat || took != stream.Heartbeat {
			t.Errorf("%+v, %v after %v", m, err, took)
		}
	})
}

// A notification that is lost costs a delay and nothing else.
func TestALostHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := setup(t)
		s := w.subscribe(t, "")
		defer s.Close()
		next(t, s)
		w.deaf = true
		want, began := w.emit(t, events.PostCreated), time.Now()
		m, err := s.Next(t.Context())
		if err != nil || m.Event.ID != want || time.Since(began) > stream.Idle {
			t.Errorf("%+v, %v after %v", m, err, time.Since(began))
		}
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	w := setup(t)
	var subs []*stream.Subscription
	for range 20 {
		subs = append(subs, w.subscribe(t, ""))
	}
	if n := w.hub.Subscribers(); n != 20 {
		t.Errorf("%d subscribers", n)
	}
	for _, s := range subs[:19] {
		s.Close()
		s.Close()
	}
	next(t, subs[19])
	w.stop()
	if _, err := subs[19].Next(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v", err)
	}
	subs[19].Close()
	if _, err := w.hub.Subscribe(t.Context(), w.us, "", nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v", err)
	}
	if n := w.hub.Subscribers(); n != 0 {
		t.Errorf("%d subscribers", n)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		<-tick.C
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestFrames(t *testing.T) {
	e := events.Event{ID: events.NewID(), Type: events.PostCreated, Subject: id.New("post")}
	for name, tc := range map[string]struct {
		m    stream.Message
		want string
	}{
		"event": {stream.Message{Kind: stream.Event, Cursor: e.Seq(), Event: e}, "id: " + string(e.ID) + "\ndata: {\"id\":"},
		"reset": {stream.Message{Kind: stream.Reset, Cursor: "0"}, "retry: 2000\nid: 0\nevent: reset\ndata: {}"},
		"ready": {stream.Message{Kind: stream.Ready, Cursor: "0"}, "retry: 2000\nid: 0\nevent: ready\ndata: {}"},
		"beat":  {stream.Message{Kind: stream.Beat}, ":"},
	} {
		got, err := tc.m.Frame()
		if err != nil || !strings.HasPrefix(string(got), tc.want) || !strings.HasSuffix(string(got), "\n\n") || strings.Count(string(got), "\n\n") != 1 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// world is one tenant's store, and a hub that hears of each event.
type world struct {
	store *eventstest.Store
	hub   *stream.Hub
	us    tenants.Scope
	hints chan tenants.ID
	deaf  bool
	later time.Duration // how much later it is than it was
	stop  func()
}

func setup(t *testing.T) *world {
	t.Helper()
	w := &world{us: tenants.SystemScope(tenants.NewID()), hints: make(chan tenants.ID, 1000)}
	now := func() time.Time { return time.Now().Add(w.later) }
	w.store = &eventstest.Store{Now: now}
	source := events.New(w.store, allowAll{}, eventstest.Sealer{}, nil, now)
	w.hub = stream.New(source, w.listen, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.hub.Run(ctx) }()
	w.stop = func() { cancel(); <-done }
	t.Cleanup(w.stop)
	return w
}

func (w *world) listen(ctx context.Context, ready func(), heard func(tenants.ID)) error {
	ready()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case who := <-w.hints:
			heard(who)
		}
	}
}

func (w *world) emit(t *testing.T, typ events.Type) (eid events.ID) {
	t.Helper()
	must(t, w.store.Update(context.Background(), w.us.Tenant, func(tx events.Tx) (err error) {
		eid, err = tx.Emit(context.Background(), events.Draft{Type: typ, Subject: id.New("post")})
		return err
	}))
	if !w.deaf {
		w.hints <- w.us.Tenant
	}
	return eid
}

func (w *world) subscribe(t *testing.T, last events.Cursor) *stream.Subscription {
	t.Helper()
	s, err := w.hub.Subscribe(t.Context(), w.us, last, nil)
	must(t, err)
	return s
}

func next(t *testing.T, s *stream.Subscription) stream.Message {
	t.Helper()
	m, err := nextWithin(t, s, 10*time.Second)
	must(t, err)
	return m
}

func nextWithin(t *testing.T, s *stream.Subscription, d time.Duration) (stream.Message, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return s.Next(ctx)
}

type allowAll struct{}

func (allowAll) Allow(context.Context, tenants.Scope, tenants.Action) error { return nil }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
