package main

import (
	"context"
	"fmt"
	"time"

	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// workers starts n worker processes and returns when each has claimed.
func (h *house) workers(ctx context.Context, n int) ([]*proc.Process, func(), error) {
	var all []*proc.Process
	stop := func() {
		for _, p := range all {
			p.Stop()
		}
	}
	for i := range n {
		p, err := h.start(fmt.Sprintf("work-%d", i), nil, "work")
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, p)
	}
	return all, stop, h.listening(ctx, n)
}

// listening waits until n workers hear of due work. It is the last thing that a
// worker does before it is of use.
func (h *house) listening(ctx context.Context, n int) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		var have int
		err := h.Admin.QueryRow(ctx, "select count(*) from pg_stat_activity where query = 'listen carillon_due'").Scan(&have)
		if err != nil || have >= n {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d workers are listening", have, n)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// warm publishes one post, so that plugins are up and caches are filled as in
// an installation that has run for a minute.
func (h *house) warm(ctx context.Context, tag string) error {
	for i, p := range h.people.places {
		if err := h.fill(ctx, p, fmt.Sprintf("%s%dx", tag, i), 2, func(int) time.Time { return time.Now() }); err != nil {
			return err
		}
	}
	all := make([]string, len(h.people.places))
	for i := range all {
		all[i] = fmt.Sprintf("%s%dx", tag, i)
	}
	return h.awaitAll(ctx, 2*len(all), time.Now().Add(30*time.Second), all...)
}

// lateness publishes five posts a second, each at an instant of its own.
func lateness(ctx context.Context, h *house, r *report) error {
	people, err := h.seed(ctx)
	if err != nil {
		return err
	}
	_, stop, err := h.workers(ctx, 2)
	if err != nil {
		return err
	}
	defer stop()
	if err := h.warm(ctx, "warm"); err != nil {
		return err
	}
	n := h.scale(300)
	first := time.Now().Add(2 * time.Second)
	// 203 ms is prime to the dispatcher's tick: every phase of it is met.
	due := func(i int) time.Time {
		return first.Add(time.Duration(i) * 203 * time.Millisecond).Truncate(time.Microsecond)
	}
	for i := range n {
		p := people.places[i%len(people.places)]
		if err := h.fill(ctx, p, fmt.Sprintf("late-%d", i), 1, func(int) time.Time { return due(i) }); err != nil {
			return err
		}
	}
	if err := h.awaitAll(ctx, n, due(n).Add(20*time.Second), "late"); err != nil {
		return err
	}
	got := h.arrived("late")
	var late sample
	for i := range n {
		if at := got[fmt.Sprintf("late-%d-0", i)]; len(at) > 0 {
			late = append(late, at[0].Sub(due(i)))
		}
	}
	note := fmt.Sprintf("%d of %d sent, %d twice; two workers, five a second", len(late), n, got.twice())
	r.plain("due → sent p50", late.ms(.5), "ms", note)
	r.plain("due → sent p99", late.ms(.99), "ms", "")
	r.atMost("due → sent, lost or doubled", float64(n-len(late)+got.twice()), 0, "posts", "")
	return nil
}

// burst makes ten thousand posts due at one instant, ten of them a small
// tenant's, and says when the last of each is on the network.
func burst(ctx context.Context, h *house, r *report) error {
	people, err := h.seed(ctx)
	if err != nil {
		return err
	}
	workers, stop, err := h.workers(ctx, 2)
	if err != nil {
		return err
	}
	defer stop()
	if err := h.warm(ctx, "ready"); err != nil {
		return err
	}
	big, small, few := people.places[0], people.places[1], 10
	n := h.scale(10_000)
	due := time.Now().Add(time.Duration(2+n/1500) * time.Second).Truncate(time.Microsecond)
	at := func(int) time.Time { return due }
	room, err := h.bytes(ctx)
	if err != nil {
		return err
	}
	// Oldest names first: a queue without fairness would take them in this order.
	if err := h.fill(ctx, big, "big", n-few, at); err != nil {
		return err
	}
	if err := h.fill(ctx, small, "small", few, at); err != nil {
		return err
	}
	if late := time.Since(due); late > 0 {
		return fmt.Errorf("filling took %s too long", late)
	}
	before := h.spent(workers)
	if err := h.awaitAll(ctx, n, due.Add(3*time.Minute), "big", "small"); err != nil {
		return err
	}
	h.tellBurst(r, due, n, few, h.spent(workers).since(before))
	return h.size(ctx, room, n, r)
}

// tellBurst reports what arrived of n posts that were due at once, few of them
// the small tenant's, and what it cost.
func (h *house) tellBurst(r *report, due time.Time, n, few int, cost spent) {
	bigs, smalls := h.arrived("big"), h.arrived("small")
	last := func(a arrivals) (s sample) {
		for _, when := range a {
			s = append(s, when[0].Sub(due))
		}
		return s
	}
	whole := append(last(bigs), last(smalls)...)
	r.atMost("burst: all sent within", whole.ms(1)/1000, 45, "s", fmt.Sprintf("%d of %d sent, by two workers on one channel and one", len(whole), n))
	r.plain("burst: rate", float64(len(whole))/(whole.ms(1)/1000), "posts/s", "")
	per := 1000 / float64(n)
	r.plain(perPost, (cost.database+cost.workers+cost.plugins)*per, "ms", fmt.Sprintf("besides, network and driver %.1f", cost.driver*per))
	r.plain(ofBase, cost.database*per, "ms", "")
	r.plain(ofWorkers, cost.workers*per, "ms", "")
	r.plain(ofPlugins, cost.plugins*per, "ms", "")
	r.atMost("burst: small tenant's ten within", last(smalls).ms(1)/1000, 10, "s", fmt.Sprintf("beside %d of one other tenant", n-few))
	r.atMost("burst: lost or doubled", float64(n-len(whole)+bigs.twice()+smalls.twice()), 0, "posts", "")
}
