package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// upgrades replaces the plugin again and again under 200 calls a second.
func upgrades(ctx context.Context, h *house, r *report) error {
	host, p, err := h.running(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = host.Close(ctx) }()
	loaded, stop := context.WithCancel(ctx)
	defer stop()
	var calls steady
	var load sync.WaitGroup
	load.Go(func() { calls.make(loaded, func(tenant string) error { return unary(ctx, p, tenant) }) })
	var took sample
	for range max(h.scale(100)/10, 3) {
		pause(ctx, time.Second)
		calls.upgrading.Store(true)
		began := time.Now()
		if err := host.Upgrade(ctx, withEnv(benched[0], h)); err != nil {
			return err
		}
		took = append(took, time.Since(began))
		calls.upgrading.Store(false)
	}
	stop()
	load.Wait()
	during, quiet := calls.during.ms(.99), calls.quiet.ms(.99)
	r.atMost("upgrade under load, failed calls", float64(calls.failed.Load()), 0, "calls", fmt.Sprintf("of %d at 200 a second, %d upgrades", calls.made.Load(), len(took)))
	r.plain("upgrade, from asked to serving p50", took.ms(.5), "ms", "")
	r.plain("upgrade, call p99 during to p99 beside", during/quiet, "", fmt.Sprintf("%s to %s ms", number(during), number(quiet)))
	return nil
}

// steady is 200 calls a second, told apart by what happened when they began.
type steady struct {
	made, failed atomic.Int64
	upgrading    atomic.Bool

	mu            sync.Mutex
	quiet, during sample
}

// make calls until ctx ends, and returns when the last call has.
func (s *steady) make(ctx context.Context, call func(tenant string) error) {
	var calls sync.WaitGroup
	defer calls.Wait()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		calls.Go(func() { s.one(func() error { return call("t" + strconv.Itoa(n%32)) }) })
	}
}

func (s *steady) one(call func() error) {
	began, of := time.Now(), &s.quiet
	if s.upgrading.Load() {
		of = &s.during
	}
	if s.made.Add(1); call() != nil {
		s.failed.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*of = append(*of, time.Since(began))
}
