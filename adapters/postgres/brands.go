package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/branding"
)

// Brands is the branding.Store in this database.
func (db *DB) Brands() branding.Store { return brandStore{db} }

type brandStore struct{ db *DB }

type brandRow struct {
	bun.BaseModel `bun:"table:brands"`

	Product string `bun:"product"`
	Support string `bun:"support"`
	Accent  string `bun:"accent"`
	Surface string `bun:"surface"`
	Ink     string `bun:"ink"`

	Logo       *branding.Picture `bun:"logo,type:jsonb"`
	Favicon    *branding.Picture `bun:"favicon,type:jsonb"`
	SenderName string            `bun:"sender_name"`
	Sender     string            `bun:"sender"`
	ReplyTo    string            `bun:"reply_to"`

	Version   int       `bun:"version"`
	UpdatedAt time.Time `bun:"updated_at"`
}

func (s brandStore) Layers(ctx context.Context, tenant tenants.ID) (layers []branding.Layer, err error) {
	err = s.db.system(ctx, pathBrand, func(ctx context.Context, tx tx) error {
		layers, err = collected(ctx, tx, func(row pgx.CollectableRow) (l branding.Layer, err error) {
			err = row.Scan(&l.Tenant, &l.Name, &l.Product, &l.Support, &l.Accent, &l.Surface, &l.Ink, &l.Logo, &l.Favicon, &l.SenderName, &l.Sender, &l.ReplyTo, &l.SenderProven, &l.Version, &l.UpdatedAt)
			l.UpdatedAt = l.UpdatedAt.UTC()
			return l, err
		}, `select a.tenant_id, a.name, b.product, b.support, b.accent, b.surface, b.ink, b.logo, b.favicon, b.sender_name, b.sender, b.reply_to,
			       exists (select 1 from domains d where d.tenant_id = b.tenant_id and d.state = 'proven'
			                and '.' || lower(split_part(b.sender, '@', 2)) like '%.' || d.host),
			       b.version, b.updated_at
			  from tenants t join tenants a on a.tenant_id = any (t.ancestors) join brands b on b.tenant_id = a.tenant_id
			 where t.tenant_id = $1 order by cardinality(a.ancestors) desc`, string(tenant))
		return err
	})
	return layers, err
}

func (s brandStore) Save(ctx context.Context, tenant tenants.ID, b *branding.Brand, gone []string, e audit.Entry) error {
	if err := b.Check(); err != nil {
		return err
	}
	err := s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		r := &brandRow{
			Product: b.Product, Support: b.Support, Accent: b.Accent, Surface: b.Surface, Ink: b.Ink, Version: b.Version + 1, UpdatedAt: b.UpdatedAt,
			Logo: b.Logo, Favicon: b.Favicon, SenderName: b.SenderName, Sender: b.Sender, ReplyTo: b.ReplyTo,
		}
		for _, picture := range gone {
			if err := tx.enqueue(ctx, jobs.TidyBrand{Tenant: string(tenant), Picture: picture}, nil); err != nil {
				return err
			}
		}
		if b.Version == 0 {
			res, err := tx.NewInsert().Model(r).On("conflict do nothing").Exec(ctx)
			if err := hit(res, err, staleBrand); err != nil {
				return err
			}
			return tx.Record(ctx, e)
		}
		res, err := tx.change(r).Column("product", "support", "accent", "surface", "ink", "logo", "favicon", "sender_name", "sender", "reply_to", "version", "updated_at").
			Where("version = ?", b.Version).Exec(ctx)
		if err := hit(res, err, staleBrand); err != nil {
			return err
		}
		return tx.Record(ctx, e)
	})
	if err == nil {
		b.Version++
	}
	return err
}

func (s brandStore) Tidy(ctx context.Context, tenant tenants.ID, picture string, in time.Duration) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		return tx.enqueue(ctx, jobs.TidyBrand{Tenant: string(tenant), Picture: picture}, &river.InsertOpts{ScheduledAt: time.Now().Add(in)})
	})
}

func (s brandStore) Picture(ctx context.Context, host tenants.ID, address string) (tenant tenants.ID, pic *branding.Picture, err error) {
	type found struct {
		tenant        tenants.ID
		logo, favicon *branding.Picture
	}
	var all []found
	err = s.db.system(ctx, pathBrand, func(ctx context.Context, tx tx) error {
		all, err = collected(ctx, tx, func(row pgx.CollectableRow) (f found, err error) {
			err = row.Scan(&f.tenant, &f.logo, &f.favicon)
			return f, err
		}, `select b.tenant_id, b.logo, b.favicon from brands b join tenants p on p.tenant_id = b.tenant_id
			 where (b.logo->>'address' = $1 or b.favicon->>'address' = $1)
			   and ($2 = '' or $2 = any (p.ancestors) or exists (select 1 from tenants h where h.tenant_id = $2 and p.tenant_id = any (h.ancestors)))`,
			address, string(host))
		return err
	})
	if err != nil {
		return "", nil, err
	}
	for _, f := range all {
		for _, pic := range []*branding.Picture{f.logo, f.favicon} {
			if pic != nil && pic.Address == address {
				return f.tenant, pic, nil
			}
		}
	}
	return "", nil, branding.NoPicture()
}

func staleBrand() *fault.Error {
	return fault.New(fault.Conflict, "brand.stale", "Someone else changed this brand. Reload it and try again.")
}
