package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillonhq/carillon/tenants"
)

// An opening says how a transaction begins, and for whom. A door makes one.
type opening struct {
	mode   string // "begin" and what follows it
	path   systemPath
	tenant tenants.ID
}

// simple is all of it in one string: a path is a constant, and a door has
// checked that the tenant's name is one.
func (o opening) simple() string {
	s := o.mode
	if o.path != "" {
		s += "; set local app.path = '" + string(o.path) + "'"
	}
	if o.tenant != "" {
		s += "; set local app.tenant_id = '" + string(o.tenant) + "'"
	}
	return s
}

// tenantAndPlans says whose the statements of a batch are. They are made to be
// prepared, and to be run by one plan (plans.go); without being told, each
// connection would plan each of them five times before it keeps one.
const tenantAndPlans = "select set_config('app.tenant_id', $1, true), set_config('plan_cache_mode', 'force_generic_plan', true)"

// onlyTenant is in front of a single statement, which is planned as it would
// have been: a list is worth a plan for its own conditions.
const onlyTenant = "select set_config('app.tenant_id', $1, true)"

// in queues it in front of others, as two statements that stay prepared. whose
// is the one that names the tenant.
func (o opening) in(b *pgx.Batch, whose string) {
	b.BeginTx(pgx.TxOptions{BeginQuery: o.mode})
	switch {
	case o.path == "":
		b.Queue(whose, string(o.tenant))
	case o.tenant == "":
		b.Queue("select set_config('app.path', $1, true)", string(o.path))
	default:
		b.Queue("select set_config('app.path', $1, true), set_config('app.tenant_id', $2, true)", string(o.path), string(o.tenant))
	}
}

// lazyTx is a transaction that begins with its first statement. If that is a
// batch, the beginning travels with it, and so may the commit with the last
// one. There is no way to a statement here that does not begin first: what
// runs, runs for whom the opening names, or the server never sees it.
type lazyTx struct {
	conn  *pgx.Conn
	open  opening
	tx    pgx.Tx // nil before the first statement
	ended bool
	// lost: the connection turned out dead at the beginning. Nothing was done,
	// so it can be done on another one.
	lost bool
	last bool // the commit is on its way, perhaps together with the beginning
}

var errEnded = errors.New("postgres: this transaction has ended")

// start begins, if nothing has yet.
func (t *lazyTx) start(ctx context.Context) error {
	switch {
	case t.ended:
		return errEnded
	case t.lost:
		return driver.ErrBadConn
	case t.tx != nil:
		return nil
	}
	tx, err := t.conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: t.open.simple()})
	if err != nil {
		return t.stillborn(ctx, err)
	}
	t.tx = tx
	return nil
}

// stillborn notes that the beginning failed, and whether that was for a dead
// connection. With the commit on its way too, that has to be certain.
func (t *lazyTx) stillborn(ctx context.Context, err error) error {
	if t.conn.IsClosed() && ctx.Err() == nil && (!t.last || pgconn.SafeToRetry(err)) {
		t.lost = true
		return errors.Join(driver.ErrBadConn, err)
	}
	return err
}

// SendBatch implements pgx.Tx.
func (t *lazyTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if t.tx != nil || t.ended || t.lost {
		if err := t.start(ctx); err != nil {
			return pgx.FailedBatchResults(b, err)
		}
		return t.tx.SendBatch(ctx, b)
	}
	return t.first(ctx, b, tenantAndPlans)
}

// first sends the beginning and b together.
func (t *lazyTx) first(ctx context.Context, b *pgx.Batch, whose string) pgx.BatchResults {
	first := new(pgx.Batch)
	t.open.in(first, whose)
	own := first.Len()
	first.QueuedQueries = append(first.QueuedQueries, b.QueuedQueries...)
	res := t.conn.SendBatch(ctx, first)
	for range own {
		if _, err := res.Exec(); err != nil {
			_ = res.Close()
			if t.conn.PgConn().TxStatus() != 'I' { // it began, but for nobody
				_ = t.conn.Close(context.WithoutCancel(ctx))
			}
			return pgx.FailedBatchResults(b, t.stillborn(ctx, err))
		}
	}
	t.tx = res.Tx()
	return res
}

// commitAfter sends b and the commit in one go: if a statement of b fails, the
// server skips the rest, and that it never saw the commit is certain. An empty
// b is no reason not to commit.
func (t *lazyTx) commitAfter(ctx context.Context, b *pgx.Batch) error {
	if b.Len() == 0 {
		return t.Commit(ctx)
	}
	t.last = true
	var tag pgconn.CommandTag
	b.Queue("commit").Exec(func(ct pgconn.CommandTag) error { tag = ct; return nil })
	if err := t.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	t.ended = true
	if tag.String() != "COMMIT" {
		return pgx.ErrTxCommitRollback
	}
	return nil
}

// Commit implements pgx.Tx.
func (t *lazyTx) Commit(ctx context.Context) error { return t.end(ctx, pgx.Tx.Commit) }

// Rollback implements pgx.Tx.
func (t *lazyTx) Rollback(ctx context.Context) error { return t.end(ctx, pgx.Tx.Rollback) }

func (t *lazyTx) end(ctx context.Context, how func(pgx.Tx, context.Context) error) error {
	if t.ended || t.tx == nil {
		t.ended = true
		return nil
	}
	t.ended = true
	return how(t.tx, ctx)
}

// ending is the time that the end of a transaction has. It has its own clock: a
// request that is gone must still leave the connection clean, and a commit that
// has begun should not be left unknown. Statements in front of it may have to
// wait for locks.
func ending(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
}

const endTimeout = 15 * time.Second

// Begin implements pgx.Tx.
func (t *lazyTx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	return t.tx.Begin(ctx)
}

// CopyFrom implements pgx.Tx.
func (t *lazyTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	if err := t.start(ctx); err != nil {
		return 0, err
	}
	return t.tx.CopyFrom(ctx, table, columns, rows)
}

// LargeObjects implements pgx.Tx; there are none here.
func (t *lazyTx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Prepare implements pgx.Tx.
func (t *lazyTx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	return t.tx.Prepare(ctx, name, sql)
}

// Exec implements pgx.Tx.
func (t *lazyTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := t.start(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return t.tx.Exec(ctx, sql, args...)
}

// Query implements pgx.Tx.
func (t *lazyTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.tx == nil && !t.ended && !t.lost {
		b := new(pgx.Batch)
		b.Queue(sql, args...)
		all := t.first(ctx, b, onlyTenant)
		rows, err := all.Query()
		return firstRows{Rows: rows, all: all}, err
	}
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	return t.tx.Query(ctx, sql, args...)
}

// firstRows answer a statement that the beginning travelled with. The
// connection is free once both are read.
type firstRows struct {
	pgx.Rows
	all pgx.BatchResults
}

func (r firstRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	_ = r.all.Close() // what went wrong is in Err
	return false
}

func (r firstRows) Close() {
	r.Rows.Close()
	_ = r.all.Close()
}

// QueryRow implements pgx.Tx.
func (t *lazyTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.start(ctx); err != nil {
		return noRow{err}
	}
	return t.tx.QueryRow(ctx, sql, args...)
}

type noRow struct{ err error }

func (r noRow) Scan(...any) error { return r.err }

// Conn implements pgx.Tx. Nobody has it before there is a transaction.
func (t *lazyTx) Conn() *pgx.Conn {
	if t.tx == nil {
		return nil
	}
	return t.conn
}
