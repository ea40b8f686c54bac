package httpapi

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// ListPlatforms implements GET /platforms.
func (s *Server) ListPlatforms(ctx context.Context, _ api.ListPlatformsRequestObject) (api.ListPlatformsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	manifests, err := s.Channels.Platforms(ctx, who)
	if err != nil {
		return nil, err
	}
	return api.ListPlatforms200JSONResponse{Data: each(manifests, toPlatform)}, nil
}

// GetPlatform implements GET /platforms/{platform}.
func (s *Server) GetPlatform(ctx context.Context, req api.GetPlatformRequestObject) (api.GetPlatformResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	manifests, err := s.Channels.Platforms(ctx, who)
	if err != nil {
		return nil, err
	}
	for _, m := range manifests {
		if m.ID == req.Platform {
			return api.GetPlatform200JSONResponse(toPlatform(m)), nil
		}
	}
	return nil, fault.New(fault.NotFound, "platform.not_found", "There is no such platform.")
}

func toPlatform(m social.Manifest) api.Platform {
	return api.Platform{
		Id: m.ID, Object: api.PlatformObjectPlatform, Name: m.Name, Version: m.Version, Summary: some(m.Summary), Homepage: some(m.Homepage),
		Auth: api.PlatformAuth(m.Auth.Kind), NeedsInstance: some(needsInstance(m)), Form: object(m.Auth.Form),
		Formats: each(m.Formats, toFormat), Capabilities: as[string](m.Capabilities), Dedup: api.PlatformDedup(m.Dedup),
		OperatorSettings: object(m.SettingsSchema), ApiVersion: some(m.APIVersion), Sunset: some(m.Sunset), Warning: some(m.Ending(time.Now())),
	}
}

func needsInstance(m social.Manifest) bool {
	return m.Auth.OAuth2 != nil && strings.Contains(m.Auth.OAuth2.AuthorizeURL, social.OwnServer)
}

func toFormat(f social.Format) api.Format {
	return api.Format{
		Id: f.ID, Name: f.Name, Settings: object(f.Settings), Scopes: f.Scopes,
		Text: api.TextRule{
			Max: some(f.Text.Max), Count: api.TextRuleCount(f.Text.Count), MaxBytes: some(f.Text.MaxBytes),
			UrlWeight: some(f.Text.URLWeight), Optional: some(f.Text.Optional),
		},
		Media: api.MediaRule{
			Kinds: as[string](f.Media.Kinds), Mimes: as[string](f.Media.MIMEs), Max: some(f.Media.Max), MaxBytes: some(f.Media.MaxBytes),
			MaxWidth: some(f.Media.MaxWidth), MaxHeight: some(f.Media.MaxHeight), MaxAlt: some(f.Media.MaxAlt),
		},
	}
}

// object reads a JSON object that a plugin declared; one that is none is left out.
func object(raw []byte) (out map[string]any) {
	if json.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}
