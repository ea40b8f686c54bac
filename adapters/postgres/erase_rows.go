package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	work "github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/exports"
)

// ownBook is a tenant's own record, which is whole until the tenant itself goes.
var ownBook = []string{"audit_waiting", "audit_links", "audit_heads", "audit_entries"}

// lastTables go together.
var lastTables = append(slices.Clone(ownBook), "tenants")

// outlive is the tables whose rows say of a tenant that it is gone.
var outlive = []string{"destroyed_keys"}

// DropKeys removes the work that waits, too: what is under way finds the tenant
// closed, or nothing. Jobs that name pictures stay until Bury, for Files.
func (s erasureStore) DropKeys(ctx context.Context, tenant tenants.ID) error {
	if err := (keyStore{s.db}).Destroy(ctx, tenant); err != nil {
		return err
	}
	return s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		_, err := tx.NewRaw("delete from river.river_job where args ->> 'tenant' = ? and state <> 'running' and kind <> ?", string(tenant), work.TidyBrand{}.Kind()).Exec(ctx)
		return err
	})
}

// erase asks the one function that may.
func (tx tx) erase(ctx context.Context, tenant tenants.ID, table string, most int) (n int64, err error) {
	err = tx.NewRaw("select erase_rows(?, ?, ?)", string(tenant), table, most).Scan(ctx, &n)
	return n, err
}

// Files are uploads, pictures of the brand and archives, by their rows, and
// pictures that no brand shows, by the jobs that were to remove them.
func (s erasureStore) Files(ctx context.Context, tenant tenants.ID, after string, limit int) (keys []storage.Key, last string, err error) {
	err = s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		rows, err := tx.pgx.Query(ctx, `
			select distinct name from (
			  select $4 || m.id collate "C" as name from media m where m.tenant_id = $1
			  union all
			  select $5 || (p ->> 'id') from brands b cross join unnest(array[b.logo, b.favicon]) p where b.tenant_id = $1 and p is not null
			  union all
			  select $5 || (j.args ->> 'picture') from river.river_job j where j.kind = $7 and j.args ->> 'tenant' = $1
			  union all
			  select $6 || e.id || '/' || n from exports e cross join generate_series(1, e.attempt) n where e.tenant_id = $1) f
			 where name > $2 collate "C" order by name limit $3`,
			string(tenant), after, limit, media.Folder, branding.Folder, exports.Folder, work.TidyBrand{}.Kind())
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

// DropRows remembers the tables; Bury reads the catalog once more.
func (s erasureStore) DropRows(ctx context.Context, tenant tenants.ID, limit int) (int64, error) {
	if known := s.tables.Load(); known != nil {
		return s.dropRows(ctx, tenant, *known, limit)
	}
	return s.dropAll(ctx, tenant, limit)
}

// dropAll is dropRows by the catalog as it is now.
func (s erasureStore) dropAll(ctx context.Context, tenant tenants.ID, limit int) (int64, error) {
	tables, err := s.db.tenantTables(ctx)
	if err != nil {
		return 0, err
	}
	s.tables.Store(&tables)
	return s.dropRows(ctx, tenant, tables, limit)
}

func (s erasureStore) dropRows(ctx context.Context, tenant tenants.ID, tables []string, limit int) (n int64, err error) {
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

// Bury takes a long book away in parts; what is left of it goes with the tenant.
func (s erasureStore) Bury(ctx context.Context, tenant tenants.ID, limit int) (done bool, err error) {
	for _, table := range ownBook {
		if whole, err := s.dropPart(ctx, tenant, table, limit); err != nil || whole {
			return false, err
		}
	}
	// What somebody who was still at it wrote meanwhile.
	if n, err := s.dropAll(ctx, tenant, limit); err != nil || n > 0 {
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

// errShort undoes what was no whole batch.
var errShort = errors.New("there is less of it")

// dropPart removes limit rows of one table, or none if there are fewer.
func (s erasureStore) dropPart(ctx context.Context, tenant tenants.ID, table string, limit int) (whole bool, err error) {
	err = s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		n, err := tx.erase(ctx, tenant, table, limit)
		if err == nil && n < int64(limit) {
			return errShort
		}
		return err
	})
	if errors.Is(err, errShort) {
		return false, nil
	}
	return err == nil, err
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
