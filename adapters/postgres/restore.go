package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// CheckIdentity compares the database with the one that was served from last.
// In a restored copy it pauses publishing for everyone and puts into doubt
// whatever the original may have sent since the copy was made: what was due by
// now and what was under way. Those are looked up, not sent, once an operator
// lifts the pause. It reports whether this was a restored copy.
func (db *DB) CheckIdentity(ctx context.Context) (restored bool, err error) {
	err = db.system(ctx, pathRestore, func(ctx context.Context, tx tx) error {
		var here, last string
		// One server start to the next keeps it; a dump loaded elsewhere does not.
		if err := tx.pgx.QueryRow(ctx, "select system_identifier || '/' || current_database() from pg_control_system()").Scan(&here); err != nil {
			return err
		}
		err := tx.pgx.QueryRow(ctx, "select identifier from database_identity for update").Scan(&last)
		if errors.Is(err, pgx.ErrNoRows) {
			_, err = tx.pgx.Exec(ctx, "insert into database_identity (identifier) values ($1) on conflict do nothing", here)
			return err
		}
		if err != nil || last == here {
			return err
		}
		restored = true
		return doubtEverything(ctx, tx, here)
	})
	return restored, err
}

func doubtEverything(ctx context.Context, tx tx, here string) error {
	for _, step := range []struct {
		query string
		args  []any
	}{
		{"update database_identity set identifier = $1", []any{here}},
		{"update tenants set paused = true, paused_reason = 'This database was restored from a copy.' where parent_id is null", nil},
		{`update segments set state = 'unknown', doubt_at = null, next_at = clock_timestamp(), holder = '', generation = generation + 1
		   where state in ('preparing', 'armed', 'sending', 'unknown')
		      or (state = 'scheduled' and next_at <= clock_timestamp())`, nil},
	} {
		if _, err := tx.pgx.Exec(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	return nil
}
