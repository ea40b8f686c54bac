package ledgertest

import (
	"context"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/ledger"
	"github.com/carillonhq/carillon/tenants"
)

// Store is a ledger.Store in memory. It is safe for concurrent use.
type Store struct {
	mu       sync.Mutex
	accounts map[account]*sums
	entries  map[name]*entry
}

type account struct {
	tenant  tenants.ID
	subject string
	period  time.Time
}

type sums struct{ held, spent int64 }

type name struct {
	tenant tenants.ID
	id     string
}

type entry struct {
	ledger.Entry
	from []account
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{accounts: map[account]*sums{}, entries: map[name]*entry{}} }

var _ ledger.Store = (*Store)(nil)

func (s *Store) account(l ledger.Limit, period time.Time) (account, *sums) {
	a := account{l.Tenant, l.Subject, period}
	if s.accounts[a] == nil {
		s.accounts[a] = &sums{}
	}
	return a, s.accounts[a]
}

// Hold implements ledger.Store.
func (s *Store) Hold(_ context.Context, tenant tenants.ID, e ledger.Entry, limits []ledger.Limit) (ledger.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.entries[name{tenant, e.ID}]; have != nil {
		if have.State == ledger.Held && have.Held == e.Held {
			return have.Entry, nil
		}
		return ledger.Entry{}, ledger.Ended(have.State)
	}
	x := &entry{Entry: e}
	for _, l := range limits {
		a, sum := s.account(l, e.Period)
		if l.Micros >= 0 && sum.held+sum.spent+e.Held > l.Micros {
			return ledger.Entry{}, ledger.Exhausted(l)
		}
		x.from = append(x.from, a)
	}
	for _, a := range x.from {
		s.accounts[a].held += e.Held
	}
	s.entries[name{tenant, e.ID}] = x
	return e, nil
}

// end brings an entry to another state; back is what is held no more.
func (s *Store) end(e *entry, to ledger.State, cost int64) {
	for _, a := range e.from {
		if e.State == ledger.Held {
			s.accounts[a].held -= e.Held
		}
		s.accounts[a].spent += cost
	}
	e.State, e.Cost = to, cost
}

// Settle implements ledger.Store.
func (s *Store) Settle(_ context.Context, tenant tenants.ID, id string, cost int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[name{tenant, id}]
	switch {
	case e == nil:
		return ledger.NoHold()
	case e.State == ledger.Settled && e.Cost == cost:
		return nil
	case e.State == ledger.Settled || e.State == ledger.Released:
		return ledger.Ended(e.State)
	}
	s.end(e, ledger.Settled, cost)
	return nil
}

// Release implements ledger.Store.
func (s *Store) Release(_ context.Context, tenant tenants.ID, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[name{tenant, id}]
	switch {
	case e == nil:
		return ledger.NoHold()
	case e.State == ledger.Settled:
		return ledger.Ended(e.State)
	case e.State != ledger.Released:
		s.end(e, ledger.Released, 0)
	}
	return nil
}

// Extend implements ledger.Store.
func (s *Store) Extend(_ context.Context, tenant tenants.ID, id string, until time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[name{tenant, id}]
	switch {
	case e == nil:
		return ledger.NoHold()
	case e.State != ledger.Held:
		return ledger.Ended(e.State)
	}
	e.Until = until
	return nil
}

// Free implements ledger.Store.
func (s *Store) Free(_ context.Context, now time.Time) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.State == ledger.Held && e.Until.Before(now) {
			s.end(e, ledger.Expired, 0)
			n++
		}
	}
	return n, nil
}

// Balances implements ledger.Store.
func (s *Store) Balances(_ context.Context, _ tenants.ID, limits []ledger.Limit, period time.Time) (out []ledger.Balance, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range limits {
		_, sum := s.account(l, period)
		out = append(out, ledger.Balance{Limit: l, Held: sum.held, Spent: sum.spent, Left: ledger.LeftOf(l, sum.held, sum.spent)})
	}
	return out, nil
}
