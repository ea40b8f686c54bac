package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/adapters/httpapi/strictjson"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Tenants is what the HTTP surface uses of registry.Service for the tree.
type Tenants interface {
	Mine(ctx context.Context, user tenants.UserID) ([]registry.Place, error)
	Get(ctx context.Context, who tenants.Scope) (*registry.Tenant, error)
	Children(ctx context.Context, who tenants.Scope, after tenants.ID, limit int) ([]registry.Entry, error)
	Create(ctx context.Context, who tenants.Scope, d registry.Draft) (*registry.Tenant, error)
	Update(ctx context.Context, who tenants.Scope, c registry.Change) (*registry.Tenant, error)
	Pause(ctx context.Context, who tenants.Scope, reason string) (*registry.Tenant, error)
	Unpause(ctx context.Context, who tenants.Scope) (*registry.Tenant, error)
	Suspend(ctx context.Context, who tenants.Scope, child tenants.ID, reason string) error
	Resume(ctx context.Context, who tenants.Scope, child tenants.ID) error
}

// in is who asks, if the tenant in the path is the one they are in. Any other
// answers as one that never was.
func in(ctx context.Context, tenant string) (tenants.Scope, error) {
	who, err := tenants.FromContext(ctx)
	if err == nil && tenants.ID(tenant) != who.Tenant {
		err = noTenant()
	}
	return who, err
}

// ListTenants implements GET /tenants.
func (s *Server) ListTenants(ctx context.Context, _ api.ListTenantsRequestObject) (api.ListTenantsResponseObject, error) {
	places, err := s.Tenants.Mine(ctx, caller(ctx).User)
	if err != nil {
		return nil, err
	}
	return api.ListTenants200JSONResponse{Data: each(places, toPlace)}, nil
}

func toPlace(p registry.Place) api.Place {
	return api.Place{
		Id: string(p.ID), Object: api.PlaceObjectTenant, Kind: api.TenantKind(p.Kind), ParentId: some(string(p.Parent)),
		Name: p.Name, State: api.PlaceState(p.State), SuspendedReason: some(p.Closure.Reason), Ask: some(p.Closure.Ask), Role: string(p.Role),
	}
}

func toChild(e registry.Entry) api.Child {
	return api.Child{Id: string(e.ID), Object: api.ChildObjectTenant, Kind: api.TenantKind(e.Kind), Name: e.Name, State: api.ChildState(e.State)}
}

// GetTenant implements GET /tenants/{tenant}.
func (s *Server) GetTenant(ctx context.Context, req api.GetTenantRequestObject) (api.GetTenantResponseObject, error) {
	t, err := s.tenant(ctx, req.Tenant, func(who tenants.Scope) (*registry.Tenant, error) { return s.Tenants.Get(ctx, who) })
	return api.GetTenant200JSONResponse(t), err
}

// UpdateTenant implements PATCH /tenants/{tenant}.
func (s *Server) UpdateTenant(ctx context.Context, req api.UpdateTenantRequestObject) (api.UpdateTenantResponseObject, error) {
	t, err := s.tenant(ctx, req.Tenant, func(who tenants.Scope) (*registry.Tenant, error) {
		now, err := s.Tenants.Get(ctx, who)
		if err != nil {
			return nil, err
		}
		version, err := basedOn(ctx, now.Version)
		if err != nil {
			return nil, err
		}
		form := tenantForm{now.Name, now.Settings.TimeZone, now.Settings.Locale}
		next, err := strictjson.Merge(form, *req.Body)
		if err != nil || strictjson.Same(form, next) {
			return now, err
		}
		settings := registry.Settings{TimeZone: next.TimeZone, Locale: next.Locale}
		return s.Tenants.Update(ctx, who, registry.Change{Name: &next.Name, Settings: &settings, Version: version})
	})
	return api.UpdateTenant200JSONResponse(t), err
}

// tenantForm is what can be changed of a tenant.
type tenantForm struct {
	Name     string `json:"name" validate:"min=1,max=120,line"`
	TimeZone string `json:"timezone,omitempty" validate:"max=64,line"`
	Locale   string `json:"locale,omitempty" validate:"max=35,line"`
}

// ListChildTenants implements GET /tenants/{tenant}/children.
func (s *Server) ListChildTenants(ctx context.Context, req api.ListChildTenantsRequestObject) (api.ListChildTenantsResponseObject, error) {
	who, err := in(ctx, req.Tenant)
	if err != nil {
		return nil, err
	}
	_, q, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	children, err := s.Tenants.Children(ctx, who, tenants.ID(q.after), q.limit+1)
	if err != nil {
		return nil, err
	}
	out := api.ListChildTenants200JSONResponse{HasMore: len(children) > q.limit}
	if out.HasMore {
		children = children[:q.limit]
		out.NextCursor = s.next(ctx, string(children[q.limit-1].ID))
	}
	out.Data = each(children, toChild)
	return out, nil
}

// CreateChildTenant implements POST /tenants/{tenant}/children.
func (s *Server) CreateChildTenant(ctx context.Context, req api.CreateChildTenantRequestObject) (api.CreateChildTenantResponseObject, error) {
	t, err := s.tenant(ctx, req.Tenant, func(who tenants.Scope) (*registry.Tenant, error) {
		return s.Tenants.Create(ctx, who, registry.Draft{
			Kind: tenants.Kind(req.Body.Kind), Name: req.Body.Name, Tier: tenants.Tier(or(req.Body.Tier)),
			Settings: registry.Settings{TimeZone: or(req.Body.Timezone), Locale: or(req.Body.Locale)},
		})
	})
	return api.CreateChildTenant201JSONResponse(t), err
}

// SuspendTenant implements POST /tenants/{tenant}/children/{child}:suspend.
func (s *Server) SuspendTenant(ctx context.Context, req api.SuspendTenantRequestObject) (api.SuspendTenantResponseObject, error) {
	who, err := in(ctx, req.Tenant)
	if err != nil {
		return nil, err
	}
	if err := s.Tenants.Suspend(ctx, who, tenants.ID(req.Child), or(or(req.Body).Reason)); err != nil {
		return nil, err
	}
	return api.SuspendTenant204Response{}, nil
}

// ResumeTenant implements POST /tenants/{tenant}/children/{child}:resume.
func (s *Server) ResumeTenant(ctx context.Context, req api.ResumeTenantRequestObject) (api.ResumeTenantResponseObject, error) {
	who, err := in(ctx, req.Tenant)
	if err != nil {
		return nil, err
	}
	if err := s.Tenants.Resume(ctx, who, tenants.ID(req.Child)); err != nil {
		return nil, err
	}
	return api.ResumeTenant204Response{}, nil
}

// PausePublishing implements POST /tenants/{tenant}/publishing:pause.
func (s *Server) PausePublishing(ctx context.Context, req api.PausePublishingRequestObject) (api.PausePublishingResponseObject, error) {
	t, err := s.tenant(ctx, req.Tenant, func(who tenants.Scope) (*registry.Tenant, error) {
		return s.Tenants.Pause(ctx, who, or(or(req.Body).Reason))
	})
	return api.PausePublishing200JSONResponse(t), err
}

// ResumePublishing implements POST /tenants/{tenant}/publishing:resume.
func (s *Server) ResumePublishing(ctx context.Context, req api.ResumePublishingRequestObject) (api.ResumePublishingResponseObject, error) {
	t, err := s.tenant(ctx, req.Tenant, func(who tenants.Scope) (*registry.Tenant, error) { return s.Tenants.Unpause(ctx, who) })
	return api.ResumePublishing200JSONResponse(t), err
}

// tenant runs a use case that answers one tenant.
func (s *Server) tenant(ctx context.Context, name string, run func(tenants.Scope) (*registry.Tenant, error)) (out api.Tenant, err error) {
	who, err := in(ctx, name)
	if err != nil {
		return out, err
	}
	t, err := run(who)
	if err != nil {
		return out, raced(err, func() (int, error) {
			now, err := s.Tenants.Get(ctx, who)
			if err != nil {
				return 0, err
			}
			return now.Version, nil
		})
	}
	etag(ctx, t.Version)
	return toTenant(t, who.Tier), nil
}

// toTenant shows a tenant; inherited is the plan it has from above.
func toTenant(t *registry.Tenant, inherited tenants.Tier) api.Tenant {
	tier := t.Tier
	if tier == "" {
		tier = inherited
	}
	return api.Tenant{
		Id: string(t.ID), Object: api.TenantObjectTenant, Kind: api.TenantKind(t.Kind), ParentId: some(string(t.Parent)), Name: t.Name,
		Tier: api.TenantTier(tier), State: api.TenantState(t.State), PublishingPaused: t.Paused, PauseReason: some(t.PausedReason),
		Timezone: t.Settings.TimeZone, Locale: t.Settings.Locale, Version: t.Version, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt,
	}
}
