package registry

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// AccessID names a grant of access, such as "acg_01jd…".
type AccessID string

// AccessState says how a grant of access stands.
type AccessState string

// The states. A grant ends on its own, and a request that nobody answers
// lapses, whether or not anybody has written that down; see Access.At.
const (
	AccessRequested AccessState = "requested"
	AccessGranted   AccessState = "granted"
	AccessDeclined  AccessState = "declined"
	AccessRevoked   AccessState = "revoked"
	AccessEnded     AccessState = "ended"
)

// Figures of access.
const (
	MaxAccessHours = 30 * 24
	RequestTTL     = 14 * 24 * time.Hour
	maxOpenAccess  = 20
)

// An Access is what a tenant lets the members of the one above it do inside,
// for a time. Each of them is there at most what they are at home: a viewer of
// the agency comes in as a viewer.
//
// It goes up to manager and no further. What outlives a grant (members, roles,
// keys, webhooks) stays with the members.
type Access struct {
	ID        AccessID
	To        tenants.ID // the parent
	Role      tenants.Role
	Reason    string // for people
	State     AccessState
	Hours     int            // how long, from the grant on
	Until     time.Time      // zero: not granted
	AskedBy   tenants.UserID // of the parent; empty: nobody asked
	DecidedBy tenants.UserID // who granted, declined or revoked
	CreatedAt time.Time
	DecidedAt time.Time
	Version   int // bumped by every save; a stale save is a conflict
}

// At is the state at now.
func (a *Access) At(now time.Time) AccessState {
	switch {
	case a.State == AccessGranted && !now.Before(a.Until), a.State == AccessRequested && !now.Before(a.CreatedAt.Add(RequestTTL)):
		return AccessEnded
	}
	return a.State
}

// Check holds the invariants. Every save runs it.
func (a *Access) Check() error {
	switch n := utf8.RuneCountInString(a.Reason); {
	case rank(a.Role) < 0 || rank(a.Role) > rank(tenants.Manager):
		return fault.New(fault.Invalid, "access.role", "Choose manager, editor, approver, client or viewer.").On("/role")
	case strings.TrimSpace(a.Reason) == "" || n > maxReason:
		return fault.New(fault.Invalid, "access.reason", "Say why, in 1 to %d characters.", maxReason).On("/reason")
	case a.Hours < 1 || a.Hours > MaxAccessHours:
		return fault.New(fault.Invalid, "access.hours", "Choose 1 to %d hours.", MaxAccessHours).On("/hours")
	}
	return nil
}

// grant lets the parent in from now on.
func (a *Access) grant(by tenants.UserID, now time.Time) {
	a.State, a.DecidedBy, a.DecidedAt, a.Until = AccessGranted, by, now, now.Add(time.Duration(a.Hours)*time.Hour)
}

// An AccessDraft is what a grant or a request asks for.
type AccessDraft struct {
	Role   tenants.Role
	Reason string
	Hours  int
}

func (d AccessDraft) access(to tenants.ID, now time.Time) *Access {
	return &Access{
		ID: AccessID(id.At("acg", now)), To: to, Role: d.Role, Reason: d.Reason, Hours: d.Hours,
		State: AccessRequested, CreatedAt: now,
	}
}

// A Received is a grant or a request as the parent sees it.
type Received struct {
	Access
	Child Entry
}

// GrantAccess lets the tenant above who's in. A key, and whoever is here by a
// grant, cannot: fault.Forbidden.
func (s *Service) GrantAccess(ctx context.Context, who tenants.Scope, d AccessDraft) (*Access, error) {
	if err := s.authz.Allow(ctx, who, ActAccessGrant); err != nil {
		return nil, err
	}
	if err := who.InPerson(); err != nil {
		return nil, err
	}
	now := s.now()
	var a *Access
	err := s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		t, err := tx.Tenant(ctx)
		if err != nil {
			return err
		}
		if t.Parent == "" {
			return fault.New(fault.Conflict, "access.no_parent", "There is no tenant above this one.")
		}
		a = d.access(t.Parent, now)
		a.grant(who.User, now)
		if err := a.Check(); err != nil {
			return err
		}
		if err := fewOpen(ctx, tx, now); err != nil {
			return err
		}
		if err := tx.SaveAccess(ctx, a); err != nil {
			return err
		}
		if err := tx.Notify(ctx, Notice{NoticeAnswered, a.ID}); err != nil {
			return err
		}
		return tx.Record(ctx, a.entry(who, "access.grant"))
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// entry is what the book says of a.
func (a *Access) entry(who tenants.Scope, action string) audit.Entry {
	return audit.By(who, action, string(a.ID), "to", string(a.To), "role", string(a.Role), "hours", strconv.Itoa(a.Hours), "reason", a.Reason)
}

func fewOpen(ctx context.Context, tx Tx, now time.Time) error {
	n, err := tx.OpenAccess(ctx, now)
	if err == nil && n >= maxOpenAccess {
		err = fault.New(fault.Conflict, "access.too_many", "At most %d grants and requests can be open. End some first.", maxOpenAccess)
	}
	return err
}

// RequestAccess asks a direct child of who's tenant to let its members in. Only
// an owner there can. It returns fault.NotFound for anything but a direct child.
func (s *Service) RequestAccess(ctx context.Context, who tenants.Scope, child tenants.ID, d AccessDraft) (*Access, error) {
	if err := s.authz.Allow(ctx, who, ActAccessRequest); err != nil {
		return nil, err
	}
	if err := who.InPerson(); err != nil {
		return nil, err
	}
	a := d.access(who.Tenant, s.now())
	a.AskedBy = who.User
	if err := a.Check(); err != nil {
		return nil, err
	}
	if err := s.store.AskAccess(ctx, child, a, a.entry(who, "access.request")); err != nil {
		return nil, err
	}
	return a, nil
}

// Accesses lists up to limit grants and requests that are who's tenant's to
// decide, latest first and from before on.
func (s *Service) Accesses(ctx context.Context, who tenants.Scope, before AccessID, limit int) (all []Access, err error) {
	if err := s.authz.Allow(ctx, who, ActAccessRead); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, who.Tenant, func(tx Tx) error {
		all, err = tx.Accesses(ctx, before, limit)
		return err
	})
	now := s.now()
	for i := range all {
		all[i].State = all[i].At(now)
	}
	return all, err
}

// Received lists up to limit grants to who's tenant and requests of it, latest
// first and from before on.
func (s *Service) Received(ctx context.Context, who tenants.Scope, before AccessID, limit int) ([]Received, error) {
	if err := s.authz.Allow(ctx, who, ActAccessRequest); err != nil {
		return nil, err
	}
	all, err := s.store.Received(ctx, who.Tenant, before, limit)
	now := s.now()
	for i := range all {
		all[i].State = all[i].At(now)
	}
	return all, err
}

// ApproveAccess grants what was requested, from now on.
func (s *Service) ApproveAccess(ctx context.Context, who tenants.Scope, name AccessID) (*Access, error) {
	return s.decide(ctx, who, name, "access.approve", AccessRequested, func(a *Access, now time.Time) { a.grant(who.User, now) })
}

// DeclineAccess says no to a request.
func (s *Service) DeclineAccess(ctx context.Context, who tenants.Scope, name AccessID) (*Access, error) {
	return s.decide(ctx, who, name, "access.decline", AccessRequested, func(a *Access, now time.Time) {
		a.State, a.DecidedBy, a.DecidedAt = AccessDeclined, who.User, now
	})
}

// RevokeAccess ends a grant, with everybody's next request.
func (s *Service) RevokeAccess(ctx context.Context, who tenants.Scope, name AccessID) (*Access, error) {
	return s.decide(ctx, who, name, "access.revoke", AccessGranted, func(a *Access, now time.Time) {
		a.State, a.DecidedBy, a.DecidedAt = AccessRevoked, who.User, now
	})
}

// decide changes what stands at from. It returns fault.Conflict for what does
// not any more.
func (s *Service) decide(ctx context.Context, who tenants.Scope, name AccessID, action string, from AccessState, how func(*Access, time.Time)) (a *Access, err error) {
	if err := s.authz.Allow(ctx, who, ActAccessGrant); err != nil {
		return nil, err
	}
	if err := who.InPerson(); err != nil {
		return nil, err
	}
	now := s.now()
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if a, err = tx.Access(ctx, name); err != nil {
			return err
		}
		if a.At(now) != from {
			return fault.New(fault.Conflict, "access.closed", "This is %s already.", a.At(now))
		}
		how(a, now)
		if err := tx.SaveAccess(ctx, a); err != nil {
			return err
		}
		if err := tx.Notify(ctx, Notice{NoticeAnswered, a.ID}); err != nil {
			return err
		}
		return tx.Record(ctx, a.entry(who, action))
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// entering is the role in which somebody comes in by a grant of role who is
// home in the tenant above. A custom role at home opens nothing here: nobody
// can tell which of the two is more.
func entering(role, home tenants.Role) tenants.Role {
	switch at := rank(home); {
	case at < 0:
		return ""
	case at < rank(role):
		return home
	}
	return role
}
