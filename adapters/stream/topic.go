package stream

import (
	"context"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/tenants"
)

// topic follows one tenant for all its subscriptions here.
type topic struct {
	hub    *Hub
	who    tenants.Scope
	ctx    context.Context //nolint:containedctx // the life of the reader
	cancel context.CancelFunc
	wake   chan struct{}
	refs   int           // guarded by hub.mu
	ready  chan struct{} // closed once tail is known, or err
	err    error         // set before ready is closed

	mu   sync.Mutex
	subs map[*Subscription]bool
	tail events.Place // only the reader uses it
}

// run hands out what is new until nobody is left.
func (t *topic) run() {
	if t.tail, _, t.err = t.hub.source.Resume(t.ctx, t.who, ""); t.err != nil {
		t.hub.mu.Lock()
		t.hub.drop(t)
		t.hub.mu.Unlock()
		close(t.ready)
		return
	}
	close(t.ready)
	timer := time.NewTimer(Idle)
	defer timer.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
		timer.Reset(t.drain())
	}
}

// drain hands out every settled event and says when to look again.
func (t *topic) drain() time.Duration {
	for {
		page, err := t.hub.source.Follow(t.ctx, t.who, t.tail)
		if err != nil {
			if t.ctx.Err() == nil {
				t.hub.log.WarnContext(t.ctx, "event streams: cannot read, will try again", "tenant", t.who.Tenant, "error", err)
			}
			return errorWait
		}
		for i := range page.Events {
			t.hand(page.Events[i])
		}
		switch {
		case page.More:
		case page.Unsettled:
			return unsettledWait
		default:
			return Idle
		}
	}
}

func (t *topic) hand(e events.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tail = e.Place
	for s := range t.subs {
		select {
		case s.live <- e:
		default:
			delete(t.subs, s)
			s.lost <- struct{}{} // has room: s is only here once
		}
	}
}

func (t *topic) add(s *Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs[s] = true
}

func (t *topic) remove(s *Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.subs, s)
}

func (t *topic) poke() {
	select {
	case t.wake <- struct{}{}:
	default: // it is awake already
	}
}
