package dispatch_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/dispatch"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// queue hands out what is in it, and fails while broken.
type queue struct {
	mu     sync.Mutex
	due    []publishing.Claim
	broken bool
	asked  []int
	idle   chan struct{} // told when it is asked for nothing, if somebody listens
}

func (q *queue) Claim(_ context.Context, _ string, n int, _ time.Duration) ([]publishing.Claim, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked = append(q.asked, n)
	if n == 0 {
		select {
		case q.idle <- struct{}{}:
		default:
		}
	}
	if q.broken {
		return nil, errors.New("no database")
	}
	n = min(n, len(q.due))
	out := q.due[:n]
	q.due = q.due[n:]
	return out, nil
}

func (q *queue) Blocked(context.Context, tenants.ID, channels.ID) (string, error) { return "", nil }

func (q *queue) set(fn func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	fn()
}

// runner works each claim until it is let go.
type runner struct {
	started chan publishing.SegmentID
	letGo   chan struct{}
}

func (r *runner) Run(_ context.Context, c publishing.Claim) error {
	r.started <- c.Segment
	<-r.letGo
	return nil
}

func start(t *testing.T, q *queue, slots int) (*dispatch.Dispatcher, *runner, chan struct{}, func()) {
	t.Helper()
	r := &runner{started: make(chan publishing.SegmentID, 100), letGo: make(chan struct{})}
	wake := make(chan struct{})
	d := dispatch.New(q, r, wake, dispatch.Config{Holder: "w", Slots: slots, Tick: time.Millisecond, Pulse: 5 * time.Millisecond, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	return d, r, wake, func() { cancel(); <-done }
}

func TestItHoldsNoMoreThanItsSlots(t *testing.T) {
	q := &queue{due: make([]publishing.Claim, 5)}
	d, r, _, stop := start(t, q, 2)
	<-r.started
	<-r.started
	if d.Busy() != 2 || d.Claimed().IsZero() {
		t.Errorf("busy %d, claimed %v", d.Busy(), d.Claimed())
	}
	q.set(func() {
		if len(q.due) != 3 {
			t.Errorf("%d left in the queue, want 3", len(q.due))
		}
	})
	close(r.letGo)
	for range 3 {
		<-r.started
	}
	stop()
	for _, n := range q.asked {
		if n > 2 {
			t.Errorf("asked for %d with 2 slots", n)
		}
	}
}

// A worker with its hands full lives: its readiness must not have it restarted
// in the middle of a call. One whose database is gone does not.
func TestItAsksAlsoWhileItsHandsAreFull(t *testing.T) {
	q := &queue{due: make([]publishing.Claim, 4), idle: make(chan struct{})}
	d, r, _, stop := start(t, q, 4)
	for range 4 {
		<-r.started
	}
	full := d.Claimed()
	<-q.idle
	<-q.idle // the answer to the one before was noted
	if !d.Claimed().After(full) {
		t.Error("a busy worker is silent")
	}
	q.set(func() { q.broken = true })
	<-q.idle
	<-q.idle
	lost := d.Claimed()
	<-q.idle
	if d.Claimed() != lost {
		t.Error("it says it claimed, with no database")
	}
	close(r.letGo)
	stop()
}

// Waiting for half the slots to be free is no silence either.
func TestItAsksWhileSomeOfABacklogIsAtWork(t *testing.T) {
	q := &queue{due: make([]publishing.Claim, 8)}
	d, r, _, stop := start(t, q, 4)
	for range 4 {
		<-r.started
	}
	full := d.Claimed()
	r.letGo <- struct{}{}
	<-r.started // the free slot was filled, although two were not free
	if !d.Claimed().After(full) {
		t.Error("a busy worker is silent")
	}
	close(r.letGo)
	stop()
}

func TestItSurvivesALostDatabase(t *testing.T) {
	q := &queue{broken: true}
	d, r, wake, stop := start(t, q, 1)
	close(r.letGo)
	wake <- struct{}{}
	if !d.Claimed().IsZero() {
		t.Error("it says it claimed, with no database")
	}
	q.set(func() { q.broken, q.due = false, make([]publishing.Claim, 1) })
	<-r.started
	stop()
	if d.Claimed().IsZero() {
		t.Error("it never claimed")
	}
}

func TestStoppingWaitsForWhatIsHeld(t *testing.T) {
	q := &queue{due: make([]publishing.Claim, 1)}
	_, r, _, stop := start(t, q, 1)
	<-r.started
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Fatal("it left its work behind")
	case r.letGo <- struct{}{}:
	}
	<-stopped
}

// What can wait goes ahead when there is little to publish, and not before.
func TestCalmIsFewAtWork(t *testing.T) {
	q, r := &queue{}, &runner{started: make(chan publishing.SegmentID, 4), letGo: make(chan struct{})}
	for _, id := range []publishing.SegmentID{"a", "b"} {
		q.due = append(q.due, publishing.Claim{Segment: id})
	}
	d := dispatch.New(q, r, nil, dispatch.Config{Slots: 4, Tick: time.Millisecond, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	<-r.started
	<-r.started
	began := time.Now()
	d.Calm(t.Context(), 30*time.Millisecond)
	if time.Since(began) < 30*time.Millisecond {
		t.Error("half of the slots were at work, and it went ahead")
	}
	close(r.letGo)
	d.Calm(t.Context(), time.Minute)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
