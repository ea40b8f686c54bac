package httpapi

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/tenants"
)

// ListFeatures implements GET /features.
func (s *Server) ListFeatures(ctx context.Context, _ api.ListFeaturesRequestObject) (api.ListFeaturesResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	t, err := s.Tenants.Get(ctx, who)
	if err != nil {
		return nil, err
	}
	out := api.ListFeatures200JSONResponse{Features: map[string]bool{}}
	if s.Edge != nil && s.Edge() != nil {
		out.Features = s.Edge().Features(t.Ancestors)
	}
	return out, nil
}

// ListBlocks implements GET /operator/blocks.
func (s *Server) ListBlocks(ctx context.Context, _ api.ListBlocksRequestObject) (api.ListBlocksResponseObject, error) {
	all, err := s.Admin.Blocks(ctx, operator(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListBlocks200JSONResponse{Data: each(all, toBlock)}, nil
}

// AddBlock implements POST /operator/blocks.
func (s *Server) AddBlock(ctx context.Context, req api.AddBlockRequestObject) (api.AddBlockResponseObject, error) {
	b, err := s.Admin.Block(ctx, operator(ctx), s.client(exchangeOf(ctx).c), req.Body.Range, req.Body.Reason, or(req.Body.Until))
	if err != nil {
		return nil, err
	}
	return api.AddBlock201JSONResponse(toBlock(*b)), nil
}

func toBlock(b admin.Block) api.Block {
	return api.Block{
		Id: b.ID, Object: api.BlockObjectBlock, Range: b.Range.String(), Reason: b.Reason, CreatedBy: b.By, CreatedAt: b.CreatedAt, ExpiresAt: some(b.ExpiresAt),
	}
}

// DropBlock implements DELETE /operator/blocks/{block}.
func (s *Server) DropBlock(ctx context.Context, req api.DropBlockRequestObject) (api.DropBlockResponseObject, error) {
	if err := s.Admin.Unblock(ctx, operator(ctx), req.Block); err != nil {
		return nil, err
	}
	return api.DropBlock204Response{}, nil
}

// ListFlags implements GET /operator/flags.
func (s *Server) ListFlags(ctx context.Context, _ api.ListFlagsRequestObject) (api.ListFlagsResponseObject, error) {
	all, err := s.Admin.Flags(ctx, operator(ctx))
	if err != nil {
		return nil, err
	}
	return api.ListFlags200JSONResponse{Data: each(all, toFlag)}, nil
}

// SetFlag implements PUT /operator/flags/{flag}.
func (s *Server) SetFlag(ctx context.Context, req api.SetFlagRequestObject) (api.SetFlagResponseObject, error) {
	f, err := s.Admin.SetFlag(ctx, operator(ctx), req.Flag, or(req.Body.Description), req.Body.On)
	if err != nil {
		return nil, err
	}
	return api.SetFlag200JSONResponse(toFlag(*f)), nil
}

func toFlag(f admin.Flag) api.Flag {
	return api.Flag{
		Name: f.Name, Object: api.FlagObjectFlag, Description: some(f.Description), On: f.On, Overrides: f.Overrides, UpdatedBy: f.By, UpdatedAt: f.At,
	}
}

// DropFlag implements DELETE /operator/flags/{flag}.
func (s *Server) DropFlag(ctx context.Context, req api.DropFlagRequestObject) (api.DropFlagResponseObject, error) {
	if err := s.Admin.DropFlag(ctx, operator(ctx), req.Flag); err != nil {
		return nil, err
	}
	return api.DropFlag204Response{}, nil
}

// GetMaintenance implements GET /operator/maintenance.
func (s *Server) GetMaintenance(ctx context.Context, _ api.GetMaintenanceRequestObject) (api.GetMaintenanceResponseObject, error) {
	m, err := s.Admin.Maintenance(ctx, operator(ctx))
	if err != nil {
		return nil, err
	}
	return api.GetMaintenance200JSONResponse(toMaintenance(m)), nil
}

// SetMaintenance implements PUT /operator/maintenance.
func (s *Server) SetMaintenance(ctx context.Context, req api.SetMaintenanceRequestObject) (api.SetMaintenanceResponseObject, error) {
	in := req.Body
	m, err := s.Admin.SetMaintenance(ctx, operator(ctx), admin.Maintenance{
		On: in.On, Message: or(in.Message), RetryAfter: time.Duration(or(in.RetryAfter)) * time.Second,
		StopPublish: or(in.Publishing) == api.MaintenanceInputPublishingHeld,
	})
	if err != nil {
		return nil, err
	}
	return api.SetMaintenance200JSONResponse(toMaintenance(m)), nil
}

func toMaintenance(m admin.Maintenance) api.Maintenance {
	out := api.Maintenance{
		Object: api.MaintenanceObjectMaintenance, On: m.On, Message: m.Message, RetryAfter: int(m.RetryAfter.Seconds()),
		Publishing: api.MaintenancePublishingGoesOn, UpdatedBy: some(m.By), UpdatedAt: some(m.At),
	}
	if m.StopPublish {
		out.Publishing = api.MaintenancePublishingHeld
	}
	return out
}
