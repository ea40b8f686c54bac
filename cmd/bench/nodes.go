package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// nodes runs two servers and three workers on one database, kills a worker in
// the middle of its work, and counts.
func nodes(ctx context.Context, h *house, r *report) error {
	people, err := h.seed(ctx)
	if err != nil {
		return err
	}
	_, second, err := h.newServer(ctx, "serve-2")
	if err != nil {
		return err
	}
	workers, stop, err := h.workers(ctx, 3)
	if err != nil {
		return err
	}
	defer stop()
	if err := h.warm(ctx, "nodes"); err != nil {
		return err
	}
	n := h.scale(1000)
	due := time.Now().Add(2 * time.Second)
	if err := h.fill(ctx, people.places[2], "many", n, func(int) time.Time { return due }); err != nil {
		return err
	}
	if err := h.awaitAll(ctx, n/4, due.Add(time.Minute), "many"); err != nil {
		return err
	}
	workers[0].Kill()
	killed := time.Now()
	for i, addr := range []string{h.apiAddr, second} {
		p := people.places[i]
		q := request{method: http.MethodGet, url: "http://" + addr + "/api/v1/posts", key: p.key, tenant: string(p.tenant), from: i}
		if _, err := newCaller().do(ctx, q, http.StatusOK); err != nil {
			return err
		}
	}
	// What the dead worker held is found when its lease ends; what it may have
	// sent is looked up before anybody sends it again.
	if err := h.awaitAll(ctx, n, killed.Add(4*time.Minute), "many"); err != nil {
		return err
	}
	got := h.arrived("many")
	note := fmt.Sprintf("%d of %d sent, %d twice; two servers, three workers, one killed after %d", len(got), n, got.twice(), n/4)
	r.atMost("several nodes, lost or doubled", float64(n-len(got)+got.twice()), 0, "posts", note)
	r.plain("several nodes, last one after the kill", time.Since(killed).Seconds(), "s", "a lease is 90 s")
	return nil
}

// size says what a post leaves behind once it is live, with its attempt, its
// events and every index.
func (h *house) size(ctx context.Context, before int64, n int, r *report) error {
	after, err := h.bytes(ctx)
	r.plain(stored, float64(after-before)/float64(n)/1024, "kB", "post, delivery, segment, attempt, two events, job; with indexes, before vacuum")
	return err
}

func (h *house) bytes(ctx context.Context) (n int64, err error) {
	err = h.Admin.QueryRow(ctx, "select pg_database_size(current_database())").Scan(&n)
	return n, err
}
