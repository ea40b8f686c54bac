package httpapi

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// GetPluginSettings implements GET /plugins/{plugin}/settings.
func (s *Server) GetPluginSettings(ctx context.Context, req api.GetPluginSettingsRequestObject) (api.GetPluginSettingsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	got, err := s.Plugins.Settings(ctx, who, req.Plugin)
	return api.GetPluginSettings200JSONResponse(toSettings(got)), err
}

// SetPluginSettings implements PUT /plugins/{plugin}/settings.
func (s *Server) SetPluginSettings(ctx context.Context, req api.SetPluginSettingsRequestObject) (api.SetPluginSettingsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	got, err := s.Plugins.SetSettings(ctx, who, req.Plugin, req.Body.Values)
	return api.SetPluginSettings200JSONResponse(toSettings(got)), err
}

func toSettings(in catalog.Settings) api.PluginSettings {
	return api.PluginSettings{Schema: object(in.Schema), Values: in.Values, Secrets: as[string](in.Secrets)}
}

// GetPluginGrants implements GET /plugins/{plugin}/grants.
func (s *Server) GetPluginGrants(ctx context.Context, req api.GetPluginGrantsRequestObject) (api.GetPluginGrantsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	g, _, err := s.Plugins.Grants(ctx, who, req.Plugin)
	return api.GetPluginGrants200JSONResponse(toGrants(g)), err
}

// SetPluginGrants implements PUT /plugins/{plugin}/grants.
func (s *Server) SetPluginGrants(ctx context.Context, req api.SetPluginGrantsRequestObject) (api.SetPluginGrantsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	g := catalog.Grants{Tiers: as[tenants.Tier](req.Body.Tiers), OptIn: or(req.Body.OptIn), Tenants: map[tenants.ID]bool{}}
	for i, w := range req.Body.Tenants {
		t := tenants.ID(w.Tenant)
		if _, twice := g.Tenants[t]; twice || !t.Valid() {
			return nil, fault.New(fault.Invalid, "plugin.bad_tenant", "Name each tenant once, as ten_….").On(fmt.Sprintf("/tenants/%d/tenant", i))
		}
		g.Tenants[t] = w.Allowed
	}
	g, _, err = s.Plugins.SetGrants(ctx, who, req.Plugin, 0, g)
	return api.SetPluginGrants200JSONResponse(toGrants(g)), err
}

func toGrants(g catalog.Grants) api.PluginGrants {
	out := api.PluginGrants{Tiers: as[api.PluginGrantsTiers](g.Tiers), OptIn: &g.OptIn}
	for _, t := range slices.Sorted(maps.Keys(g.Tenants)) {
		out.Tenants = append(out.Tenants, api.PluginGrant{Tenant: string(t), Allowed: g.Tenants[t]})
	}
	return out
}

// ListPluginKeys implements GET /plugin-keys.
func (s *Server) ListPluginKeys(ctx context.Context, _ api.ListPluginKeysRequestObject) (api.ListPluginKeysResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.Plugins.Keys(ctx, who)
	return api.ListPluginKeys200JSONResponse{Data: each(all, toPluginKey)}, err
}

// TrustPluginKey implements POST /plugin-keys.
func (s *Server) TrustPluginKey(ctx context.Context, req api.TrustPluginKeyRequestObject) (api.TrustPluginKeyResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	k, err := catalog.ParseKey(req.Body.Public)
	if err != nil {
		return nil, err
	}
	k.Name = req.Body.Name
	k, err = s.Plugins.Trust(ctx, who, k)
	return api.TrustPluginKey201JSONResponse(toPluginKey(k)), err
}

// DistrustPluginKey implements DELETE /plugin-keys/{plugin_key}.
func (s *Server) DistrustPluginKey(ctx context.Context, req api.DistrustPluginKeyRequestObject) (api.DistrustPluginKeyResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	return api.DistrustPluginKey204Response{}, s.Plugins.Distrust(ctx, who, req.PluginKey)
}

func toPluginKey(k catalog.Key) api.PluginKey {
	return api.PluginKey{Id: k.ID, Object: api.PluginKeyObjectPluginKey, Name: k.Name, Public: k.PEM(), AddedBy: k.AddedBy, AddedAt: k.AddedAt}
}
