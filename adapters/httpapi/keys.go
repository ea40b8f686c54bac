package httpapi

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
)

// APIKeys is what the HTTP surface uses of identity.Keys.
type APIKeys interface {
	Create(ctx context.Context, who tenants.Scope, n identity.NewKey) (*identity.IssuedKey, error)
	List(ctx context.Context, who tenants.Scope) ([]identity.Key, error)
	Rotate(ctx context.Context, who tenants.Scope, id identity.KeyID, grace time.Duration) (*identity.IssuedKey, error)
	Revoke(ctx context.Context, who tenants.Scope, id identity.KeyID) error
}

// ListKeys implements GET /api-keys.
func (s *Server) ListKeys(ctx context.Context, _ api.ListKeysRequestObject) (api.ListKeysResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := s.APIKeys.List(ctx, who)
	if err != nil {
		return nil, err
	}
	return api.ListKeys200JSONResponse{Data: each(keys, toKey)}, nil
}

// CreateKey implements POST /api-keys.
func (s *Server) CreateKey(ctx context.Context, req api.CreateKeyRequestObject) (api.CreateKeyResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	key, err := s.APIKeys.Create(ctx, who, identity.NewKey{
		Name: req.Body.Name, Scopes: as[tenants.Action](req.Body.Scopes), ExpiresAt: or(req.Body.ExpiresAt),
	})
	if err != nil {
		return nil, err
	}
	return api.CreateKey201JSONResponse{Key: toKey(key.Key), Secret: key.Secret.Reveal()}, nil
}

// RotateKey implements POST /api-keys/{key}:rotate.
func (s *Server) RotateKey(ctx context.Context, req api.RotateKeyRequestObject) (api.RotateKeyResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	grace := identity.DefaultGrace
	if req.Body.GraceHours != nil {
		grace = time.Duration(*req.Body.GraceHours) * time.Hour
	}
	key, err := s.APIKeys.Rotate(ctx, who, identity.KeyID(req.Key), grace)
	if err != nil {
		return nil, err
	}
	return api.RotateKey200JSONResponse{Key: toKey(key.Key), Secret: key.Secret.Reveal()}, nil
}

// RevokeKey implements DELETE /api-keys/{key}.
func (s *Server) RevokeKey(ctx context.Context, req api.RevokeKeyRequestObject) (api.RevokeKeyResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.APIKeys.Revoke(ctx, who, identity.KeyID(req.Key)); err != nil {
		return nil, err
	}
	return api.RevokeKey204Response{}, nil
}

func toKey(k identity.Key) api.Key {
	return api.Key{
		Id: string(k.ID), Object: api.ApiKey, Name: k.Name, Scopes: as[string](k.Scopes),
		ApiVersion: k.APIVersion, CreatedBy: string(k.CreatedBy), CreatedAt: k.CreatedAt,
		ExpiresAt: some(k.ExpiresAt), LastUsedAt: some(k.LastUsedAt), RevokedAt: some(k.RevokedAt),
	}
}

// as maps a list of one kind of string to another.
func as[U, T ~string](list []T) []U {
	return each(list, func(v T) U { return U(v) })
}
