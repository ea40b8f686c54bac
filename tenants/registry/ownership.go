package registry

import (
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// OfferTTL is how long an offer of ownership waits.
const OfferTTL = 7 * 24 * time.Hour

// Gone is what an owner keeps who leaves with the ownership.
const Gone tenants.Role = "none"

// An Offer is one owner's word that a member will own the tenant if they accept.
type Offer struct {
	To        tenants.UserID
	From      tenants.UserID
	Keeps     tenants.Role // what From is afterwards: Owner, Admin, … or Gone
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Check holds the invariants. Every save runs it.
func (o *Offer) Check() error {
	keep := []tenants.Role{tenants.Owner, tenants.Admin, tenants.Manager, tenants.Editor, tenants.Viewer, Gone}
	if !slices.Contains(keep, o.Keeps) {
		return fault.New(fault.Invalid, "ownership.keeps", "Choose what you will be: owner, admin, manager, editor, viewer or none.").On("/keeps")
	}
	return nil
}

// OfferOwnership offers the tenant to one of its members, in place of an offer
// that was made before. Nothing changes until they accept. A key and access by
// grant cannot: fault.Forbidden. Who is not a member is fault.NotFound.
func (s *Service) OfferOwnership(ctx context.Context, who tenants.Scope, to tenants.UserID, keeps tenants.Role) (*Offer, error) {
	if err := s.authz.Allow(ctx, who, ActTransfer); err != nil {
		return nil, err
	}
	if err := who.InPerson(); err != nil {
		return nil, err
	}
	if to == who.User {
		return nil, fault.New(fault.Invalid, "ownership.yours", "The tenant is yours already.").On("/user_id")
	}
	now := s.now()
	o := &Offer{To: to, From: who.User, Keeps: keeps, CreatedAt: now, ExpiresAt: now.Add(OfferTTL)}
	if err := o.Check(); err != nil {
		return nil, err
	}
	err := s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if _, err := tx.Member(ctx, to); err != nil {
			return err
		}
		if err := tx.SaveOffer(ctx, o); err != nil {
			return err
		}
		if err := tx.Notify(ctx, Notice{Kind: NoticeOffered}); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "ownership.offer", string(to), "keeps", string(keeps)))
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// Ownership is the offer that waits, for those it is about: an owner, or whom
// it is made to. For everybody else there is none: fault.NotFound.
func (s *Service) Ownership(ctx context.Context, who tenants.Scope) (o *Offer, err error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, who.Tenant, func(tx Tx) error {
		o, err = s.offer(ctx, tx, who)
		return err
	})
	return o, err
}

// AcceptOwnership makes who, whom the tenant was offered to, its owner, and
// whoever offered it what they wanted to keep. It returns fault.NotFound if
// there is no such offer, and fault.Conflict if the one who made it is no
// owner any more.
func (s *Service) AcceptOwnership(ctx context.Context, who tenants.Scope) error {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return err
	}
	if err := who.InPerson(); err != nil {
		return err
	}
	return s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		o, err := s.offer(ctx, tx, who)
		if err != nil {
			return err
		}
		if o.To != who.User {
			return noOffer()
		}
		from, err := tx.Member(ctx, o.From)
		if fault.Is(err, fault.NotFound) || err == nil && from.Role != tenants.Owner {
			return fault.New(fault.Conflict, "ownership.stale", "Whoever offered this is no owner any more.")
		}
		if err != nil {
			return err
		}
		if err := s.handOver(ctx, tx, from, o); err != nil {
			return err
		}
		if err := tx.DropOffer(ctx); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "ownership.accept", string(o.From), "keeps", string(o.Keeps)))
	})
}

// handOver makes the new owner first: there is never none.
func (s *Service) handOver(ctx context.Context, tx Tx, from *Member, o *Offer) error {
	to, err := tx.Member(ctx, o.To)
	if err != nil {
		return err
	}
	to.Role, to.GrantedBy, to.UpdatedAt = tenants.Owner, string(o.From), s.now()
	if err := tx.SaveMember(ctx, to); err != nil {
		return err
	}
	switch o.Keeps {
	case tenants.Owner:
		return nil
	case Gone:
		return tx.RemoveMember(ctx, from.User)
	}
	from.Role, from.GrantedBy, from.UpdatedAt = o.Keeps, string(o.To), s.now()
	return tx.SaveMember(ctx, from)
}

// EndOffer takes back an offer, as an owner, or declines it, as the one it was
// made to.
func (s *Service) EndOffer(ctx context.Context, who tenants.Scope) error {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return err
	}
	if err := who.InPerson(); err != nil {
		return err
	}
	return s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		o, err := s.offer(ctx, tx, who)
		if err != nil {
			return err
		}
		if err := tx.DropOffer(ctx); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "ownership.end", string(o.To)))
	})
}

// offer is the one that waits, if who is a part of it.
func (s *Service) offer(ctx context.Context, tx Tx, who tenants.Scope) (*Offer, error) {
	o, err := tx.Offer(ctx)
	if err != nil {
		return nil, err
	}
	if !s.now().Before(o.ExpiresAt) || who.Role != tenants.Owner && o.To != who.User {
		return nil, noOffer()
	}
	return o, nil
}

func noOffer() error {
	return fault.New(fault.NotFound, "ownership.not_found", "Nobody was offered this tenant.")
}

// ownedByOffer answers whoever would make somebody an owner without asking them.
func ownedByOffer() error {
	return fault.New(fault.Conflict, "ownership.by_offer", "Nobody is made an owner: offer them the ownership, and they accept it.").On("/role")
}
