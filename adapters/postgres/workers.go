package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/ports/fault"
)

// A Worker is a process that takes due segments.
type Worker struct {
	Holder  string // as in the journal of attempts
	Version string
	Slots   int // segments it carries at a time
	Busy    int // of them at work
	Up      time.Duration
	Quiet   time.Duration // since its last claim that was answered
}

// forgetWorker is how long a process that said nothing more stays listed.
const forgetWorker = 24 * time.Hour

// Beat records that w claims. Call it every few seconds; the times are kept by
// the database's clock.
func (db *DB) Beat(ctx context.Context, w Worker) error {
	return db.system(ctx, pathWorkers, func(ctx context.Context, tx tx) error {
		_, err := tx.pgx.Exec(ctx, `
			insert into workers as w (holder, version, slots, busy, started_at, claimed_at)
			values ($1, $2, $3, $4, clock_timestamp() - $5::interval, clock_timestamp() - $6::interval)
			on conflict (holder) do update set version = excluded.version, slots = excluded.slots, busy = excluded.busy,
			  started_at = excluded.started_at, claimed_at = greatest(w.claimed_at, excluded.claimed_at)`,
			w.Holder, w.Version, w.Slots, w.Busy, w.Up, w.Quiet)
		if err != nil {
			return err
		}
		_, err = tx.pgx.Exec(ctx, "delete from workers where claimed_at < clock_timestamp() - $1::interval", forgetWorker)
		return err
	})
}

// Retire forgets a worker that is leaving.
func (db *DB) Retire(ctx context.Context, holder string) error {
	return db.system(ctx, pathWorkers, func(ctx context.Context, tx tx) error {
		_, err := tx.pgx.Exec(ctx, "delete from workers where holder = $1", holder)
		return err
	})
}

// Workers lists those that claimed lately, the most recent first.
func (db *DB) Workers(ctx context.Context) (ws []Worker, err error) {
	err = db.system(ctx, pathWorkers, func(ctx context.Context, tx tx) error {
		rows, err := tx.pgx.Query(ctx, `
			select holder, version, slots, busy, clock_timestamp() - started_at, greatest(clock_timestamp() - claimed_at, '0')
			  from workers order by claimed_at desc, holder limit 1000`)
		if err != nil {
			return err
		}
		ws, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Worker])
		return err
	})
	return ws, err
}

// Working reports whether any worker claimed within that time:
// fault.Unavailable if none did, or if the database is away.
func (db *DB) Working(ctx context.Context, within time.Duration) error {
	var some bool
	err := db.ask(ctx, pathWorkers, "select exists (select from workers where claimed_at > clock_timestamp() - $1::interval)", []any{within}, &some)
	if err == nil && !some {
		err = fault.New(fault.Unavailable, "server.no_worker", "Nobody is publishing.")
	}
	return err
}

// Backlog is what is due and waits to be taken. What is paused waits too.
type Backlog struct {
	Due    int
	Oldest time.Duration // how late the longest waiting is
}

// maxBacklog is how far a backlog is counted.
const maxBacklog = 100_000

// Backlog looks at the queue, for metrics. It counts to maxBacklog at most.
func (db *DB) Backlog(ctx context.Context) (b Backlog, err error) {
	err = db.ask(ctx, pathBacklog, `
		select count(*), coalesce(greatest(clock_timestamp() - min(next_at), '0'), '0')
		  from (select s.next_at from segments s
		         where s.next_at <= clock_timestamp() and `+minute+` <= date_trunc('minute', statement_timestamp() at time zone 'UTC')
		         order by `+minute+` limit $1) due`, []any{maxBacklog}, &b.Due, &b.Oldest)
	return b, err
}

// JobCounts is how many jobs the queue holds, by state, but for those that
// are over.
func (db *DB) JobCounts(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{"available": 0, "running": 0, "retryable": 0, "scheduled": 0}
	err := db.system(ctx, pathBacklog, func(ctx context.Context, tx tx) error {
		rows, err := tx.pgx.Query(ctx, `select state::text, count(*)::int from `+riverSchema+`.river_job
			where state in ('available', 'running', 'retryable', 'scheduled') group by state`)
		if err != nil {
			return err
		}
		var state string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error { counts[state] = n; return nil })
		return err
	})
	return counts, err
}

// A Pool is how the connections of one role are used.
type Pool struct {
	Role             string // "app" or "system"
	Max, Open, Busy  int
	Acquired, Waited int64         // so far; Waited found none free
	Waiting          time.Duration // so far, for a connection
}

// Pools tells how both pools are used, for metrics.
func (db *DB) Pools() []Pool {
	var out []Pool
	for name, r := range map[string]role{"app": db.app, "system": db.sys} {
		s := r.pool.Stat()
		out = append(out, Pool{
			Role: name, Max: int(s.MaxConns()), Open: int(s.TotalConns()), Busy: int(s.AcquiredConns()),
			Acquired: s.AcquireCount(), Waited: s.EmptyAcquireCount(), Waiting: s.EmptyAcquireWaitTime(),
		})
	}
	return out
}
