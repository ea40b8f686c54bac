// Package ledger keeps what AI costs, and keeps it within budgets.
//
// Money is in integer micros (millionths of the currency's unit). Before a
// vendor is asked, the most it may cost is held against every budget above the
// request: the person's, the workspace's, the agency's and the reseller's. One
// conditional update in the store does that for all of them or for none, so
// that no number of requests at once goes over. What it did cost is settled, or
// the hold is released; a hold that nobody comes back for ends by itself. A
// cost that comes late is booked all the same: the ledger is what the vendor's
// bill is compared with.
//
// Nobody calls it from outside, and no feature spends yet: only Free runs, in
// workers. A use case that spends will have asked whether it may, then takes
// Hold, Settle and Release; start with Service.
package ledger

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// Life is how long a hold lasts by itself, and Sweeps how often those past it
// are freed: a stuck one is gone within 15 minutes.
const (
	Life   = 12 * time.Minute
	Sweeps = time.Minute
)

// MaxMicros is the most that one hold or cost may be: a million units.
const MaxMicros = 1_000_000_000_000

// A Limit is one budget that a request falls under.
type Limit struct {
	Tenant  tenants.ID // whose it is: the request's own, or one above
	Subject string     // within it: a user, or empty for all of the tenant
	Name    string     // of whoever set it, for people
	Micros  int64      // a month; negative: none, but what is spent is counted
}

// Budgets knows the limits over a request, nearest first. It answers at least
// the tenant's own, and each tenant and subject once.
type Budgets interface {
	Limits(ctx context.Context, who tenants.Scope) ([]Limit, error)
}

// Service is the use cases.
type Service struct {
	Store   Store
	Budgets Budgets
	Now     func() time.Time
}

// A Request is what is about to be bought.
type Request struct {
	Key     string // the same for every try of the same work; empty: a new one
	Micros  int64  // the most it may cost
	Vendor  string // plugin id
	Model   string
	Feature string // such as "caption"
}

// Hold reserves r.Micros in every budget over who, or in none. With the Key of
// a hold that lives it answers that one. Errors: Quota, with the name of the
// budget that does not reach; Conflict for a Key that was used for another
// amount or has ended; Invalid for an amount that is none.
func (s *Service) Hold(ctx context.Context, who tenants.Scope, r Request) (Entry, error) {
	if r.Micros < 0 || r.Micros > MaxMicros {
		return Entry{}, badAmount()
	}
	limits, err := s.Budgets.Limits(ctx, who)
	if err != nil {
		return Entry{}, err
	}
	now := s.Now().UTC()
	e := Entry{
		ID: r.Key, User: who.User, Vendor: r.Vendor, Model: r.Model, Feature: r.Feature,
		Held: r.Micros, State: Held, At: now, Until: now.Add(Life), Period: Period(now),
	}
	if e.ID == "" {
		e.ID = id.New("hld")
	}
	return s.Store.Hold(ctx, who.Tenant, e, limits)
}

// Settle books what it did cost and gives the rest of the hold back. It may be
// repeated with the same figure, and comes in time also after the hold has
// ended: then nothing is given back and the cost counts all the same. Errors:
// NotFound; Conflict if another figure was settled or it was released.
func (s *Service) Settle(ctx context.Context, who tenants.Scope, hold string, cost int64) error {
	if cost < 0 || cost > MaxMicros {
		return badAmount()
	}
	return s.Store.Settle(ctx, who.Tenant, hold, cost)
}

// Release gives a hold back: surely nothing was bought. It may be repeated.
// Errors: NotFound; Conflict if it was settled.
func (s *Service) Release(ctx context.Context, who tenants.Scope, hold string) error {
	return s.Store.Release(ctx, who.Tenant, hold)
}

// Extend keeps the hold of work that is under way for another Life. Errors:
// NotFound; Conflict if it has ended.
func (s *Service) Extend(ctx context.Context, who tenants.Scope, hold string) error {
	return s.Store.Extend(ctx, who.Tenant, hold, s.Now().UTC().Add(Life))
}

// Free ends the holds that nobody came back for, of every tenant. It is for the
// kernel's own sweep.
func (s *Service) Free(ctx context.Context) (int, error) { return s.Store.Free(ctx, s.Now().UTC()) }

// Balances is what this month's budgets over who have left, nearest first. What
// a tenant above has spent is its own business: of those, only Left is set.
func (s *Service) Balances(ctx context.Context, who tenants.Scope) ([]Balance, error) {
	limits, err := s.Budgets.Limits(ctx, who)
	if err != nil {
		return nil, err
	}
	list, err := s.Store.Balances(ctx, who.Tenant, limits, Period(s.Now().UTC()))
	for i := range list {
		if list[i].Tenant != who.Tenant {
			list[i] = Balance{Limit: Limit{Tenant: list[i].Tenant, Name: list[i].Name}, Left: list[i].Left}
		}
	}
	return list, err
}

func badAmount() error {
	return fault.New(fault.Invalid, "ledger.bad_amount", "This is not an amount that can be spent.")
}
