package channels

import (
	"context"

	"github.com/carillonhq/carillon/tenants"
)

// Due lists grants of every tenant that are to be renewed now. It is for the
// kernel's own sweep.
func (s *Service) Due(ctx context.Context, limit int) ([]Due, error) {
	return s.Store.DueGrants(ctx, limit)
}

// Renew renews a grant if it is due and nobody else is at it. It returns nil
// when there is nothing to do.
func (s *Service) Renew(ctx context.Context, who tenants.Scope, id GrantID) error {
	return errDraft
}
