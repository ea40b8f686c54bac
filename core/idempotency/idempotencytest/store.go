package idempotencytest

import (
	"context"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/idempotency"
	"github.com/carillonhq/carillon/tenants"
)

// Store is an idempotency.Store in memory. It is safe for concurrent use.
type Store struct {
	mu   sync.Mutex
	rows map[name]*row
}

type name struct {
	tenant                        tenants.ID
	principal, method, route, key string
}

type row struct {
	hash       string
	generation int64
	applied    bool
	lease      time.Time
	done       *idempotency.Answer
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{rows: map[name]*row{}} }

func nameOf(t tenants.ID, r idempotency.Request) name {
	return name{t, r.Principal, r.Method, r.Route, r.Key}
}

type markKey struct{}

type mark struct {
	row        name
	generation int64
}

// Begin implements idempotency.Store.
func (s *Store) Begin(ctx context.Context, tenant tenants.ID, r idempotency.Request) (context.Context, idempotency.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := nameOf(tenant, r)
	have, claim := s.rows[n], idempotency.Claim{Request: r, Generation: 1}
	switch {
	case have == nil:
		s.rows[n] = &row{hash: r.Hash, generation: 1, lease: time.Now().Add(r.Lease)}
	case have.hash != r.Hash:
		return ctx, claim, idempotency.Mismatch()
	case have.done != nil:
		claim.Done = have.done
		return ctx, claim, nil
	case time.Now().Before(have.lease):
		return ctx, claim, idempotency.InProgress(time.Until(have.lease))
	case have.applied:
		return ctx, claim, idempotency.AnswerLost()
	default:
		have.generation++
		have.lease = time.Now().Add(r.Lease)
		claim.Generation = have.generation
	}
	return context.WithValue(ctx, markKey{}, mark{n, claim.Generation}), claim, nil
}

// Apply commits nothing under ctx, and marks the request as a commit would.
func (s *Store) Apply(ctx context.Context, tenant tenants.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := ctx.Value(markKey{}).(mark)
	if err := ctx.Err(); err != nil || !ok || m.row.tenant != tenant {
		return err
	}
	have := s.rows[m.row]
	if have == nil || have.generation != m.generation {
		return idempotency.Superseded()
	}
	have.applied = true
	return nil
}

// Late ends every lease.
func (s *Store) Late() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		r.lease = time.Now()
	}
}

// Finish implements idempotency.Store.
func (s *Store) Finish(_ context.Context, tenant tenants.ID, c idempotency.Claim, a idempotency.Answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.rows[nameOf(tenant, c.Request)]; have != nil && have.generation == c.Generation {
		a.Body = append([]byte(nil), a.Body...)
		have.done = &a
	}
	return nil
}

// Abandon implements idempotency.Store.
func (s *Store) Abandon(_ context.Context, tenant tenants.ID, c idempotency.Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := nameOf(tenant, c.Request)
	switch have := s.rows[n]; {
	case have == nil || have.generation != c.Generation:
	case have.applied:
		have.lease = time.Now()
	default:
		delete(s.rows, n)
	}
	return nil
}
