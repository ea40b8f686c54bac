package postgres

import (
	"context"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func (s adminStore) Edge(ctx context.Context) (e admin.Edge, err error) {
	err = s.db.system(ctx, pathEdge, func(ctx context.Context, tx tx) error {
		if e.Blocks, err = blocks(ctx, tx); err != nil {
			return err
		}
		if e.Maintenance, err = (adminTx{tx: tx}).Maintenance(ctx); err != nil {
			return err
		}
		e.Flags, err = collected(ctx, tx, pgx.RowToStructByPos[admin.Flag], `select name, description, on_for_all,
			(select count(*)::int from feature_overrides o where o.flag = f.name), updated_by, updated_at from feature_flags f order by name`)
		if err != nil {
			return err
		}
		e.Overrides, err = overrides(ctx, tx)
		return err
	})
	return e, err
}

func blocks(ctx context.Context, tx tx) ([]admin.Block, error) {
	return collected(ctx, tx, func(row pgx.CollectableRow) (b admin.Block, err error) {
		var until *time.Time
		var in netip.Prefix
		err = row.Scan(&b.ID, &in, &b.Reason, &b.By, &b.CreatedAt, &until)
		if b.Range = in; until != nil {
			b.ExpiresAt = until.UTC()
		}
		return b, err
	}, "select id, range, reason, created_by, created_at, expires_at from address_blocks where expires_at is null or expires_at > now() order by id")
}

func overrides(ctx context.Context, tx tx) (map[tenants.ID]map[string]bool, error) {
	rows, err := tx.pgx.Query(ctx, "select tenant_id, flag, is_on from feature_overrides")
	if err != nil {
		return nil, err
	}
	out := map[tenants.ID]map[string]bool{}
	var t tenants.ID
	var flag string
	var on bool
	_, err = pgx.ForEachRow(rows, []any{&t, &flag, &on}, func() error {
		if out[t] == nil {
			out[t] = map[string]bool{}
		}
		out[t][flag] = on
		return nil
	})
	return out, err
}

func (tx adminTx) AddBlock(ctx context.Context, b *admin.Block) error {
	// First, and apart: in one statement what is over would still be in the way.
	if _, err := tx.NewRaw("delete from address_blocks where expires_at <= ?", b.CreatedAt).Exec(ctx); err != nil {
		return err
	}
	res, err := tx.NewRaw("insert into address_blocks (id, range, reason, created_by, created_at, expires_at) values (?, ?::cidr, ?, ?, ?, ?)",
		b.ID, b.Range.String(), b.Reason, b.By, b.CreatedAt, bun.NullTime{Time: b.ExpiresAt}).Exec(ctx)
	return tx.changes(res, err, "block")
}

func (tx adminTx) DropBlock(ctx context.Context, id string) error {
	res, err := tx.NewRaw("delete from address_blocks where id = ?", id).Exec(ctx)
	return tx.changes(res, err, "block")
}

func (tx adminTx) Maintenance(ctx context.Context) (admin.Maintenance, error) {
	found, err := collected(ctx, tx.tx, pgx.RowToStructByPos[admin.Maintenance],
		"select on_now, message, retry_after, stop_publish, holds, updated_by, updated_at from maintenance")
	if err != nil || len(found) == 0 {
		return admin.Maintenance{}, err
	}
	return found[0], nil
}

func (tx adminTx) SaveMaintenance(ctx context.Context, m admin.Maintenance) error {
	res, err := tx.NewRaw(`insert into maintenance (on_now, message, retry_after, stop_publish, holds, updated_by, updated_at)
		values (?, ?, ? * interval '1 second', ?, ?, ?, ?)
		on conflict (one) do update set on_now = excluded.on_now, message = excluded.message, retry_after = excluded.retry_after,
		  stop_publish = excluded.stop_publish, holds = excluded.holds, updated_by = excluded.updated_by, updated_at = excluded.updated_at`,
		m.On, m.Message, m.RetryAfter.Seconds(), m.StopPublish, m.Holds, m.By, m.At).Exec(ctx)
	return tx.changes(res, err, "maintenance")
}

func (tx adminTx) Hold(ctx context.Context, why string) (bool, error) {
	res, err := tx.NewRaw("update tenants set paused = true, paused_reason = ? where parent_id is null and not paused", why).Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

func (tx adminTx) Release(ctx context.Context) error {
	_, err := tx.NewRaw("update tenants set paused = false, paused_reason = '' where parent_id is null and paused").Exec(ctx)
	return err
}

func (tx adminTx) SaveFlag(ctx context.Context, f *admin.Flag) error {
	res, err := tx.NewRaw(`insert into feature_flags (name, description, on_for_all, updated_by, updated_at) values (?, ?, ?, ?, ?)
		on conflict (name) do update set description = excluded.description, on_for_all = excluded.on_for_all,
		  updated_by = excluded.updated_by, updated_at = excluded.updated_at`, f.Name, f.Description, f.On, f.By, f.At).Exec(ctx)
	return tx.changes(res, err, "flag")
}

func (tx adminTx) DropFlag(ctx context.Context, name string) error {
	// The overrides go by their reference, which row-level security does not bind.
	res, err := tx.NewRaw("delete from feature_flags where name = ?", name).Exec(ctx)
	return tx.changes(res, err, "flag")
}

func (tx adminTx) SaveOverride(ctx context.Context, tenant tenants.ID, flag string, on *bool, by string, at time.Time) error {
	if on == nil {
		res, err := tx.NewRaw("delete from feature_overrides where tenant_id = ? and flag = ?", string(tenant), flag).Exec(ctx)
		return tx.changes(res, err, "override")
	}
	res, err := tx.NewRaw(`insert into feature_overrides (tenant_id, flag, is_on, updated_by, updated_at)
		select ?, name, ?, ?, ? from feature_flags where name = ?
		on conflict (tenant_id, flag) do update set is_on = excluded.is_on, updated_by = excluded.updated_by, updated_at = excluded.updated_at`,
		string(tenant), *on, by, at, flag).Exec(ctx)
	return tx.changes(res, err, "flag")
}

// suspendedUser is the answer to somebody who was shut out.
func suspendedUser() *fault.Error {
	return fault.New(fault.Forbidden, "account.suspended", "This account is suspended. Ask whoever runs this installation.")
}
