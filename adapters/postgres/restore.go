package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// CheckIdentity compares the database with the one that was served from last.
// In a restored copy it pauses publishing for everyone. In that, and in a
// server that took over from another (a new timeline: a failover or a point in
// time), what was due or under way may have been sent by the one before, and
// the record of it lost: those segments are marked, and looked up before
// anything else happens to them. It reports whether publishing was paused.
//
// A volume put back under a running server looks the same as before; after
// that an operator says so, with MarkRestored.
func (db *DB) CheckIdentity(ctx context.Context) (paused bool, err error) {
	err = db.system(ctx, pathRestore, func(ctx context.Context, tx tx) error {
		var here, last string
		var timeline, lastTimeline int
		// One start of the server to the next keeps the first; a dump loaded
		// elsewhere, or into a database made anew, does not.
		err := tx.pgx.QueryRow(ctx, `select s.system_identifier || '/' || d.oid, c.timeline_id
			from pg_control_system() s, pg_control_checkpoint() c, pg_database d where d.datname = current_database()`).Scan(&here, &timeline)
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
	_, err := tx.pgx.Exec(ctx, "update tenants set paused = true, paused_reason = 'This database was restored from a copy.' where parent_id is null")
	return err
}

// verifyEverything marks what may have gone out without this database knowing:
// all that was due by now and has not ended, the rest of its threads included.
func verifyEverything(ctx context.Context, tx tx) error {
	_, err := tx.pgx.Exec(ctx, `
		update segments
		   set verify = true, holder = '', generation = generation + 1,
		       doubt_at = coalesce(doubt_at, clock_timestamp()), called_at = clock_timestamp(),
		       next_at = case when next_at is not null then clock_timestamp() end
		 where state in ('scheduled', 'preparing', 'armed', 'sending', 'unknown') and due_at <= clock_timestamp()`)
	return err
}
