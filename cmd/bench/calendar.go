package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// calendar reads a window of ten thousand posts, as a calendar of a large
// agency does.
func calendar(ctx context.Context, h *house, r *report) error {
	people, err := h.seed(ctx)
	if err != nil {
		return err
	}
	p, n := people.places[len(people.places)-1], h.scale(10_000)
	first := time.Now().Add(100 * 24 * time.Hour).UTC().Truncate(24 * time.Hour)
	last := first.Add(31 * 24 * time.Hour)
	if err := h.fill(ctx, p, "calendar", n, func(i int) time.Time { return first.Add(time.Duration(i) * last.Sub(first) / time.Duration(n)) }); err != nil {
		return err
	}
	if err := h.analyze(ctx); err != nil {
		return err
	}
	window := url.Values{"scheduled_at[gte]": {first.Format(time.RFC3339)}, "scheduled_at[lt]": {last.Format(time.RFC3339)}}
	for _, view := range calendarViews {
		c := newCaller()
		q := request{method: http.MethodGet, url: "http://" + h.apiAddr + "/api/v1" + view.path + "?" + window.Encode(), key: p.key, tenant: string(p.tenant)}
		var took sample
		var size int64
		for i := range 33 {
			began := time.Now()
			q.from = i
			if size, err = c.do(ctx, q, http.StatusOK); err != nil {
				return err
			}
			if i >= 3 { // connections and caches
				took = append(took, time.Since(began))
			}
		}
		note := fmt.Sprintf("%d posts of 31 days, %.1f MB, p50 %s ms", n, float64(size)/(1<<20), number(took.ms(.5)))
		if view.target > 0 {
			r.atMost(view.name+" p95", took.ms(.95), view.target, "ms", note)
		} else {
			r.plain(view.name+" p95", took.ms(.95), "ms", note)
		}
	}
	return nil
}

// calendarViews are the ways to read a window.
var calendarViews = []struct {
	name, path string
	target     float64
}{
	{"calendar", "/calendar", 100},
	{"calendar, whole posts", "/posts", 0},
}
