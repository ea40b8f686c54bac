package main

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// readEdge takes note of what holds for everybody.
func (k *kernel) readEdge(ctx context.Context) error {
	e, err := k.db.Admin().Edge(ctx)
	if err == nil {
		k.edge.Store(&e)
	}
	return err
}

// edgeEvery is how often that is looked at although nothing was heard.
const edgeEvery = 5 * time.Second

// followEdge keeps it at hand, until ctx is done: what an operator says counts
// here as soon as it is heard.
func (k *kernel) followEdge(ctx context.Context) {
	k.keep(ctx, "what holds for everybody", k.readEdge, k.db.ListenEdge)
}

// keep reads what is at hand anew whenever it is heard to have changed, and now
// and then although nothing was heard, until ctx is done.
func (k *kernel) keep(ctx context.Context, what string, read func(context.Context) error, listen func(context.Context, func()) error) {
	changed := make(chan struct{}, 1)
	go k.listenFor(ctx, what, changed, listen, nil)
	tick := time.NewTicker(edgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
		if err := read(ctx); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "not read: "+what, "err", err)
		}
	}
}

// listenFor passes notifications on, and begins anew when the database was away,
// after looking at what after looks at, if that is not nil.
func (k *kernel) listenFor(ctx context.Context, what string, changed chan<- struct{}, listen func(context.Context, func()) error, after func(context.Context)) {
	for ctx.Err() == nil {
		err := listen(ctx, func() {
			select {
			case changed <- struct{}{}:
			default: // it is about to look anyway
			}
		})
		if ctx.Err() == nil {
			k.log.WarnContext(ctx, "not listening: "+what, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
			if after != nil {
				after(ctx)
			}
		}
	}
}

// expireEvery is how late a plan that was granted for a time may fall back.
const expireEvery = 10 * time.Second

// expire ends grants whose time has come, until ctx is done.
func (k *kernel) expire(ctx context.Context) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := k.admin.Expire(ctx); err != nil && ctx.Err() == nil && !fault.Is(err, fault.Unavailable) {
				k.log.ErrorContext(ctx, "plans that were granted for a time did not fall back", "err", err)
			}
		}
	}
}
