package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// pages fills each workspace with posts to read, once.
func (h *house) pages(ctx context.Context) error {
	if h.paged {
		return nil
	}
	for i, p := range h.people.places {
		if err := h.fill(ctx, p, fmt.Sprintf("page-%d", i), 200, func(int) time.Time { return time.Now().Add(60 * 24 * time.Hour) }); err != nil {
			return err
		}
	}
	h.paged = true
	return h.analyze(ctx)
}

// apiLoad makes 200 requests a second, of 32 customers with keys: reads, then
// writes.
func apiLoad(ctx context.Context, h *house, r *report) error {
	people, err := h.seed(ctx)
	if err != nil {
		return err
	}
	if err := h.pages(ctx); err != nil {
		return err
	}
	c, n, api := newCaller(), h.scale(6000), "http://"+h.apiAddr+"/api/v1"
	read := func(i int) request {
		p := people.places[i%len(people.places)]
		return request{method: http.MethodGet, url: api + "/posts?limit=20", key: p.key, tenant: string(p.tenant), from: i}
	}
	write := func(i int) request {
		w := read(i)
		w.method, w.url, w.body = http.MethodPost, api+"/posts", draft(people.places[i%len(people.places)], i)
		return w
	}
	c.open(ctx, 50, 100, http.StatusOK, read) // connections, caches
	for _, kind := range []struct {
		name string
		want int
		next func(int) request
	}{{"reads", http.StatusOK, read}, {"writes", http.StatusCreated, write}} {
		took, failed := c.open(ctx, 200, n, kind.want, kind.next)
		note := fmt.Sprintf("%d answered, %d failed", len(took), len(failed))
		if len(failed) > 0 {
			note += ": " + failed[0].Error()
		}
		r.plain("API "+kind.name+" at 200/s p50", took.ms(.5), "ms", note)
		r.plain("API "+kind.name+" at 200/s p99", took.ms(.99), "ms", "")
	}
	return nil
}

func draft(p place, i int) string {
	variants := []client.Variant{{ChannelId: string(p.channel)}}
	b, _ := json.Marshal(client.PostInput{Channels: &variants, Segments: []client.Segment{{Text: text("draft", i)}}}) // it is made of strings
	return string(b)
}

// readRatio compares a page of posts with the same by bare Fiber and pgx, in
// turns of a second.
func readRatio(ctx context.Context, h *house, r *report) error {
	people, err := h.seed(ctx)
	if err != nil {
		return err
	}
	if err := h.pages(ctx); err != nil {
		return err
	}
	base, err := h.bare(ctx)
	if err != nil {
		return err
	}
	c, rounds := newCaller(), h.scale(10)+2
	to := func(url string, key bool) func(int) request {
		return func(i int) request {
			p := people.places[i%len(people.places)]
			q := request{method: http.MethodGet, url: url + "/posts?limit=50", tenant: string(p.tenant), from: i}
			if key {
				q.key = p.key
			}
			return q
		}
	}
	ours, bare := to("http://"+h.apiAddr+"/api/v1", true), to(base, false)
	if err := c.same(ctx, ours(0), bare(0)); err != nil {
		return err
	}
	var us, them, ratios []float64
	for range rounds {
		a, _, err := c.closed(ctx, 16, time.Second, ours)
		if err != nil {
			return err
		}
		b, _, err := c.closed(ctx, 16, time.Second, bare)
		if err != nil {
			return err
		}
		us, them, ratios = append(us, a), append(them, b), append(ratios, a/b)
	}
	us, them, ratios = us[1:], them[1:], ratios[1:] // the first warms up
	r.plain(pages, median(us), "req/s", "16 at a time; key, limits, authorisation, row-level security")
	r.plain("page of 50 posts, bare Fiber + pgx", median(them), "req/s", "16 at a time; none of that, one round trip")
	r.atLeast("read path, ratio to bare", median(ratios), 0.7, "", fmt.Sprintf("median of %d rounds in turns, %s to %s", len(ratios), number(slices.Min(ratios)), number(slices.Max(ratios))))
	return nil
}

// same refuses to compare two answers of a different size: the hash, the ids
// and the times have fixed lengths, so the bodies must agree but for a cursor.
func (c *caller) same(ctx context.Context, a, b request) error {
	one, err := c.do(ctx, a, http.StatusOK)
	if err != nil {
		return err
	}
	two, err := c.do(ctx, b, http.StatusOK)
	if err != nil {
		return err
	}
	if d := one - two; d < 0 || d > 300 {
		return fmt.Errorf("the answers differ: %d and %d bytes", one, two)
	}
	return nil
}

// bare starts the baseline, this program's other face.
func (h *house) bare(ctx context.Context) (string, error) {
	addr, err := proc.FreeAddr(ctx)
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(self, "bare", addr)
	cmd.Env = h.env()
	p, err := proc.Start(h.Dir, "bare", cmd)
	if err != nil {
		return "", err
	}
	h.OnClose(p.Stop)
	return "http://" + addr, p.Ready(ctx, "http://"+addr+"/readyz", tick)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
