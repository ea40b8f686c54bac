// Package dispatch finds the segments that are due and has them carried.
//
// Every worker process claims for itself: there is no leader to lose and no
// queue between due and sent. A tick finds what has become due; a notification
// from the transaction that made something due now saves waiting for it. What
// a process holds is bounded, so a burst spreads over all of them.
//
// Start with Dispatcher.Run.
package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/carillonhq/carillon/core/publishing"
)

// Runner carries one claimed segment as far as it can go now.
type Runner interface {
	Run(ctx context.Context, c publishing.Claim) error
}

// Config bounds one dispatcher.
type Config struct {
	Holder string        // names this process in the journal
	Slots  int           // segments at work at a time; 0 means 64
	Tick   time.Duration // how often to look; 0 means 200 ms
	Pulse  time.Duration // how long to go without asking, however busy; 0 means 2 s
	Lease  time.Duration // of a claim, the Runner's; 0 means publishing.Lease
	Log    *slog.Logger
}

// Dispatcher claims due segments while it runs.
type Dispatcher struct {
	queue publishing.Queue
	run   Runner
	cfg   Config
	wake  <-chan struct{}
	last  atomic.Int64 // UnixNano of the last claim that the database answered
	busy  atomic.Int64
	trace trace.Tracer
}

// New returns a Dispatcher. A value on wake makes it look at once.
func New(q publishing.Queue, r Runner, wake <-chan struct{}, cfg Config) *Dispatcher {
	if cfg.Slots <= 0 {
		cfg.Slots = 64
	}
	if cfg.Tick <= 0 {
		cfg.Tick = 200 * time.Millisecond
	}
	if cfg.Pulse <= 0 {
		cfg.Pulse = 2 * time.Second
	}
	if cfg.Lease <= 0 {
		cfg.Lease = publishing.Lease
	}
	return &Dispatcher{queue: q, run: r, cfg: cfg, wake: wake,
		trace: otel.Tracer("github.com/carillonhq/carillon/adapters/dispatch")}
}

// Claimed is when the queue last answered; zero if it never did. Readiness
// means that this is recent, also while every slot is busy: then the queue is
// asked for nothing, once a Pulse.
func (d *Dispatcher) Claimed() time.Time {
	if n := d.last.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// Busy is how many segments are at work now.
func (d *Dispatcher) Busy() int { return int(d.busy.Load()) }

// Calm returns when fewer than half of the slots are at work, when the time is
// over or when ctx is. What can wait for publishing asks it first.
func (d *Dispatcher) Calm(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(d.cfg.Tick)
	defer tick.Stop()
	for 2*d.Busy() >= d.cfg.Slots {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Run claims until ctx is done, then waits for what it holds. The work itself
// is told by ctx to stop at the next safe place; a call that is under way is
// seen through.
func (d *Dispatcher) Run(ctx context.Context) error {
	slots := make(chan struct{}, d.cfg.Slots)
	var held sync.WaitGroup
	defer held.Wait()
	tick := time.NewTicker(d.cfg.Tick)
	defer tick.Stop()
	freed := make(chan struct{}, 1)
	// With more due than there is room for, one look takes many: a look at a
	// long queue for every free slot would cost more than the work.
	enough := max(d.cfg.Slots/2, 1)
	backlog := false
	var asked time.Time
	for {
		if room := cap(slots) - len(slots); room > 0 && !backlog || room >= enough || time.Since(asked) >= d.cfg.Pulse {
			asked = time.Now()
			claims := d.claim(ctx, room)
			backlog = len(claims) == room
			for _, c := range claims {
				slots <- struct{}{}
				held.Go(func() {
					d.carry(ctx, c)
					<-slots
					if cap(slots)-len(slots) >= enough {
						select {
						case freed <- struct{}{}:
						default:
						}
					}
				})
			}
		}
		again := freed
		if !backlog { // nothing is left; a free slot is no reason to look
			again = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-d.wake:
		case <-again:
		}
	}
}

func (d *Dispatcher) claim(ctx context.Context, n int) []publishing.Claim {
	if ctx.Err() != nil {
		return nil
	}
	claims, err := d.queue.Claim(ctx, d.cfg.Holder, n, d.cfg.Lease)
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Log.WarnContext(ctx, "claiming failed", "err", err)
		}
		return nil
	}
	d.last.Store(time.Now().UnixNano())
	return claims
}

func (d *Dispatcher) carry(ctx context.Context, c publishing.Claim) {
	d.busy.Add(1)
	defer d.busy.Add(-1)
	ctx, span := d.trace.Start(ctx, "segment", trace.WithAttributes(attribute.String("carillon.tenant", string(c.Tenant)),
		attribute.String("carillon.post", string(c.Post)), attribute.String("carillon.segment", string(c.Segment))))
	defer span.End()
	if err := d.run.Run(ctx, c); err != nil && ctx.Err() == nil {
		d.cfg.Log.WarnContext(ctx, "segment left to its lease", "err", err, "tenant", string(c.Tenant), "segment", string(c.Segment))
	}
}
