// Package domains gives a reseller or an agency host names of its own.
//
// It decides whose a host is. Saying so is free: any number of tenants may
// claim one, and none is in another's way. Whoever controls the host's DNS
// proves it with a TXT record, and then it is theirs alone, and served. The
// proof is looked for again every day; one that stays away takes the host out
// of service, so that nobody goes on being served under a name that was sold.
//
// A tenant's canonical host is the one that letters link to: what a request
// says in its Host header is never written down anywhere.
//
// Start with Service; domain.go has the rules, check.go looks at the DNS and
// hosts.go is what each request asks.
package domains

import (
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// What a member may be allowed to do here.
const (
	ActRead   tenants.Action = "domain.read"
	ActManage tenants.Action = "domain.manage"
)

// A Resolver asks the DNS.
type Resolver interface {
	// TXT returns the texts at name. It returns fault.NotFound if the DNS says
	// that there are none, and fault.Unavailable if it says nothing.
	TXT(ctx context.Context, name string) ([]string, error)
}

// A Namer knows what is a host name.
type Namer interface {
	// Host returns what people typed as the DNS has it: lower case, ASCII. It
	// returns fault.Invalid for an address, a single label, a name that is not
	// one, and one that registries sell below.
	Host(typed string) (string, error)
}

// Deps are what New needs; every field is required.
type Deps struct {
	Store    Store
	Resolver Resolver
	Names    Namer
	Authz    tenants.Authorizer
	Now      func() time.Time
}

// Service is the use cases of domains. It is safe for concurrent use.
type Service struct {
	Deps
	own string
}

// New returns a Service of an installation that people reach at own, which is
// nobody's to claim, nor is anything below it.
func New(d Deps, own string) *Service { return &Service{Deps: d, own: own} }

// Target is where a tenant's host has to point to.
func (s *Service) Target() string { return s.own }

// Add claims a host for who's tenant. It returns fault.Conflict for one that
// the tenant has already, and fault.Invalid for one that nobody can have. With
// mail it is for the addresses of letters alone, and not served.
func (s *Service) Add(ctx context.Context, who tenants.Scope, typed string, mail bool) (*Domain, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return nil, err
	}
	if err := Entitled(who); err != nil {
		return nil, err
	}
	host, err := s.Names.Host(typed)
	if err != nil {
		return nil, err
	}
	if below(host, s.own) {
		return nil, fault.New(fault.Invalid, "domain.own", "This is a name of the installation itself.").On("/host")
	}
	d := claim(host, mail, s.Now())
	err = s.Store.Update(ctx, who.Tenant, func(tx Tx) error {
		all, err := tx.Domains(ctx)
		if err != nil {
			return err
		}
		if len(all) >= Max {
			return fault.New(fault.Conflict, "domain.too_many", "A tenant has at most %d hosts. Remove one first.", Max)
		}
		if slices.ContainsFunc(all, func(o Domain) bool { return o.Host == host }) {
			return fault.New(fault.Conflict, "domain.exists", "This tenant has this host already.").On("/host")
		}
		if err := tx.Save(ctx, d); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "domain.add", string(d.ID), "host", host))
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Entitled returns nil for a tenant that has hosts and a brand of its own: a
// reseller, or an agency on the largest plan. It returns fault.Quota for an
// agency on another, and fault.Conflict for what has none at all.
func Entitled(who tenants.Scope) error {
	switch {
	case who.Kind == tenants.Reseller, who.Kind == tenants.Agency && who.Tier == tenants.Team:
		return nil
	case who.Kind == tenants.Agency:
		return fault.New(fault.Quota, "whitelabel.plan", "Hosts and a brand of one's own come with the plan %s.", tenants.Team).
			Knowing(fault.Facts{Plan: string(who.Tier), NeededPlan: string(tenants.Team)})
	}
	return fault.New(fault.Conflict, "whitelabel.kind", "Resellers and agencies have hosts and a brand; what is below has theirs.")
}

// List returns the hosts of who's tenant, the oldest first.
func (s *Service) List(ctx context.Context, who tenants.Scope) (all []Domain, err error) {
	if err := s.Authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, who.Tenant, func(tx Tx) error {
		all, err = tx.Domains(ctx)
		return err
	})
	return all, err
}

// Get returns one of them.
func (s *Service) Get(ctx context.Context, who tenants.Scope, name ID) (*Domain, error) {
	if err := s.Authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	return s.read(ctx, who.Tenant, name)
}

func (s *Service) read(ctx context.Context, tenant tenants.ID, name ID) (d *Domain, err error) {
	err = s.Store.View(ctx, tenant, func(tx Tx) error {
		d, err = tx.Domain(ctx, name)
		return err
	})
	return d, err
}

// Remove gives a host up. It is served no more.
func (s *Service) Remove(ctx context.Context, who tenants.Scope, name ID) error {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil { // also on a plan that has none any more
		return err
	}
	return s.Store.Update(ctx, who.Tenant, func(tx Tx) error {
		d, err := tx.Domain(ctx, name)
		if err != nil {
			return err
		}
		if err := tx.Remove(ctx, d); err != nil {
			return err
		}
		if err := elect(ctx, tx); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "domain.remove", string(name), "host", d.Host))
	})
}

// MakeCanonical has letters link to this host. It returns fault.Conflict for
// one that is not proven.
func (s *Service) MakeCanonical(ctx context.Context, who tenants.Scope, name ID) (d *Domain, err error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, who.Tenant, func(tx Tx) error {
		if d, err = tx.Domain(ctx, name); err != nil {
			return err
		}
		if err := Entitled(who); err != nil {
			return err
		}
		switch {
		case d.State != Proven:
			return fault.New(fault.Conflict, "domain.unproven", "This host is not proven. Verify it first.")
		case d.Mail:
			return fault.New(fault.Conflict, "domain.mail_only", "This host is for mail alone: there are no pages to link to.")
		}
		all, err := tx.Domains(ctx)
		if err != nil {
			return err
		}
		if err := crown(ctx, tx, all, d); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "domain.make_canonical", string(name), "host", d.Host))
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// elect finds a canonical host where there is none: the one proven first.
func elect(ctx context.Context, tx Tx) error {
	all, err := tx.Domains(ctx)
	if err != nil {
		return err
	}
	var first *Domain
	for i, d := range all {
		switch {
		case d.State != Proven, d.Mail:
		case d.Canonical:
			return nil
		case first == nil || d.ProvenAt.Before(first.ProvenAt):
			first = &all[i]
		}
	}
	if first == nil {
		return nil
	}
	return crown(ctx, tx, all, first)
}

// crown makes d the canonical one of all, and every other none. Who steps down
// is saved first: there are never two.
func crown(ctx context.Context, tx Tx, all []Domain, d *Domain) error {
	for i := range all {
		if o := &all[i]; o.Canonical && o.ID != d.ID {
			o.Canonical = false
			if err := tx.Save(ctx, o); err != nil {
				return err
			}
		}
	}
	if d.Canonical {
		return nil
	}
	d.Canonical = true
	return tx.Save(ctx, d)
}
