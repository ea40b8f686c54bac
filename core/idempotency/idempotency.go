// Package idempotency decides what a repeated request is answered.
//
// A key names one request of one principal. Whoever begins it first runs it;
// everybody else waits, is refused, or gets the same answer. The one hard case
// is a process that dies on the way: what the use case committed carries the
// mark "applied" in the same transaction, so a dead process that had done
// nothing is succeeded and one that had is never run again.
//
// Start with Store. Package idempotencytest holds its contract as a test suite.
package idempotency

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// A Request is what a key names.
type Request struct {
	Principal, Method, Route, Key string
	Hash                          string        // of all that makes it this request
	Lease                         time.Duration // after which a request without an answer is a dead process
	Keep                          time.Duration // how long the key is remembered
}

// A Claim is the right to run a request, or what it was answered.
type Claim struct {
	Request
	Generation int64
	Done       *Answer // set if nothing is to be run
}

// An Answer is a response as it is kept.
type Answer struct {
	Status      int
	ContentType string
	ETag        string
	Location    string
	Body        []byte
}

// Store remembers requests.
type Store interface {
	// Begin claims r. What is committed under the context it returns commits
	// the fact that r was applied, and fails with Superseded if somebody else
	// has taken over meanwhile. It returns Mismatch, InProgress or AnswerLost.
	Begin(ctx context.Context, tenant tenants.ID, r Request) (context.Context, Claim, error)
	// Finish keeps the answer. Finishing what somebody else took over does nothing.
	Finish(ctx context.Context, tenant tenants.ID, c Claim, a Answer) error
	// Abandon frees the key, unless something was applied under it.
	Abandon(ctx context.Context, tenant tenants.ID, c Claim) error
}

// Mismatch is the answer to a key that named another request.
func Mismatch() error {
	return fault.New(fault.Invalid, "idempotency.mismatch", "This key was used for another request. Use a fresh one.").On("/header/Idempotency-Key")
}

// InProgress is the answer while the request runs.
func InProgress(wait time.Duration) error {
	return fault.New(fault.Conflict, "idempotency.in_progress", "The first request with this key is still running. Try again in a moment.").After(max(wait, time.Second))
}

// AnswerLost is the answer to a request that was applied by a process that
// then died.
func AnswerLost() error {
	return fault.New(fault.Conflict, "idempotency.answer_lost", "This request was applied, but its answer is lost. Look at what it changed.")
}

// Superseded is the answer to a process that came back after its lease.
func Superseded() error {
	return fault.New(fault.Conflict, "idempotency.superseded", "This took too long, and another request with the same key has taken over.")
}
