package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// GetCalendar implements GET /calendar.
func (s *Server) GetCalendar(ctx context.Context, req api.GetCalendarRequestObject) (api.GetCalendarResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	p := req.Params
	if _, err := window(&p.ScheduledFrom, &p.ScheduledUntil); err != nil {
		return nil, err
	}
	f := publishing.Filter{From: p.ScheduledFrom, To: p.ScheduledUntil, Channel: channels.ID(or(p.Channel)), Limit: maxCalendar + 1}
	if p.State != nil {
		f.States = []publishing.State{publishing.State(*p.State)}
	}
	entries, err := s.Posts.Calendar(ctx, who, f)
	if err != nil {
		return nil, err
	}
	more := len(entries) > maxCalendar
	return api.GetCalendar200JSONResponse{Data: each(entries[:min(len(entries), maxCalendar)], toEntry), HasMore: more}, nil
}

func toEntry(e publishing.Entry) api.CalendarEntry {
	out := api.CalendarEntry{
		Id: string(e.ID), Object: api.CalendarEntryObjectCalendarEntry, State: api.PostState(e.State), PublishAt: e.At, Timezone: some(e.Zone),
		Text: e.Text, MediaId: some(string(e.Media)), Segments: e.Parts, Channels: make([]string, len(e.Channels)),
	}
	for i, ch := range e.Channels {
		out.Channels[i] = string(ch)
	}
	return out
}
