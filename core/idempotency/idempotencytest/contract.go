// Package idempotencytest holds the contract of idempotency.Store as a test
// suite, and a store in memory that keeps it.
package idempotencytest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/idempotency"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// Opened is a store with two tenants that exist in it.
type Opened struct {
	Store    idempotency.Store
	Us, Them tenants.ID
	// Apply commits a change of tenant under ctx, as a use case does.
	Apply func(ctx context.Context, tenant tenants.ID) error
	// Late ends the lease of every claim.
	Late func(t *testing.T)
}

// Run holds a Store to its contract.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	for name, test := range map[string]func(*testing.T, Opened){
		"an answer is replayed":                     replayed,
		"another request is refused":                mismatch,
		"one of many runs":                          race,
		"keys of others are others":                 apart,
		"what was given up can be run":              abandoned,
		"what was applied is not given up":          applied,
		"a dead process is succeeded":               succeeded,
		"a dead process that applied is not":        lost,
		"a process that comes back applies nothing": superseded,
		"what is rolled back is not applied":        rolledBack,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func request() idempotency.Request {
	return idempotency.Request{
		Principal: id.New("usr"), Method: "POST", Route: "/posts", Key: "k", Hash: "h", Lease: time.Minute, Keep: time.Hour,
	}
}

var answer = idempotency.Answer{Status: 201, ContentType: "application/json", ETag: `"v1"`, Location: "/a/1", Body: []byte(`{"a":1}`)}

func begin(t *testing.T, o Opened, r idempotency.Request) (context.Context, idempotency.Claim) {
	t.Helper()
	ctx, c, err := o.Store.Begin(t.Context(), o.Us, r)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, c
}

func refused(t *testing.T, o Opened, r idempotency.Request, reason string) {
	t.Helper()
	if _, _, err := o.Store.Begin(t.Context(), o.Us, r); err == nil || fault.Of(err).Reason != reason {
		t.Errorf("%v, want %s", err, reason)
	}
}

func replayed(t *testing.T, o Opened) {
	r := request()
	_, c := begin(t, o, r)
	refused(t, o, r, "idempotency.in_progress")
	if err := o.Store.Finish(t.Context(), o.Us, c, answer); err != nil {
		t.Fatal(err)
	}
	_, again := begin(t, o, r)
	if diff := cmp.Diff(&answer, again.Done); diff != "" {
		t.Error(diff)
	}
}

func mismatch(t *testing.T, o Opened) {
	r := request()
	_, c := begin(t, o, r)
	other := r
	other.Hash = "other"
	refused(t, o, other, "idempotency.mismatch")
	if err := o.Store.Finish(t.Context(), o.Us, c, answer); err != nil {
		t.Fatal(err)
	}
	refused(t, o, other, "idempotency.mismatch")
}

func race(t *testing.T, o Opened) {
	r := request()
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 20 {
		wg.Go(func() {
			if _, c, err := o.Store.Begin(t.Context(), o.Us, r); err == nil && c.Done == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 20 run", won)
	}
}

func apart(t *testing.T, o Opened) {
	r := request()
	begin(t, o, r)
	for name, change := range map[string]func(*idempotency.Request){
		"principal": func(r *idempotency.Request) { r.Principal = id.New("usr") },
		"method":    func(r *idempotency.Request) { r.Method = "PUT" },
		"route":     func(r *idempotency.Request) { r.Route = "/media" },
		"key":       func(r *idempotency.Request) { r.Key = "other" },
	} {
		other := r
		change(&other)
		if _, _, err := o.Store.Begin(t.Context(), o.Us, other); err != nil {
			t.Errorf("other %s: %v", name, err)
		}
	}
	if _, _, err := o.Store.Begin(t.Context(), o.Them, r); err != nil {
		t.Errorf("other tenant: %v", err)
	}
}

func abandoned(t *testing.T, o Opened) {
	r := request()
	_, c := begin(t, o, r)
	if err := o.Store.Abandon(t.Context(), o.Us, c); err != nil {
		t.Fatal(err)
	}
	if _, c := begin(t, o, r); c.Done != nil {
		t.Error("an answer out of nowhere")
	}
}

func applied(t *testing.T, o Opened) {
	r := request()
	ctx, c := begin(t, o, r)
	if err := o.Apply(ctx, o.Us); err != nil {
		t.Fatal(err)
	}
	if err := o.Store.Abandon(t.Context(), o.Us, c); err != nil {
		t.Fatal(err)
	}
	refused(t, o, r, "idempotency.answer_lost")
}

func succeeded(t *testing.T, o Opened) {
	r := request()
	_, first := begin(t, o, r)
	o.Late(t)
	_, second := begin(t, o, r)
	if second.Done != nil || second.Generation <= first.Generation {
		t.Fatalf("claim %+v after %+v", second, first)
	}
	if err := o.Store.Finish(t.Context(), o.Us, first, answer); err != nil {
		t.Fatal(err)
	}
	refused(t, o, r, "idempotency.in_progress") // the first one's answer came too late
}

func lost(t *testing.T, o Opened) {
	r := request()
	ctx, c := begin(t, o, r)
	if err := o.Apply(ctx, o.Us); err != nil {
		t.Fatal(err)
	}
	refused(t, o, r, "idempotency.in_progress")
	o.Late(t)
	refused(t, o, r, "idempotency.answer_lost")
	if err := o.Store.Finish(t.Context(), o.Us, c, answer); err != nil { // it was only slow
		t.Fatal(err)
	}
	if _, again := begin(t, o, r); again.Done == nil {
		t.Error("the late answer is lost")
	}
}

func superseded(t *testing.T, o Opened) {
	r := request()
	ctx, _ := begin(t, o, r)
	o.Late(t)
	begin(t, o, r)
	if err := o.Apply(ctx, o.Us); err == nil || fault.Of(err).Reason != "idempotency.superseded" {
		t.Errorf("%v, want idempotency.superseded", err)
	}
}

func rolledBack(t *testing.T, o Opened) {
	r := request()
	ctx, c := begin(t, o, r)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := o.Apply(canceled, o.Us); err == nil {
		t.Fatal("a change under a dead context")
	}
	if err := o.Store.Abandon(t.Context(), o.Us, c); err != nil {
		t.Fatal(err)
	}
	begin(t, o, r)
}
