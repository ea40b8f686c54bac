package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
)

// lastTables go with the tenant itself: its book is whole until then.
var lastTables = []string{"audit_waiting", "audit_links", "audit_heads", "audit_entries", "tenants"}

// outlive is the tables whose rows say of a tenant that it is gone.
var outlive = []string{"destroyed_keys"}

// DropKeys removes the work that waits, too: what is under way finds the tenant
// closed, or nothing.
func (s erasureStore) DropKeys(ctx context.Context, tenant tenants.ID) error {
	if err := keyStore(s).Destroy(ctx, tenant); err != nil {
		return err
	}
	return s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		_, err := tx.NewRaw("delete from river.river_job where args ->> 'tenant' = ? and state <> 'running'", string(tenant)).Exec(ctx)
		return err
	})
}

// erase asks the one function that may.
func (tx tx) erase(ctx context.Context, tenant tenants.ID, table string, most int) (n int64, err error) {
	err = tx.NewRaw("select erase_rows(?, ?, ?)", string(tenant), table, most).Scan(ctx, &n)
	return n, err
}

// Files are uploads, pictures of the brand and archives, by their rows.
func (s erasureStore) Files(ctx context.Context, tenant tenants.ID, after string, limit int) (keys []storage.Key, last string, err error) {
	err = s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		rows, err := tx.pgx.Query(ctx, `
			select name from (
			  select 'media/' || m.id collate "C" as name from media m where m.tenant_id = $1
			  union all
			  select 'brand/' || (p ->> 'id') from brands b cross join unnest(array[b.logo, b.favicon]) p where b.tenant_id = $1 and p is not null
			  union all
			  select 'exports/' || e.id || '/' || n from exports e cross join generate_series(1, e.attempt) n where e.tenant_id = $1) f
			 where name > $2 collate "C" order by name limit $3`, string(tenant), after, limit)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		keys, last = nil, ""
		for _, name := range names {
			keys, last = append(keys, storage.Key{Tenant: string(tenant), Name: name}), name
		}
		return err
	})
	return keys, last, err
}

func (s erasureStore) DropRows(ctx context.Context, tenant tenants.ID, limit int) (n int64, err error) {
	tables, err := s.db.tenantTables(ctx)
	if err != nil {
		return 0, err
	}
	err = s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		n = 0
		for _, table := range slices.Backward(tables) { // what refers goes before what it refers to
			if slices.Contains(lastTables, table) || slices.Contains(outlive, table) {
				continue
			}
			some, err := tx.erase(ctx, tenant, table, limit-int(n))
			if err != nil {
				return err
			}
			if n += some; n >= int64(limit) {
				return nil
			}
		}
		return nil
	})
	return n, err
}

// elsewhere is what names a tenant in rows that are not its own, but for the
// books of others: statements with the tenant as $1.
var elsewhere = []string{
	"update users set home_tenant = null where home_tenant = $1",
	"delete from impersonations where tenant = $1",
	"delete from access_grants where to_tenant = $1",
	"delete from river.river_job where args ->> 'tenant' = $1",
}

func (s erasureStore) Bury(ctx context.Context, tenant tenants.ID, limit int) (done bool, err error) {
	// What somebody who was still at it wrote meanwhile.
	if n, err := s.DropRows(ctx, tenant, limit); err != nil || n > 0 {
		return false, err
	}
	if err := s.forgetWords(ctx, tenant); err != nil {
		return false, err
	}
	err = s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		done = false
		for _, statement := range elsewhere {
			if _, err := tx.pgx.Exec(ctx, statement, string(tenant)); err != nil {
				return err
			}
		}
		for _, table := range lastTables {
			n, err := tx.erase(ctx, tenant, table, limit)
			if err != nil {
				return err
			}
			if n >= int64(limit) {
				return nil
			}
		}
		done = true
		return nil
	})
	if err != nil || !done {
		return false, err
	}
	n, err := s.DropRows(ctx, tenant, limit) // of tables that hold no reference to their tenant
	return n == 0, err
}

// forgetWords removes what the operator's catalog says of a tenant.
func (s erasureStore) forgetWords(ctx context.Context, tenant tenants.ID) error {
	root, err := s.db.Registry().Operator(ctx)
	if err != nil {
		return err
	}
	return s.db.update(ctx, root, func(ctx context.Context, tx tx) error {
		_, err := tx.pgx.Exec(ctx, "delete from plugin_words where tenant_id = $1 and about = $2", string(root), string(tenant))
		return err
	})
}
