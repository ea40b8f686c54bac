package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/adapters/httpapi/strictjson"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Channels is what the HTTP surface uses of channels.Service.
type Channels interface {
	Platforms(ctx context.Context, who tenants.Scope) ([]social.Manifest, error)
	Start(ctx context.Context, who tenants.Scope, req channels.StartRequest) (channels.Connection, error)
	Continue(ctx context.Context, who tenants.Scope, id channels.ConnectionID, input map[string]string) (channels.Connection, error)
	Choose(ctx context.Context, who tenants.Scope, id channels.ConnectionID, accounts []string) (channels.Connection, error)
	Connection(ctx context.Context, who tenants.Scope, id channels.ConnectionID) (channels.Connection, error)
	Callback(ctx context.Context, binding, state string, query map[string]string) (channels.Connection, error)
	List(ctx context.Context, who tenants.Scope, q channels.Query) ([]channels.Channel, bool, error)
	Get(ctx context.Context, who tenants.Scope, id channels.ID) (channels.Channel, error)
	Describe(ctx context.Context, who tenants.Scope, id channels.ID) (channels.Target, error)
	Update(ctx context.Context, who tenants.Scope, id channels.ID, version int, change channels.Change) (channels.Channel, error)
	Disconnect(ctx context.Context, who tenants.Scope, id channels.ID, version int) (channels.Channel, error)
}

// ListChannels implements GET /channels.
func (s *Server) ListChannels(ctx context.Context, req api.ListChannelsRequestObject) (api.ListChannelsResponseObject, error) {
	who, q, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	list, more, err := s.Channels.List(ctx, who, channels.Query{After: channels.ID(q.after), Limit: q.limit})
	if err != nil {
		return nil, err
	}
	out := api.ListChannels200JSONResponse{Data: each(list, toChannel), HasMore: more}
	if more {
		out.NextCursor = s.next(ctx, string(list[len(list)-1].ID))
	}
	return out, nil
}

// GetChannel implements GET /channels/{channel}.
func (s *Server) GetChannel(ctx context.Context, req api.GetChannelRequestObject) (api.GetChannelResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	ch, err := s.Channels.Get(ctx, who, channels.ID(req.Channel))
	if err != nil {
		return nil, err
	}
	etag(ctx, ch.Version)
	out := toChannel(ch)
	if t, err := s.Channels.Describe(ctx, who, ch.ID); err == nil { // or else the plugin cannot be asked now
		describe(&out, t)
	}
	return api.GetChannel200JSONResponse(out), nil
}

// describe says what can be done with a channel, and what not and why.
func describe(out *api.Channel, t channels.Target) {
	out.MissingScopes, out.Capabilities = t.Lacking, as[string](t.Manifest.Capabilities)
	for _, f := range t.Manifest.Formats {
		missing, ok := t.Format(f.ID)
		one := api.ChannelFormat{Id: f.ID, Name: f.Name, Available: ok, MissingScopes: missing}
		switch {
		case ok:
		case len(missing) > 0:
			one.Reason = ptr(api.ChannelFormatReasonMissingScope)
		default:
			one.Reason = ptr(api.ChannelFormatReasonNotForAccount)
		}
		out.Formats = append(out.Formats, one)
	}
	for _, m := range t.Missing {
		if m.Capability != "" {
			out.DisabledCapabilities = append(out.DisabledCapabilities, api.DisabledCapability{
				Id: string(m.Capability), Reason: api.DisabledCapabilityReasonMissingScope, MissingScopes: m.Scopes,
			})
		}
	}
}

// UpdateChannel implements PATCH /channels/{channel}.
func (s *Server) UpdateChannel(ctx context.Context, req api.UpdateChannelRequestObject) (api.UpdateChannelResponseObject, error) {
	ch, err := s.changeChannel(ctx, req.Channel, func(now channels.Channel) (*channels.Change, error) {
		form := channelForm{now.Name}
		next, err := strictjson.Merge(form, *req.Body)
		if err != nil || strictjson.Same(form, next) {
			return nil, err
		}
		return &channels.Change{Name: &next.Name}, nil
	})
	return api.UpdateChannel200JSONResponse(ch), err
}

// channelForm is what can be changed of a channel.
type channelForm struct {
	Name string `json:"name" validate:"min=1,max=120,line"`
}

// PauseChannel implements POST /channels/{channel}:pause.
func (s *Server) PauseChannel(ctx context.Context, req api.PauseChannelRequestObject) (api.PauseChannelResponseObject, error) {
	ch, err := s.changeChannel(ctx, req.Channel, func(channels.Channel) (*channels.Change, error) {
		return &channels.Change{Paused: ptr(true), PauseReason: ptr(or(or(req.Body).Reason))}, nil
	})
	return api.PauseChannel200JSONResponse(ch), err
}

// ResumeChannel implements POST /channels/{channel}:resume.
func (s *Server) ResumeChannel(ctx context.Context, req api.ResumeChannelRequestObject) (api.ResumeChannelResponseObject, error) {
	ch, err := s.changeChannel(ctx, req.Channel, func(channels.Channel) (*channels.Change, error) {
		return &channels.Change{Paused: ptr(false)}, nil
	})
	return api.ResumeChannel200JSONResponse(ch), err
}

// DeleteChannel implements DELETE /channels/{channel}.
func (s *Server) DeleteChannel(ctx context.Context, req api.DeleteChannelRequestObject) (api.DeleteChannelResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	ch, err := s.Channels.Disconnect(ctx, who, channels.ID(req.Channel), versionOf(ctx))
	if err != nil {
		return nil, raced(err, s.channelVersion(ctx, who, req.Channel))
	}
	etag(ctx, ch.Version)
	return api.DeleteChannel200JSONResponse(toChannel(ch)), nil
}

// changeChannel makes a change of what is there now, if that is what the
// caller has seen and there is one.
func (s *Server) changeChannel(ctx context.Context, id string, fn func(channels.Channel) (*channels.Change, error)) (out api.Channel, err error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return out, err
	}
	now, err := s.Channels.Get(ctx, who, channels.ID(id))
	if err != nil {
		return out, err
	}
	version, err := basedOn(ctx, now.Version)
	if err != nil {
		return out, err
	}
	change, err := fn(now)
	if err != nil {
		return out, err
	}
	ch := now
	if change != nil {
		ch, err = s.Channels.Update(ctx, who, now.ID, version, *change)
	}
	if err != nil {
		return out, raced(err, s.channelVersion(ctx, who, id))
	}
	etag(ctx, ch.Version)
	return toChannel(ch), nil
}

func (s *Server) channelVersion(ctx context.Context, who tenants.Scope, id string) func() (int, error) {
	return func() (int, error) {
		ch, err := s.Channels.Get(ctx, who, channels.ID(id))
		return ch.Version, err
	}
}

func toChannel(c channels.Channel) api.Channel {
	out := api.Channel{
		Id: string(c.ID), Object: api.ChannelObjectChannel, Platform: c.Platform, Instance: some(c.Instance), Name: c.Name,
		State: api.ChannelState(c.State), Reason: some(c.Reason), Remedy: some(c.Remedy), Paused: c.Paused, PauseReason: some(c.PausedOn),
		Account: toAccount(c.Account), Version: c.Version, ConnectedAt: c.ConnectedAt, UpdatedAt: c.UpdatedAt,
	}
	if l := c.Account.Limits; l != nil {
		out.Limits = &api.Limits{
			MaxText: some(l.MaxText), MaxMedia: some(l.MaxMedia), MaxMediaBytes: some(l.MaxMediaBytes), MaxAlt: some(l.MaxAlt), UrlWeight: some(l.URLWeight),
		}
	}
	return out
}

func ptr[T any](v T) *T { return &v }

// paging is which part of a list is asked for.
type paging struct {
	after string
	limit int
}

// page reads who asks for which part of a list.
func (s *surface) page(ctx context.Context, limit *int, cursor *string) (who tenants.Scope, p paging, err error) {
	if who, err = tenants.FromContext(ctx); err != nil {
		return who, p, err
	}
	if p.limit, err = limitOf(limit); err != nil {
		return who, p, err
	}
	p.after, err = s.after(ctx, cursor)
	return who, p, err
}
