package httpapi

import (
	"context"
	"strings"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Plugins is what the HTTP surface uses of catalog.Service.
type Plugins interface {
	List(ctx context.Context, who tenants.Scope) ([]catalog.Entry, error)
	Get(ctx context.Context, who tenants.Scope, id string) (catalog.Entry, error)
	Add(ctx context.Context, who tenants.Scope, up catalog.Upload) (catalog.Entry, error)
	Remove(ctx context.Context, who tenants.Scope, id string) error
	Approve(ctx context.Context, who tenants.Scope, id, digest string) (catalog.Entry, error)
	Dismiss(ctx context.Context, who tenants.Scope, id, digest string) (catalog.Entry, error)
	Rollback(ctx context.Context, who tenants.Scope, id, version string) (catalog.Entry, error)
	Enable(ctx context.Context, who tenants.Scope, id string) (catalog.Entry, error)
	Disable(ctx context.Context, who tenants.Scope, id string) (catalog.Entry, error)
	Update(ctx context.Context, who tenants.Scope, id string, c catalog.ChannelChange) (catalog.Entry, error)
	Settings(ctx context.Context, who tenants.Scope, id string) (catalog.Settings, error)
	SetSettings(ctx context.Context, who tenants.Scope, id string, values map[string]any) (catalog.Settings, error)
	Grants(ctx context.Context, who tenants.Scope, id string) (catalog.Grants, int, error)
	SetGrants(ctx context.Context, who tenants.Scope, id string, row int, g catalog.Grants) (catalog.Grants, int, error)
	Keys(ctx context.Context, who tenants.Scope) ([]catalog.Key, error)
	Trust(ctx context.Context, who tenants.Scope, k catalog.Key) (catalog.Key, error)
	Distrust(ctx context.Context, who tenants.Scope, id string) error
}

// ListPlugins implements GET /plugins.
func (s *Server) ListPlugins(ctx context.Context, _ api.ListPluginsRequestObject) (api.ListPluginsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.Plugins.List(ctx, who)
	if err != nil {
		return nil, err
	}
	return api.ListPlugins200JSONResponse{Data: each(all, toPlugin)}, nil
}

// GetPlugin implements GET /plugins/{plugin}.
func (s *Server) GetPlugin(ctx context.Context, req api.GetPluginRequestObject) (api.GetPluginResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.Plugins.Get(ctx, who, req.Plugin)
	return api.GetPlugin200JSONResponse(toPlugin(e)), err
}

// AddPlugin implements POST /plugins.
func (s *Server) AddPlugin(ctx context.Context, req api.AddPluginRequestObject) (api.AddPluginResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	upload := media.UploadRequest{Reader: req.Body}
	if req.MultipartBody != nil {
		if upload, err = filePart(req.MultipartBody, upload); err != nil {
			return nil, err
		}
	}
	if upload.Reader == nil {
		return nil, fault.New(fault.Invalid, "request.unsupported_media_type", "Send a bundle as application/octet-stream, or a form with a part named file.").On("/header/Content-Type")
	}
	e, err := s.Plugins.Add(ctx, who, catalog.Upload{Bundle: upload.Reader, Channel: catalog.Channel(or(req.Params.Channel))})
	if err != nil {
		return nil, err
	}
	return api.AddPlugin201JSONResponse(toPlugin(e)), nil
}

// RemovePlugin implements DELETE /plugins/{plugin}.
func (s *Server) RemovePlugin(ctx context.Context, req api.RemovePluginRequestObject) (api.RemovePluginResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return api.RemovePlugin204Response{}, s.Plugins.Remove(ctx, who, req.Plugin)
}

// ApprovePlugin implements POST /plugins/{plugin}:approve.
func (s *Server) ApprovePlugin(ctx context.Context, req api.ApprovePluginRequestObject) (api.ApprovePluginResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.Plugins.Approve(ctx, who, req.Plugin, req.Body.Digest)
	return api.ApprovePlugin200JSONResponse(toPlugin(e)), err
}

// DismissPlugin implements POST /plugins/{plugin}:dismiss.
func (s *Server) DismissPlugin(ctx context.Context, req api.DismissPluginRequestObject) (api.DismissPluginResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	var digest string
	if req.Body != nil {
		digest = or(req.Body.Digest)
	}
	e, err := s.Plugins.Dismiss(ctx, who, req.Plugin, digest)
	return api.DismissPlugin200JSONResponse(toPlugin(e)), err
}

// RollbackPlugin implements POST /plugins/{plugin}:rollback.
func (s *Server) RollbackPlugin(ctx context.Context, req api.RollbackPluginRequestObject) (api.RollbackPluginResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	var version string
	if req.Body != nil {
		version = or(req.Body.Version)
	}
	e, err := s.Plugins.Rollback(ctx, who, req.Plugin, version)
	return api.RollbackPlugin200JSONResponse(toPlugin(e)), err
}

// EnablePlugin implements POST /plugins/{plugin}:enable.
func (s *Server) EnablePlugin(ctx context.Context, req api.EnablePluginRequestObject) (api.EnablePluginResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.Plugins.Enable(ctx, who, req.Plugin)
	return api.EnablePlugin200JSONResponse(toPlugin(e)), err
}

// DisablePlugin implements POST /plugins/{plugin}:disable.
func (s *Server) DisablePlugin(ctx context.Context, req api.DisablePluginRequestObject) (api.DisablePluginResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.Plugins.Disable(ctx, who, req.Plugin)
	return api.DisablePlugin200JSONResponse(toPlugin(e)), err
}

// SetPluginChannel implements PUT /plugins/{plugin}/channel.
func (s *Server) SetPluginChannel(ctx context.Context, req api.SetPluginChannelRequestObject) (api.SetPluginChannelResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	ch := catalog.Channel(req.Body.Channel)
	e, err := s.Plugins.Update(ctx, who, req.Plugin, catalog.ChannelChange{Channel: &ch})
	return api.SetPluginChannel200JSONResponse(toPlugin(e)), err
}

func toPlugin(e catalog.Entry) api.Plugin {
	p := e.Plugin
	out := api.Plugin{
		Id: p.ID, Object: api.PluginObjectPlugin, Name: e.Manifest.Name, Version: e.Manifest.Version, Digest: some(p.Active), Level: api.PluginLevel(p.Level),
		State: api.PluginState(p.State), Channel: some(api.PluginChannel(p.Channel)), Access: access(e.Closed), Manifest: toPlatform(e.Manifest),
		Hosts: p.Hosts, Scopes: p.Scopes, Versions: each(e.Versions, toVersion),
		Changes: each(e.Diff, func(c catalog.Change) api.PluginChange { return api.PluginChange{Kind: string(c.Kind), What: c.What} }),
		Health:  &api.PluginHealth{State: some(e.Health.State), Version: some(e.Health.Version), Error: some(e.Health.Error), Sandbox: some(e.Health.Sandbox)},
	}
	if e.Choice != nil {
		out.Chosen = &e.Choice.On
	}
	if e.Pending != nil {
		out.Pending = ptr(toVersion(*e.Pending))
		if p.Active == "" {
			out.State = api.PluginStatePendingApproval
		}
	}
	return out
}

// access is a reason without its noun: "platform.switched_off" is "switched_off".
func access(why catalog.Reason) api.PluginAccess {
	if why == catalog.Open {
		return api.PluginAccessOn
	}
	return api.PluginAccess(strings.TrimPrefix(string(why), "platform."))
}

func toVersion(v catalog.Version) api.PluginVersion {
	return api.PluginVersion{
		Version: v.Version, Digest: v.Digest, Level: api.PluginVersionLevel(v.Level), Key: some(v.Key), Platform: v.Platform, AddedBy: v.AddedBy, AddedAt: v.AddedAt,
	}
}
