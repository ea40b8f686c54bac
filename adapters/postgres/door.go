package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// tx is one open transaction: bun's and, on the same connection, pgx's.
type tx struct {
	bun.Tx
	pgx    *lazyTx
	tenant tenants.ID // empty on a system path across tenants
	db     *DB
	last   *pgx.Batch // goes out with the commit; what fails there undoes the rest
}

// view runs fn on a read-only snapshot of one tenant.
func (db *DB) view(ctx context.Context, tenant tenants.ID, fn func(context.Context, tx) error) error {
	return db.inTenant(ctx, "begin isolation level repeatable read read only", tenant, fn)
}

// update runs fn in a transaction of one tenant: all of it happens or nothing.
// fn calls nobody outside this database; a rollback could not take that back.
// Behind a request with an Idempotency-Key, the fact that it was applied is
// part of the transaction; see idempotency.go.
func (db *DB) update(ctx context.Context, tenant tenants.ID, fn func(context.Context, tx) error) error {
	return db.inTenant(ctx, "begin", tenant, marking(fn))
}

// system runs fn as the system role, across tenants, for a path listed in
// system.go. Its grants and policies say what it may touch.
func (db *DB) system(ctx context.Context, path systemPath, fn func(context.Context, tx) error) error {
	return db.run(ctx, db.sys, opening{mode: "begin", path: path}, fn)
}

// systemIn is system with one tenant as the transaction's own: what it inserts
// belongs to that tenant, and tx.find and its like look there.
func (db *DB) systemIn(ctx context.Context, path systemPath, tenant tenants.ID, fn func(context.Context, tx) error) error {
	if !tenant.Valid() {
		return noTenant()
	}
	return db.run(ctx, db.sys, opening{"begin", path, tenant}, markingFor(fn))
}

func (db *DB) inTenant(ctx context.Context, mode string, tenant tenants.ID, fn func(context.Context, tx) error) error {
	if !tenant.Valid() { // which also makes it safe to write into a statement
		return noTenant()
	}
	return db.run(ctx, db.app, opening{mode: mode, tenant: tenant}, fn)
}

func noTenant() error {
	return fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
}

type insideKey struct{}

// run opens one transaction and closes it, whatever fn does. A connection that
// turns out dead at the first statement is replaced, and the idle ones with it:
// the server has probably been restarted. fn is then called again.
func (db *DB) run(ctx context.Context, r role, o opening, fn func(context.Context, tx) error) error {
	if ctx.Value(insideKey{}) != nil {
		return errors.New("postgres: a transaction inside a transaction")
	}
	for attempt := 1; ; attempt++ {
		lost, err := db.once(ctx, r, o, fn)
		if !lost || attempt == 3 {
			return asFault(err)
		}
		r.pool.Reset()
	}
}

// once reports whether the connection was lost before anything was done.
func (db *DB) once(ctx context.Context, r role, o opening, fn func(context.Context, tx) error) (lost bool, err error) {
	c, err := r.bun.Conn(ctx)
	if err != nil {
		return errors.Is(err, driver.ErrBadConn), err
	}
	defer func() { _ = c.Close() }()
	// database/sql is given a context that never ends, or it would roll back
	// from a goroutine of its own, in the middle of a statement that pgx sends.
	t, err := c.BeginTx(context.WithValue(context.WithoutCancel(ctx), openingKey{}, o), nil)
	if err != nil {
		return errors.Is(err, driver.ErrBadConn), err
	}
	defer func() { _ = t.Rollback() }() // a no-op after Commit; the way out of errors and panics
	tx := tx{Tx: t, tenant: o.tenant, db: db, last: new(pgx.Batch)}
	if err := c.Raw(func(dc any) error {
		pc, ok := dc.(*conn)
		if !ok {
			return fmt.Errorf("postgres: unexpected driver connection %T", dc)
		}
		tx.pgx = pc.tx
		return nil
	}); err != nil {
		return false, err
	}
	if err = fn(context.WithValue(ctx, insideKey{}, true), tx); err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = tx.commit(ctx)
	}
	return tx.pgx.lost && err != nil, err
}

// commit ends tx, with what was kept for that.
func (tx tx) commit(ctx context.Context) error {
	ctx, cancel := ending(ctx)
	defer cancel()
	if err := tx.pgx.commitAfter(ctx, tx.last); err != nil {
		return err
	}
	return tx.Commit()
}

// glance sends reads of one tenant in a single round trip: what fill queues,
// with the statement in front of it that tells row-level security whose they
// are. They are one transaction, which ends with the last of them. Each sees
// what was committed before it began.
func (db *DB) glance(ctx context.Context, tenant tenants.ID, fill func(tx, *pgx.Batch)) error {
	if ctx.Value(insideKey{}) != nil {
		return errors.New("postgres: a transaction inside a transaction")
	}
	if !tenant.Valid() {
		return noTenant()
	}
	for attempt := 1; ; attempt++ {
		c, err := db.app.pool.Acquire(ctx)
		if err != nil {
			return asFault(err)
		}
		b := new(pgx.Batch)
		b.Queue(tenantAndPlans, string(tenant))
		fill(tx{tenant: tenant, db: db}, b)
		err = c.SendBatch(ctx, b).Close()
		dead := c.Conn().IsClosed()
		c.Release()
		if err == nil || !dead || ctx.Err() != nil || attempt == 3 {
			return asFault(err)
		}
		db.app.pool.Reset() // the server has probably been restarted
	}
}

// ask answers one read across tenants in a single round trip.
func (db *DB) ask(ctx context.Context, path systemPath, query string, args []any, dest ...any) error {
	return asFault(db.sys.pool.QueryRow(ctx, "/* "+string(path)+" */ "+query, args...).Scan(dest...))
}

// enqueue inserts a job that exists exactly if this transaction commits. The
// job's arguments name the tenant as {"tenant": …}; the queue's own policy
// refuses any other tenant than the transaction's.
func (tx tx) enqueue(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) error {
	_, err := tx.db.jobs.InsertTx(ctx, tx.pgx, args, opts)
	return err
}

// inTurn makes the transactions of this tenant that ask for the same lock take
// turns: what one has counted, no other adds to before it has ended.
func (tx tx) inTurn(ctx context.Context, lock int) error {
	_, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(?, hashtext(?))", lock, string(tx.tenant))
	return err
}
