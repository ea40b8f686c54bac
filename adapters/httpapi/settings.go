package httpapi

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// GetPublishingSettings implements GET /publishing/settings.
func (s *Server) GetPublishingSettings(ctx context.Context, _ api.GetPublishingSettingsRequestObject) (api.GetPublishingSettingsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := s.Posts.Settings(ctx, who)
	if err != nil {
		return nil, err
	}
	return api.GetPublishingSettings200JSONResponse{MissedAfterS: int(rules.MissedAfter / time.Second)}, nil
}

// UpdatePublishingSettings implements PUT /publishing/settings.
func (s *Server) UpdatePublishingSettings(ctx context.Context, req api.UpdatePublishingSettingsRequestObject) (api.UpdatePublishingSettingsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	rules := publishing.Settings{MissedAfter: time.Duration(req.Body.MissedAfterS) * time.Second}
	if err := s.Posts.UpdateSettings(ctx, who, rules); err != nil {
		return nil, err
	}
	return api.UpdatePublishingSettings200JSONResponse(*req.Body), nil
}
