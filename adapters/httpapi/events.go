package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Events is what the HTTP surface uses of events.Service for reading.
type Events interface {
	List(ctx context.Context, who tenants.Scope, q events.Query) (events.Page, error)
	Resume(ctx context.Context, who tenants.Scope, last events.Cursor) (from events.Place, reset bool, err error)
	Follow(ctx context.Context, who tenants.Scope, from events.Place) (events.Page, error)
}

// ListEvents implements GET /events.
func (s *Server) ListEvents(ctx context.Context, req api.ListEventsRequestObject) (api.ListEventsResponseObject, error) {
	who, p, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	q := events.Query{After: events.Cursor(p.after), Limit: p.limit}
	if req.Params.Type != nil {
		q.Types = []events.Filter{events.Filter(*req.Params.Type)}
	}
	page, err := s.Events.List(ctx, who, q)
	if err != nil {
		return nil, onQuery(err)
	}
	out := api.ListEvents200JSONResponse{Data: make([]api.Event, len(page.Events)), HasMore: page.More, NextCursor: s.next(ctx, string(page.Next))}
	for i := range page.Events {
		if out.Data[i], err = page.Events[i].Envelope(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// onQuery points at the parameter that a filter came from.
func onQuery(err error) error {
	if f := fault.Of(err); f.Code == fault.Invalid && f.Field == "/types/0" {
		return fault.New(f.Code, f.Reason, "%s", f.Message).On("/query/type") // a 400, as for every parameter
	}
	return err
}
