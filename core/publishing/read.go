package publishing

import (
	"context"

	"github.com/carillonhq/carillon/tenants"
)

// Get returns a post with its deliveries.
func (s *Service) Get(ctx context.Context, who tenants.Scope, id PostID) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	var out *Detail
	err := s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		p, err := tx.Post(ctx, id)
		if err != nil {
			return err
		}
		if out, err = detail(ctx, tx, p); err != nil {
			return err
		}
		if err := weigh(ctx, tx, out); err != nil {
			return err
		}
		return hold(ctx, tx, out)
	})
	return out, err
}

// List returns posts with the outlines of their deliveries, as f selects.
func (s *Service) List(ctx context.Context, who tenants.Scope, f Filter) ([]*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	var out []*Detail
	err := s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		posts, err := tx.Posts(ctx, f)
		if err != nil {
			return err
		}
		if out, err = details(ctx, tx, posts); err != nil {
			return err
		}
		if err := weigh(ctx, tx, out...); err != nil {
			return err
		}
		return hold(ctx, tx, out...)
	})
	return out, err
}

// Receipt returns everything that is known of how a post went out.
func (s *Service) Receipt(ctx context.Context, who tenants.Scope, id PostID) (*Receipt, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	var out Receipt
	err := s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		p, err := tx.Post(ctx, id)
		if err != nil {
			return err
		}
		d, err := detail(ctx, tx, p)
		if err != nil {
			return err
		}
		out.Detail = *d
		if out.Attempts, err = tx.Attempts(ctx, id); err != nil {
			return err
		}
		return hold(ctx, tx, d)
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// lock loads a post for a change.
func lock(ctx context.Context, tx Tx, id PostID) (*Detail, error) {
	p, err := tx.LockPost(ctx, id)
	if err != nil {
		return nil, err
	}
	return detail(ctx, tx, p)
}

func detail(ctx context.Context, tx Tx, p *Post) (*Detail, error) {
	ds, err := tx.Deliveries(ctx, p.ID)
	return &Detail{Post: p, Deliveries: ds}, err
}

func details(ctx context.Context, tx Tx, posts []*Post) ([]*Detail, error) {
	if len(posts) == 0 {
		return nil, nil
	}
	ids := make([]PostID, len(posts))
	byID := make(map[PostID]*Detail, len(posts))
	out := make([]*Detail, len(posts))
	for i, p := range posts {
		out[i] = &Detail{Post: p}
		ids[i], byID[p.ID] = p.ID, out[i]
	}
	ds, err := tx.Outlines(ctx, ids...)
	for _, d := range ds {
		byID[d.Post].Deliveries = append(byID[d.Post].Deliveries, d)
	}
	return out, err
}
