package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/branding"
)

// Brands is the branding.Store in this database.
func (db *DB) Brands() branding.Store { return brandStore{db} }

type brandStore struct{ db *DB }

type brandRow struct {
	bun.BaseModel `bun:"table:brands"`

	Product   string    `bun:"product"`
	Support   string    `bun:"support"`
	Accent    string    `bun:"accent"`
	Surface   string    `bun:"surface"`
	Ink       string    `bun:"ink"`
	Version   int       `bun:"version"`
	UpdatedAt time.Time `bun:"updated_at"`
}

func (s brandStore) Layers(ctx context.Context, tenant tenants.ID) (layers []branding.Layer, err error) {
	err = s.db.system(ctx, pathBrand, func(ctx context.Context, tx tx) error {
		layers, err = collected(ctx, tx, func(row pgx.CollectableRow) (l branding.Layer, err error) {
			err = row.Scan(&l.Tenant, &l.Name, &l.Product, &l.Support, &l.Accent, &l.Surface, &l.Ink, &l.Version, &l.UpdatedAt)
			l.UpdatedAt = l.UpdatedAt.UTC()
			return l, err
		}, `select a.tenant_id, a.name, b.product, b.support, b.accent, b.surface, b.ink, b.version, b.updated_at
			  from tenants t join tenants a on a.tenant_id = any (t.ancestors) join brands b on b.tenant_id = a.tenant_id
			 where t.tenant_id = $1 order by cardinality(a.ancestors) desc`, string(tenant))
		return err
	})
	return layers, err
}

func (s brandStore) Save(ctx context.Context, tenant tenants.ID, b *branding.Brand, e audit.Entry) error {
	if err := b.Check(); err != nil {
		return err
	}
	err := s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		r := &brandRow{
			Product: b.Product, Support: b.Support, Accent: b.Accent, Surface: b.Surface, Ink: b.Ink, Version: b.Version + 1, UpdatedAt: b.UpdatedAt,
		}
		if b.Version == 0 {
			res, err := tx.NewInsert().Model(r).On("conflict do nothing").Exec(ctx)
			if err := hit(res, err, stale); err != nil {
				return err
			}
			return tx.Record(ctx, e)
		}
		res, err := tx.change(r).Column("product", "support", "accent", "surface", "ink", "version", "updated_at").
			Where("version = ?", b.Version).Exec(ctx)
		if err := hit(res, err, stale); err != nil {
			return err
		}
		return tx.Record(ctx, e)
	})
	if err == nil {
		b.Version++
	}
	return err
}
