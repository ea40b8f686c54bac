package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/tenants"
)

// TestWebhook implements POST /webhooks/{webhook}:test.
func (s *Server) TestWebhook(ctx context.Context, req api.TestWebhookRequestObject) (api.TestWebhookResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.Webhooks.Test(ctx, who, events.EndpointID(req.Webhook))
	if err != nil {
		return nil, err
	}
	return api.TestWebhook202JSONResponse(toDelivery(*d)), nil
}

// ReplayWebhook implements POST /webhooks/{webhook}:replay.
func (s *Server) ReplayWebhook(ctx context.Context, req api.ReplayWebhookRequestObject) (api.ReplayWebhookResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.Webhooks.Replay(ctx, who, events.EndpointID(req.Webhook), req.Body.Since)
	if err != nil {
		return nil, err
	}
	return api.ReplayWebhook202JSONResponse{
		Body:    api.Replay{Id: r.ID, WebhookId: string(r.Endpoint), Since: r.Since},
		Headers: api.ReplayWebhook202ResponseHeaders{Location: jobAt(r.ID)},
	}, nil
}

// ListWebhookDeliveries implements GET /webhooks/{webhook}/deliveries.
func (s *Server) ListWebhookDeliveries(ctx context.Context, req api.ListWebhookDeliveriesRequestObject) (api.ListWebhookDeliveriesResponseObject, error) {
	who, q, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	list, more, err := s.Webhooks.Deliveries(ctx, who, events.DeliveryQuery{
		Endpoint: events.EndpointID(req.Webhook), Before: events.DeliveryID(q.after), Limit: q.limit,
	})
	if err != nil {
		return nil, err
	}
	out := api.ListWebhookDeliveries200JSONResponse{Data: each(list, toDelivery), HasMore: more}
	if more {
		out.NextCursor = s.next(ctx, string(list[len(list)-1].ID))
	}
	return out, nil
}

// ReplayWebhookDelivery implements POST /webhook-deliveries/{delivery}:replay.
func (s *Server) ReplayWebhookDelivery(ctx context.Context, req api.ReplayWebhookDeliveryRequestObject) (api.ReplayWebhookDeliveryResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.Webhooks.Resend(ctx, who, events.DeliveryID(req.Delivery))
	if err != nil {
		return nil, err
	}
	return api.ReplayWebhookDelivery202JSONResponse{
		Body: toDelivery(*d), Headers: api.ReplayWebhookDelivery202ResponseHeaders{Location: jobAt(d.Replay)},
	}, nil
}

func toDelivery(d events.Delivery) api.WebhookDelivery {
	return api.WebhookDelivery{
		Id: string(d.ID), Object: api.WebhookDeliveryObjectWebhookDelivery, WebhookId: string(d.Endpoint), EventId: string(d.Event), EventType: string(d.Type),
		Replay: some(d.Replay), State: api.WebhookDeliveryState(d.State), Attempts: d.Attempts, Status: some(d.Status),
		Excerpt: some(d.Excerpt), NextAt: some(d.NextAt), CreatedAt: d.CreatedAt,
	}
}
