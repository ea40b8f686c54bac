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
	pgx    pgx.Tx
	tenant tenants.ID // empty on a system path across tenants
	db     *DB
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
	return db.run(ctx, db.sys, "begin; set local app.path = '"+string(path)+"'", "", fn)
}

// systemIn is system with one tenant as the transaction's own: what it inserts
// belongs to that tenant, and tx.find and its like look there.
func (db *DB) systemIn(ctx context.Context, path systemPath, tenant tenants.ID, fn func(context.Context, tx) error) error {
	if !tenant.Valid() {
		return noTenant()
	}
	begin := "begin; set local app.path = '" + string(path) + "'; set local app.tenant_id = '" + string(tenant) + "'"
	return db.run(ctx, db.sys, begin, tenant, markingFor(fn))
}

func (db *DB) inTenant(ctx context.Context, begin string, tenant tenants.ID, fn func(context.Context, tx) error) error {
	if !tenant.Valid() { // which also makes it safe to write into a statement
		return noTenant()
	}
	return db.run(ctx, db.app, begin+"; set local app.tenant_id = '"+string(tenant)+"'", tenant, fn)
}

func noTenant() error {
	return fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
}

type insideKey struct{}

// run opens one transaction and closes it, whatever fn does. A connection that
// turns out dead at BEGIN is replaced, and the idle ones with it: the server
// has probably been restarted.
func (db *DB) run(ctx context.Context, r role, begin string, tenant tenants.ID, fn func(context.Context, tx) error) error {
	if ctx.Value(insideKey{}) != nil {
		return errors.New("postgres: a transaction inside a transaction")
	}
	for attempt := 1; ; attempt++ {
		began, err := db.once(ctx, r, begin, tenant, fn)
		if began || attempt == 3 || !errors.Is(err, driver.ErrBadConn) {
			return asFault(err)
		}
		r.pool.Reset()
	}
}

func (db *DB) once(ctx context.Context, r role, begin string, tenant tenants.ID, fn func(context.Context, tx) error) (began bool, err error) {
	c, err := r.bun.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }()
	t, err := c.BeginTx(context.WithValue(context.WithoutCancel(ctx), openingKey{}, opening{ctx, begin}), nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = t.Rollback() }() // a no-op after Commit; the way out of errors and panics
	var under pgx.Tx
	if err := c.Raw(func(dc any) error {
		pc, ok := dc.(*conn)
		if !ok {
			return fmt.Errorf("postgres: unexpected driver connection %T", dc)
		}
		under = pc.tx
		return nil
	}); err != nil {
		return true, err
	}
	if err := fn(context.WithValue(ctx, insideKey{}, true), tx{Tx: t, pgx: under, tenant: tenant, db: db}); err != nil {
		return true, err
	}
	if err := ctx.Err(); err != nil {
		return true, err
	}
	return true, t.Commit()
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
		b.Queue("select set_config('app.tenant_id', $1, true)", string(tenant))
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
