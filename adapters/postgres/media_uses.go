package postgres

import (
	"context"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/tenants"
)

// MediaUses knows which files a post that has yet to go out shows.
func (db *DB) MediaUses() media.Uses { return mediaUses{db} }

type mediaUses struct{ db *DB }

func (u mediaUses) InUse(ctx context.Context, tenant tenants.ID, id media.ID) (used bool, err error) {
	err = u.db.view(ctx, tenant, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`select exists (select from segments s, jsonb_array_elements(s.part->'media') m
			where ? and s.state not in ('live', 'rejected', 'missed', 'canceled') and m->>'media' = ?)`,
			tx.ours("s"), string(id)).Scan(ctx, &used)
	})
	return used, err
}
