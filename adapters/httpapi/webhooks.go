package httpapi

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/adapters/httpapi/strictjson"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/tenants"
)

// Webhooks is what the HTTP surface uses of events.Service for endpoints.
type Webhooks interface {
	Endpoints(ctx context.Context, who tenants.Scope) ([]events.Endpoint, error)
	Endpoint(ctx context.Context, who tenants.Scope, id events.EndpointID) (*events.Endpoint, error)
	CreateEndpoint(ctx context.Context, who tenants.Scope, in events.NewEndpoint) (*events.Endpoint, string, error)
	UpdateEndpoint(ctx context.Context, who tenants.Scope, id events.EndpointID, version int, p events.EndpointPatch) (*events.Endpoint, error)
	DeleteEndpoint(ctx context.Context, who tenants.Scope, id events.EndpointID) error
	Rotate(ctx context.Context, who tenants.Scope, id events.EndpointID, overlap time.Duration) (*events.Endpoint, string, error)
	Test(ctx context.Context, who tenants.Scope, id events.EndpointID) (*events.Delivery, error)
	Deliveries(ctx context.Context, who tenants.Scope, q events.DeliveryQuery) ([]events.Delivery, bool, error)
	Resend(ctx context.Context, who tenants.Scope, id events.DeliveryID) (*events.Delivery, error)
	Replay(ctx context.Context, who tenants.Scope, id events.EndpointID, since time.Time) (events.Replay, error)
}

// ListWebhooks implements GET /webhooks.
func (s *Server) ListWebhooks(ctx context.Context, _ api.ListWebhooksRequestObject) (api.ListWebhooksResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.Webhooks.Endpoints(ctx, who)
	if err != nil {
		return nil, err
	}
	return api.ListWebhooks200JSONResponse{Data: each(all, func(e events.Endpoint) api.Webhook { return toWebhook(&e) })}, nil
}

// CreateWebhook implements POST /webhooks.
func (s *Server) CreateWebhook(ctx context.Context, req api.CreateWebhookRequestObject) (api.CreateWebhookResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, secret, err := s.Webhooks.CreateEndpoint(ctx, who, events.NewEndpoint{
		URL: req.Body.Url, Description: or(req.Body.Description), Types: as[events.Filter](req.Body.Types),
	})
	if err != nil {
		return nil, err
	}
	etag(ctx, e.Version)
	return api.CreateWebhook201JSONResponse{Webhook: toWebhook(e), Secret: secret}, nil
}

// GetWebhook implements GET /webhooks/{webhook}.
func (s *Server) GetWebhook(ctx context.Context, req api.GetWebhookRequestObject) (api.GetWebhookResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.Webhooks.Endpoint(ctx, who, events.EndpointID(req.Webhook))
	if err != nil {
		return nil, err
	}
	etag(ctx, e.Version)
	return api.GetWebhook200JSONResponse(toWebhook(e)), nil
}

// UpdateWebhook implements PATCH /webhooks/{webhook}.
func (s *Server) UpdateWebhook(ctx context.Context, req api.UpdateWebhookRequestObject) (api.UpdateWebhookResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.Webhooks.Endpoint(ctx, who, events.EndpointID(req.Webhook))
	if err != nil {
		return nil, err
	}
	version, err := basedOn(ctx, now.Version)
	if err != nil {
		return nil, err
	}
	form := webhookForm{now.URL, now.Description, as[string](now.Types), string(now.State)}
	next, err := strictjson.Merge(form, *req.Body)
	if err != nil {
		return nil, err
	}
	e := now
	if !strictjson.Same(form, next) {
		e, err = s.Webhooks.UpdateEndpoint(ctx, who, now.ID, version, next.patch(now))
	}
	if err != nil {
		return nil, raced(err, s.webhookVersion(ctx, who, now.ID))
	}
	etag(ctx, e.Version)
	return api.UpdateWebhook200JSONResponse(toWebhook(e)), nil
}

// webhookForm is what can be changed of an endpoint.
type webhookForm struct {
	URL         string   `json:"url" validate:"min=8,max=2048"`
	Description string   `json:"description,omitempty" validate:"max=500,text"`
	Types       []string `json:"types,omitempty" validate:"max=64,dive,min=1,max=64"`
	State       string   `json:"state" validate:"oneof=enabled disabled"`
}

// patch leaves the state alone unless it changes: setting it forgets failures.
func (f webhookForm) patch(now *events.Endpoint) events.EndpointPatch {
	p := events.EndpointPatch{URL: &f.URL, Description: &f.Description, Types: ptr(as[events.Filter](f.Types))}
	if events.EndpointState(f.State) != now.State {
		p.State = ptr(events.EndpointState(f.State))
	}
	return p
}

func (s *Server) webhookVersion(ctx context.Context, who tenants.Scope, id events.EndpointID) func() (int, error) {
	return func() (int, error) {
		e, err := s.Webhooks.Endpoint(ctx, who, id)
		if err != nil {
			return 0, err
		}
		return e.Version, nil
	}
}

// DeleteWebhook implements DELETE /webhooks/{webhook}.
func (s *Server) DeleteWebhook(ctx context.Context, req api.DeleteWebhookRequestObject) (api.DeleteWebhookResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Webhooks.DeleteEndpoint(ctx, who, events.EndpointID(req.Webhook)); err != nil {
		return nil, err
	}
	return api.DeleteWebhook204Response{}, nil
}

// RotateWebhook implements POST /webhooks/{webhook}:rotate.
func (s *Server) RotateWebhook(ctx context.Context, req api.RotateWebhookRequestObject) (api.RotateWebhookResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, secret, err := s.Webhooks.Rotate(ctx, who, events.EndpointID(req.Webhook), events.DefaultOverlap)
	if err != nil {
		return nil, err
	}
	etag(ctx, e.Version)
	return api.RotateWebhook200JSONResponse{Webhook: toWebhook(e), Secret: secret}, nil
}

func toWebhook(e *events.Endpoint) api.Webhook {
	return api.Webhook{
		Id: string(e.ID), Object: api.WebhookEndpoint, Url: e.URL, Description: some(e.Description), Types: as[string](e.Types),
		State: api.WebhookState(e.State), Reason: some(string(e.Reason)), FailingSince: some(e.FailingSince),
		ApiVersion: e.APIVersion, Version: e.Version, CreatedAt: e.CreatedAt,
	}
}
