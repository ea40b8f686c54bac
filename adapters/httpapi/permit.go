package httpapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// A permit lets a person in by an address alone, where a browser sends no header:
// for a moment, and to one thing. Whether they still may, and are signed in, is
// read anew.
type permit struct {
	Tenant  tenants.ID         `json:"ten"`
	User    tenants.UserID     `json:"usr"`
	Session identity.SessionID `json:"ses"`
	About   string             `json:"for,omitempty"`
	Expires int64              `json:"exp"`
}

// issue is a permit for whoever asks.
func (s signer) issue(ctx context.Context, binding string, who tenants.Scope, about string, life time.Duration) (string, error) {
	body, err := json.Marshal(permit{who.Tenant, who.User, caller(ctx).Session, about, time.Now().Add(life).Unix()})
	return s.sign(binding, string(body)), err
}

// admit says who holds a permit, what they are in its tenant now, and what it is
// for. One that is none, or is over, is refused.
func (s *surface) admit(ctx context.Context, key signer, binding, shown string, refused *fault.Error) (identity.Principal, tenants.Scope, string, error) {
	var p permit
	body, ok := key.open(binding, shown)
	if !ok || json.Unmarshal([]byte(body), &p) != nil || time.Now().Unix() >= p.Expires {
		return identity.Principal{}, tenants.Scope{}, "", refused
	}
	person := identity.Principal{User: p.User, Session: p.Session}
	if err := s.Auth.StillSignedIn(ctx, person); err != nil {
		return identity.Principal{}, tenants.Scope{}, "", err
	}
	who, err := s.scope(ctx, person, string(p.Tenant))
	return person, who, p.About, err
}
