package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/id"
)

// caller sends requests as many customers would: each from an address of its
// own, over connections that are kept.
type caller struct{ http *http.Client }

func newCaller() *caller {
	return &caller{&http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}}}
}

// request is one call to make.
type request struct {
	method, url, key, tenant, body string
	from                           int
}

// do makes one call and returns the size of its answer. Anything but the
// status wanted is an error.
func (c *caller) do(ctx context.Context, r request, want int) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader([]byte(r.body)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-Forwarded-For", address(r.from))
	req.Header.Set("Carillon-Tenant", r.tenant)
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", id.New("req"))
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != want {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return 0, fmt.Errorf("%s %s: %s: %s", r.method, r.url, res.Status, b)
	}
	return io.Copy(io.Discard, res.Body)
}

// open makes calls at a rate, whether or not the ones before were answered,
// and measures each from when it was due: a server that stalls cannot hide it.
func (c *caller) open(ctx context.Context, perSecond, n, want int, next func(i int) request) (took sample, failed []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	first := time.Now()
	for i := range n {
		due := first.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		select {
		case <-ctx.Done():
			wg.Wait()
			return took, append(failed, ctx.Err())
		case <-time.After(time.Until(due)):
		}
		wg.Go(func() {
			_, err := c.do(ctx, next(i), want)
			spent := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, err)
				return
			}
			took = append(took, spent)
		})
	}
	wg.Wait()
	return took, failed
}

// closed keeps width calls under way for a while and returns how many were
// answered per second.
func (c *caller) closed(ctx context.Context, width int, d time.Duration, next func(i int) request) (perSecond float64, took sample, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	began := time.Now()
	for w := range width {
		wg.Go(func() {
			for i := w; time.Since(began) < d; i += width {
				at := time.Now()
				_, e := c.do(ctx, next(i), http.StatusOK)
				mu.Lock()
				took = append(took, time.Since(at))
				if err == nil {
					err = e
				}
				stop := err != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(len(took)) / time.Since(began).Seconds(), took, err
}
