package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/ports/social"
)

// CheckIdentity compares the database with the one that was served from last.
// In a restored copy it pauses publishing for everyone. In that, and in a
// server that took over from another (a new timeline: a failover or a point in
// time), the one before may have sent what this one has no record of: whatever
// has not ended is in doubt, and looked up before anything else happens to it.
// It reports whether publishing was paused.
//
// Claims make sure of it by themselves (same_database, migration 0025), so
// nothing is handed out between a failover and this, however it was noticed.
//
// A volume put back under a running server looks the same as before; after
// that an operator says so, with MarkRestored.
func (db *DB) CheckIdentity(ctx context.Context) (paused bool, err error) {
	err = db.system(ctx, pathRestore, func(ctx context.Context, tx tx) error {
		var here, last string
		var timeline, lastTimeline int
		// One start of the server to the next keeps the first; a dump loaded
		// elsewhere, or into a database made anew, does not.
		err := tx.pgx.QueryRow(ctx, "select identifier, timeline from served_here()").Scan(&here, &timeline)
		if err != nil {
			return err
		}
		err = tx.pgx.QueryRow(ctx, "select identifier, timeline from database_identity for update").Scan(&last, &lastTimeline)
		if errors.Is(err, pgx.ErrNoRows) {
			_, err = tx.pgx.Exec(ctx, "insert into database_identity (identifier, timeline) values ($1, $2) on conflict do nothing", here, timeline)
			return err
		}
		if err != nil || (last == here && lastTimeline == timeline) {
			return err
		}
		if _, err := tx.pgx.Exec(ctx, "update database_identity set identifier = $1, timeline = $2", here, timeline); err != nil {
			return err
		}
		if paused = last != here; paused {
			if err := pauseRestored(ctx, tx); err != nil {
				return err
			}
		}
		return verifyEverything(ctx, tx)
	})
	return paused, err
}

// MarkRestored does what CheckIdentity does for a restored copy, because an
// operator knows that this is one.
func (db *DB) MarkRestored(ctx context.Context) error {
	return db.system(ctx, pathRestore, func(ctx context.Context, tx tx) error {
		if err := pauseRestored(ctx, tx); err != nil {
			return err
		}
		return verifyEverything(ctx, tx)
	})
}

func pauseRestored(ctx context.Context, tx tx) error {
	err := tx.tellTenant(ctx, "update tenants set paused = true, paused_reason = 'This database was restored from a copy.', updated_at = now(), version = version + 1 where parent_id is null")
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // nobody has set it up
	}
	return err
}

// verifyEverything marks all that is not live, because it may have gone out
// without this database knowing: what is planned for Friday may have been
// ordered to go out at once, after the copy was made. What waits for its time is
// in doubt from now on, so that it is settled long before; what waits for a part
// before it, and what has ended and may be ordered anew, is when its turn comes.
// What claims the other history gave out is worth nothing here: it has not come
// this far in counting them.
func verifyEverything(ctx context.Context, tx tx) error {
	_, err := tx.pgx.Exec(ctx, `
		update segments
		   set verify = true, holder = '', held_at = null, generation = generation + 1000000,
		       state = case when waits then 'unknown' else state end,
		       problem = case when waits then jsonb_build_object('kind', $1::text, 'reason', 'segment.restored',
		         'message', 'It may have gone out before this database was restored.') else problem end,
		       doubt_at = coalesce(doubt_at, clock_timestamp()), called_at = clock_timestamp(),
		       next_at = case when next_at is not null then least(next_at, clock_timestamp()) end
		  from (select tenant_id as tenant, segment_id as segment, next_at is not null and state in ('scheduled', 'preparing', 'armed') as waits
		          from segments where state not in ('live', 'needs_review')) doubted
		 where tenant_id = tenant and segment_id = segment`, social.Ambiguous)
	return err
}
