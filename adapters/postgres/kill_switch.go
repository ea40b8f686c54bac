package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

// PausePlatform holds back everything for one platform, in every tenant, until
// ResumePlatform. It works on every process with its next claim, and on what is
// already claimed right before it is sent.
func (db *DB) PausePlatform(ctx context.Context, platform, reason string) error {
	return db.switchOff(ctx, audit.Of(system, "platform.pause", platform, "reason", reason), `insert into platform_pauses (platform, reason) values ($1, $2)
		on conflict (platform) do update set reason = excluded.reason`, platform, reason)
}

// ResumePlatform undoes PausePlatform. It returns fault.NotFound if the
// platform is not paused.
func (db *DB) ResumePlatform(ctx context.Context, platform string) error {
	return db.switchOff(ctx, audit.Of(system, "platform.resume", platform), "delete from platform_pauses where platform = $1", platform)
}

// Platforms are the ids of all that the catalog has, open or closed, and of all
// that a channel is on.
func (db *DB) Platforms(ctx context.Context) (ids []string, err error) {
	return ids, db.system(ctx, pathPlatform, func(ctx context.Context, tx tx) error {
		rows, err := tx.pgx.Query(ctx, "select id from plugins union select platform from channels order by 1")
		if err == nil {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
}

// PauseAll holds back everything, everywhere, until ResumeAll.
func (db *DB) PauseAll(ctx context.Context, reason string) error {
	return db.pauseRoot(ctx, audit.Of(system, "publishing.pause", "", "reason", reason), "update tenants set paused = true, paused_reason = $1, updated_at = now(), version = version + 1 where parent_id is null", reason)
}

// ResumeAll undoes PauseAll, and the pause that a restored database begins with.
func (db *DB) ResumeAll(ctx context.Context) error {
	return db.pauseRoot(ctx, audit.Of(system, "publishing.resume", ""), "update tenants set paused = false, paused_reason = '', updated_at = now(), version = version + 1 where parent_id is null and paused")
}

// pauseRoot changes the operator's tenant and tells its subscribers.
func (db *DB) pauseRoot(ctx context.Context, e audit.Entry, query string, args ...any) error {
	return db.system(ctx, pathPlatform, func(ctx context.Context, tx tx) error {
		err := tx.tellTenant(ctx, query, args...)
		if errors.Is(err, pgx.ErrNoRows) {
			return notPaused()
		}
		if err != nil {
			return err
		}
		return tx.recordIn(ctx, "", e)
	})
}

// tellTenant changes a tenant with a statement, through the system door, and
// tells its subscribers how it stands. It returns pgx.ErrNoRows if the
// statement changes none.
func (tx tx) tellTenant(ctx context.Context, query string, args ...any) error {
	var tenant, state string
	var told registry.Told
	if err := tx.pgx.QueryRow(ctx, query+" returning tenant_id, state, paused, version", args...).Scan(&tenant, &state, &told.Paused, &told.Version); err != nil {
		return err
	}
	told.State = registry.State(state)
	return tx.tell(ctx, tenants.ID(tenant), registry.EventUpdated, tenant, told)
}

func notPaused() error { return fault.New(fault.NotFound, "pause.not_found", "That is not paused.") }

// system is the actor of who has the machine.
const system = string(tenants.System)

func (db *DB) switchOff(ctx context.Context, e audit.Entry, query string, args ...any) error {
	return db.system(ctx, pathPlatform, func(ctx context.Context, tx tx) error {
		tag, err := tx.pgx.Exec(ctx, query, args...)
		if err == nil && tag.RowsAffected() == 0 {
			return notPaused()
		}
		return errors.Join(err, tx.recordIn(ctx, "", e))
	})
}
