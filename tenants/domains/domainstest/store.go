// Package domainstest has a domains.Store and a DNS for tests, and the
// contract that both stores must meet.
package domainstest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/domains"
)

// Store is a domains.Store in memory. Its zero value is empty.
type Store struct {
	mu     sync.Mutex
	claims map[tenants.ID]map[domains.ID]domains.Domain
	told   []Told
	audit  []audit.Entry
	Owner  tenants.UserID // of every tenant
}

// Told is what a tenant heard.
type Told struct {
	Tenant tenants.ID
	Turn   domains.Turn
	Host   string
}

// Heard takes out what was told.
func (s *Store) Heard() []Told {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.told
	s.told = nil
	return all
}

// Recorded takes out what the audit was told.
func (s *Store) Recorded() []audit.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.audit
	s.audit = nil
	return all
}

// View implements domains.Store.
func (s *Store) View(_ context.Context, tenant tenants.ID, fn func(domains.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fn(&tx{Store: s, tenant: tenant, mine: s.claims[tenant]})
}

// Update implements domains.Store.
func (s *Store) Update(_ context.Context, tenant tenants.ID, fn func(domains.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &tx{Store: s, tenant: tenant, mine: maps.Clone(s.claims[tenant])}
	if t.mine == nil {
		t.mine = map[domains.ID]domains.Domain{}
	}
	if err := fn(t); err != nil {
		return err
	}
	if s.claims == nil {
		s.claims = map[tenants.ID]map[domains.ID]domains.Domain{}
	}
	s.claims[tenant], s.told, s.audit = t.mine, append(s.told, t.told...), append(s.audit, t.audit...)
	return nil
}

// Due implements domains.Store.
func (s *Store) Due(_ context.Context, now time.Time, limit int) (all []domains.Due, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := map[domains.ID]time.Time{}
	for tenant, mine := range s.claims {
		for name, d := range mine {
			if !d.DueAt.IsZero() && !d.DueAt.After(now) {
				at[name], all = d.DueAt, append(all, domains.Due{Tenant: tenant, Domain: name})
			}
		}
	}
	slices.SortFunc(all, func(a, b domains.Due) int { return at[a.Domain].Compare(at[b.Domain]) })
	return all[:min(limit, len(all))], nil
}

// Served implements domains.Store.
func (s *Store) Served(context.Context) (all []domains.Place, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for tenant, mine := range s.claims {
		for _, d := range mine {
			if d.State == domains.Proven {
				all = append(all, domains.Place{Host: d.Host, Tenant: tenant, Canonical: d.Canonical})
			}
		}
	}
	return all, nil
}

type tx struct {
	*Store
	tenant tenants.ID
	mine   map[domains.ID]domains.Domain
	told   []Told
	audit  []audit.Entry
}

func (t *tx) Record(_ context.Context, e audit.Entry) error {
	t.audit = append(t.audit, e)
	return e.Check()
}

func (t *tx) Domains(context.Context) ([]domains.Domain, error) {
	return slices.SortedFunc(maps.Values(t.mine), func(a, b domains.Domain) int { return cmp.Compare(a.ID, b.ID) }), nil
}

func (t *tx) Domain(_ context.Context, name domains.ID) (*domains.Domain, error) {
	d, ok := t.mine[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "domain.not_found", "There is no such host.")
	}
	return &d, nil
}

func (t *tx) Save(_ context.Context, d *domains.Domain) error {
	if err := d.Check(); err != nil {
		return err
	}
	if t.mine[d.ID].Version != d.Version {
		return fault.New(fault.Conflict, "domain.stale", "Someone else changed this.")
	}
	for _, o := range t.mine {
		if o.Canonical && d.Canonical && o.ID != d.ID {
			return fault.New(fault.Internal, "domain.state", "Another host is the canonical one.")
		}
	}
	for tenant, theirs := range t.claims {
		for _, o := range theirs {
			if tenant != t.tenant && o.Host == d.Host && o.State == domains.Proven && d.State == domains.Proven {
				return fault.New(fault.Conflict, "domain.held", "Another tenant has proved this host.")
			}
		}
	}
	d.Version++
	t.mine[d.ID] = *d
	return nil
}

func (t *tx) Remove(_ context.Context, d *domains.Domain) error {
	delete(t.mine, d.ID)
	return nil
}

func (t *tx) Tell(_ context.Context, d *domains.Domain, turn domains.Turn) error {
	t.told = append(t.told, Told{t.tenant, turn, d.Host})
	return nil
}

func (t *tx) Owners(context.Context) ([]tenants.UserID, error) {
	return []tenants.UserID{t.Owner}, nil
}

// DNS is a domains.Resolver that knows what it is told. Its zero value knows
// nothing.
type DNS struct {
	mu     sync.Mutex
	texts  map[string][]string
	silent bool
}

// Set has the texts at name be these.
func (d *DNS) Set(name string, texts ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.texts == nil {
		d.texts = map[string][]string{}
	}
	d.texts[name] = texts
}

// Silence has it answer no more, or again.
func (d *DNS) Silence(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = on
}

// TXT implements domains.Resolver.
func (d *DNS) TXT(_ context.Context, name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.silent:
		return nil, fault.New(fault.Unavailable, "dns.silent", "The DNS did not answer.")
	case len(d.texts[name]) == 0:
		return nil, fault.New(fault.NotFound, "dns.none", "There is no such record.")
	}
	return d.texts[name], nil
}
