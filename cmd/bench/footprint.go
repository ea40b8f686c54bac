package main

import (
	"context"
	"slices"
	"time"
)

// footprint measures what a server costs before anybody uses it.
func footprint(ctx context.Context, h *house, r *report) error {
	var starts sample
	for range 5 {
		began := time.Now()
		p, _, err := h.newServer(ctx, "cold")
		if err != nil {
			return err
		}
		starts = append(starts, time.Since(began))
		p.Stop()
	}
	slices.Sort(starts)
	r.atMost("cold start of serve", starts.ms(.5)/1000, 1, "s", "from exec to a 200 from /livez, database up; median of five")
	if _, err := h.seed(ctx); err != nil {
		return err
	}
	return settled(ctx, h, r)
}

// settled measures a server that has connected accounts, ten seconds later.
func settled(ctx context.Context, h *house, r *report) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
	}
	own, plugins, err := rss(h.api.PID())
	if err != nil {
		return err
	}
	r.atMost("idle memory of serve", own, 80, "MB", "resident, after connecting 32 accounts")
	for name, mb := range plugins {
		r.plain("idle memory of plugin "+name, mb, "MB", "resident, with the code that all processes of plugins share")
	}
	return nil
}
