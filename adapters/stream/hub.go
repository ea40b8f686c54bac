// Package stream carries events to the people who are watching.
//
// One connection listens to the database for a whole process, one reader
// follows each tenant somebody watches, and every subscription has a bounded
// buffer. A subscription first reads what it missed, then takes what the
// reader hands out; both are in the order of core/events and overlap, and the
// overlap is dropped by place, so nothing is missed or told twice. Whoever
// cannot keep up is told to start afresh rather than holding up the others.
//
// A notification is a hint and nothing more: one that is lost costs a delay of
// at most Idle, never an event.
//
// Start with Hub.Subscribe and Subscription.Next.
package stream

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Figures of the hub.
const (
	// Buffer is how many events a subscription may lag behind.
	Buffer = 256
	// Idle is how often a watched tenant is looked at without a hint.
	Idle = 5 * time.Second

	unsettledWait = 20 * time.Millisecond
	errorWait     = time.Second
)

// Source is the part of events.Service a hub needs.
type Source interface {
	Resume(ctx context.Context, who tenants.Scope, last events.Cursor) (from events.Place, reset bool, err error)
	Follow(ctx context.Context, who tenants.Scope, from events.Place) (events.Page, error)
}

// Listen hears of tenants with news until ctx ends or it fails. It calls ready
// each time it begins to hear.
type Listen func(ctx context.Context, ready func(), heard func(tenants.ID)) error

// Hub is the streams of one process. It is safe for concurrent use.
type Hub struct {
	source Source
	listen Listen
	log    *slog.Logger

	mu     sync.Mutex
	topics map[tenants.ID]*topic
	closed bool
	wg     sync.WaitGroup
}

// New returns a hub. Run it.
func New(source Source, listen Listen, log *slog.Logger) *Hub {
	return &Hub{source: source, listen: listen, log: log, topics: map[tenants.ID]*topic{}}
}

// Run listens until ctx ends, then ends every subscription and waits for what
// it started.
func (h *Hub) Run(ctx context.Context) error {
	defer h.close()
	for ctx.Err() == nil {
		err := h.listen(ctx, h.wakeAll, h.wake)
		if ctx.Err() != nil {
			break
		}
		h.log.WarnContext(ctx, "event streams: not listening, will try again", "error", err)
		wait(ctx, errorWait)
	}
	return nil
}

func (h *Hub) close() {
	h.mu.Lock()
	h.closed = true
	for _, t := range h.topics {
		t.cancel()
	}
	h.mu.Unlock()
	h.wg.Wait()
}

func (h *Hub) wake(tenant tenants.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[tenant]; t != nil {
		t.poke()
	}
}

func (h *Hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		t.poke()
	}
}

// Subscribers is how many subscriptions are open, for metrics.
func (h *Hub) Subscribers() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		n += t.refs
	}
	return n
}

// Subscribe opens who's stream after last, the Last-Event-ID; empty means from
// now on. check is asked again before events are told, at most once a second,
// and ends the stream with its error: whoever lost access hears nothing more.
// The caller must Close the subscription.
func (h *Hub) Subscribe(ctx context.Context, who tenants.Scope, last events.Cursor, check func(context.Context) error) (*Subscription, error) {
	t, err := h.join(who.Tenant)
	if err != nil {
		return nil, err
	}
	s := &Subscription{hub: h, topic: t, who: who, check: check, live: make(chan events.Event, Buffer), lost: make(chan struct{}, 1)}
	if err := s.open(ctx, last); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// join finds or starts the reader of a tenant.
func (h *Hub) join(tenant tenants.ID) (*topic, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ended()
	}
	t := h.topics[tenant]
	if t == nil {
		ctx, cancel := context.WithCancel(context.Background())
		t = &topic{hub: h, who: tenants.SystemScope(tenant), ctx: ctx, cancel: cancel,
			wake: make(chan struct{}, 1), ready: make(chan struct{}), subs: map[*Subscription]bool{}}
		h.topics[tenant] = t
		h.wg.Go(t.run)
	}
	t.refs++
	return t, nil
}

func (h *Hub) leave(t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.refs--; t.refs == 0 {
		h.drop(t)
	}
}

// drop ends a reader. h.mu is held.
func (h *Hub) drop(t *topic) {
	t.cancel()
	if h.topics[t.who.Tenant] == t {
		delete(h.topics, t.who.Tenant)
	}
}

func ended() error {
	return fault.New(fault.Unavailable, "stream.ended", "This stream has ended. Connect again.").After(time.Second)
}

// wait sleeps for d or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
