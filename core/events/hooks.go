package events

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// NewEndpoint is what a person says of an endpoint.
type NewEndpoint struct {
	URL         string
	Description string
	Types       []Filter // none means all
}

// CreateEndpoint adds an endpoint, enabled. The signing secret is returned
// here, by Rotate, and nowhere else. A tenant at MaxEndpoints gets Quota.
func (s *Service) CreateEndpoint(ctx context.Context, who tenants.Scope, in NewEndpoint) (e *Endpoint, secret string, err error) {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return nil, "", err
	}
	e = &Endpoint{
		ID: NewEndpointID(), URL: in.URL, Description: in.Description, Types: in.Types,
		State: Enabled, APIVersion: APIVersion, CreatedAt: s.now(),
	}
	if err := s.checkURL(e.URL); err != nil {
		return nil, "", err
	}
	sealed, secret, err := s.seal(ctx, who.Tenant, e.ID)
	if err != nil {
		return nil, "", err
	}
	e.Secrets = []SealedSecret{sealed}
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		n, err := tx.CountEndpoints(ctx)
		if err != nil {
			return err
		}
		if n >= MaxEndpoints {
			return fault.New(fault.Quota, "webhook.too_many", "There is room for %d endpoints. Delete one first.", MaxEndpoints).Knowing(fault.Facts{Limit: MaxEndpoints})
		}
		if err := tx.SaveEndpoint(ctx, e); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "webhook.create", string(e.ID)))
	})
	if err != nil {
		return nil, "", err
	}
	return e, secret, nil
}

// EndpointPatch is what to change; nil leaves a field as it is.
type EndpointPatch struct {
	URL         *string
	Description *string
	Types       *[]Filter
	State       *EndpointState
}

// UpdateEndpoint changes an endpoint. version is the one the caller saw; 0
// means any. Another one is Conflict.
func (s *Service) UpdateEndpoint(ctx context.Context, who tenants.Scope, eid EndpointID, version int, p EndpointPatch) (*Endpoint, error) {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return nil, err
	}
	if p.URL != nil {
		if err := s.checkURL(*p.URL); err != nil {
			return nil, err
		}
	}
	return s.change(ctx, who, eid, "webhook.update", func(e *Endpoint) error {
		if version != 0 && version != e.Version {
			return fault.New(fault.Conflict, "webhook.stale", "Someone else changed this endpoint.")
		}
		p.apply(e)
		return nil
	})
}

func (p EndpointPatch) apply(e *Endpoint) {
	if p.URL != nil {
		e.URL = *p.URL
	}
	if p.Description != nil {
		e.Description = *p.Description
	}
	if p.Types != nil {
		e.Types = *p.Types
	}
	if p.State != nil && *p.State != e.State {
		e.SetState(*p.State)
	}
}

// Endpoint returns one endpoint, with its secrets sealed.
func (s *Service) Endpoint(ctx context.Context, who tenants.Scope, eid EndpointID) (e *Endpoint, err error) {
	if err := s.authz.Allow(ctx, who, ActWebhookRead); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, who.Tenant, func(tx Tx) error {
		e, err = tx.Endpoint(ctx, eid)
		return err
	})
	return e, err
}

// Endpoints returns them all, oldest first; there are at most MaxEndpoints.
func (s *Service) Endpoints(ctx context.Context, who tenants.Scope) (all []Endpoint, err error) {
	if err := s.authz.Allow(ctx, who, ActWebhookRead); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, who.Tenant, func(tx Tx) error {
		all, err = tx.Endpoints(ctx)
		return err
	})
	return all, err
}

// DeleteEndpoint removes an endpoint and its log. What is pending is not sent.
func (s *Service) DeleteEndpoint(ctx context.Context, who tenants.Scope, eid EndpointID) error {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return err
	}
	return s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if err := tx.DeleteEndpoint(ctx, eid); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "webhook.delete", string(eid)))
	})
}

// Rotate gives an endpoint a new signing secret and returns it. The old one
// signs beside it for overlap (0 means DefaultOverlap, at most MaxOverlap).
func (s *Service) Rotate(ctx context.Context, who tenants.Scope, eid EndpointID, overlap time.Duration) (e *Endpoint, secret string, err error) {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return nil, "", err
	}
	if overlap == 0 {
		overlap = DefaultOverlap
	}
	if overlap < 0 || overlap > MaxOverlap {
		return nil, "", fault.New(fault.Invalid, "webhook.bad_overlap", "Choose an overlap of at most %d hours.", int(MaxOverlap.Hours()))
	}
	sealed, secret, err := s.seal(ctx, who.Tenant, eid)
	if err != nil {
		return nil, "", err
	}
	e, err = s.change(ctx, who, eid, "webhook.rotate", func(e *Endpoint) error {
		e.Rotate(sealed, s.now().Add(overlap))
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return e, secret, nil
}

// change loads, changes and saves one endpoint, and records it as action. Use
// cases authorise before it.
func (s *Service) change(ctx context.Context, who tenants.Scope, eid EndpointID, action string, fn func(*Endpoint) error) (e *Endpoint, err error) {
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if e, err = tx.Endpoint(ctx, eid); err != nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
		if err := tx.SaveEndpoint(ctx, e); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, action, string(eid)))
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (s *Service) checkURL(url string) error {
	err := s.sender.Check(url)
	if err == nil {
		return nil
	}
	return fault.New(fault.Invalid, "webhook.bad_url", "%s", fault.Of(err).Message).On("/url").Because(err)
}

// seal makes a signing secret for an endpoint, and seals it to a row of its own.
func (s *Service) seal(ctx context.Context, tenant tenants.ID, eid EndpointID) (SealedSecret, string, error) {
	secret := newSecret()
	row := "webhook_endpoints/" + string(eid) + "/" + id.New("key")
	sealed, err := s.sealer.Seal(ctx, tenant, row, []byte(secret))
	return SealedSecret{Row: row, Sealed: sealed}, secret, err
}
