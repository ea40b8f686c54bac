package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is how many people sign in at once.
const crowd = 500

// signIns lets a crowd sign in at once, each until they are in, while others
// read: hashing passwords is dear on purpose, and must be so for nobody else.
func signIns(ctx context.Context, h *house, r *report) error {
	people, err := h.seed(ctx)
	if err != nil {
		return err
	}
	if err := h.pages(ctx); err != nil {
		return err
	}
	if err := h.gather(ctx); err != nil {
		return err
	}
	c := newCaller()
	read := func(i int) request {
		p := people.places[i%len(people.places)]
		return request{method: http.MethodGet, url: "http://" + h.apiAddr + "/api/v1/posts?limit=20", key: p.key, tenant: string(p.tenant), from: i}
	}
	quiet, failed := c.open(ctx, 100, h.scale(1000), http.StatusOK, read) // also connections and caches
	if len(failed) > 0 {
		return failed[0]
	}
	before, _, err := rss(h.api.PID())
	if err != nil {
		return err
	}
	rush, stop := context.WithCancel(ctx)
	defer stop()
	most := h.watchMemory(rush)
	in := h.rush(rush)
	busy, failed := c.open(ctx, 100, h.scale(2000), http.StatusOK, read)
	stop()
	peak, done := <-most, <-in
	note := fmt.Sprintf("%d reads at 100/s, %d failed, while %d people signed in at once: %d did, %d times they were told to wait", len(busy), len(failed), crowd, done.in, done.later)
	if len(failed) > 0 {
		note += "; " + failed[0].Error()
	}
	if done.failed > 0 || done.in == 0 {
		note += fmt.Sprintf("; %d sign-ins failed", done.failed)
	}
	r.plain("reads beside nobody p99", quiet.ms(.99), "ms", "")
	r.atMost("reads beside 500 sign-ins p99", busy.ms(.99), 300, "ms", note)
	r.atMost("reads beside 500 sign-ins, failed", float64(len(failed)+int(done.failed)), 0, "", "")
	r.atMost("memory of 500 sign-ins", peak-before, 150, "MB", fmt.Sprintf("resident, above %s before", number(before)))
	return nil
}

// gather makes as many people who all have the same password.
func (h *house) gather(ctx context.Context) error {
	_, err := h.Admin.Exec(ctx, `insert into users (id, email, name, password_hash, home_tenant, created_at)
		select 'usr_' || lpad(n::text, 26, '0'), 'crowd' || n || '@carillon.test', 'Somebody', u.password_hash, u.home_tenant, now()
		from users u, generate_series(1, $2) n where u.email = $1 on conflict do nothing`, benchMail, crowd)
	return err
}

// rushed is how a crowd fared.
type rushed struct{ in, later, failed int64 }

// rush lets everybody try at once, and again when they are told to, until they
// are in or ctx ends.
func (h *house) rush(ctx context.Context) <-chan rushed {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: crowd}}
	out := make(chan rushed, 1)
	var in, later, failed atomic.Int64
	var all sync.WaitGroup
	for n := range crowd {
		all.Go(func() {
			for turn, ended := 0, false; !ended && ctx.Err() == nil; turn++ {
				switch code, err := h.signIn(ctx, client, n+1, turn); {
				case ctx.Err() != nil:
				case err == nil && code == http.StatusOK:
					in.Add(1)
					ended = true
				case err == nil && code == http.StatusTooManyRequests:
					later.Add(1)
					pause(ctx, time.Second) // as it was told to
				default:
					failed.Add(1)
				}
			}
		})
	}
	go func() {
		all.Wait()
		out <- rushed{in.Load(), later.Load(), failed.Load()}
	}()
	return out
}

func (h *house) signIn(ctx context.Context, client *http.Client, n, turn int) (int, error) {
	body := fmt.Sprintf(`{"email":"crowd%d@carillon.test","password":%q}`, n, benchPassword)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.apiAddr+"/api/v1/auth/login", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", address(n*37+turn))
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// watchMemory is the most that the server takes until ctx ends.
func (h *house) watchMemory(ctx context.Context) <-chan float64 {
	out := make(chan float64, 1)
	go func() {
		most := 0.0
		for ctx.Err() == nil {
			if now, _, err := rss(h.api.PID()); err == nil {
				most = max(most, now)
			}
			pause(ctx, 20*time.Millisecond)
		}
		out <- most
	}()
	return out
}
