package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// This file stands between bun and pgx, for three reasons.
//
// Bun writes arguments into the statement, so every statement is a new one.
// pgx would prepare each of them: two and a half round trips and a cache full
// of rubbish. Here they go as unnamed statements: one round trip, and a second
// statement smuggled in behind a semicolon is refused by the server.
//
// BEGIN carries the tenant along, which saves the round trip that SET LOCAL
// would take.
//
// The pgx transaction under bun's is kept at hand, for River.

// openSQL is pool as a database/sql pool that keeps no connection of its own.
func openSQL(pool *pgxpool.Pool) *sql.DB {
	db := sql.OpenDB(connector{stdlib.GetPoolConnector(pool)})
	db.SetMaxIdleConns(0)
	return db
}

type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	dc, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	sc, ok := dc.(*stdlib.Conn)
	if !ok {
		return nil, errors.New("postgres: not a pgx connection")
	}
	return &conn{Conn: sc}, nil
}

type conn struct {
	*stdlib.Conn
	tx pgx.Tx // the open transaction, if any
}

// opening is how a door tells BeginTx what to send. Without one no transaction
// opens, so no code can get around the doors.
type opening struct {
	// ctx is the request's. BeginTx itself is given one that never ends, or
	// database/sql would roll back from a goroutine of its own, in the middle
	// of a statement that River sends on the same connection.
	ctx   context.Context
	begin string
}

type openingKey struct{}

func (c *conn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	o, ok := ctx.Value(openingKey{}).(opening)
	if !ok {
		return nil, errors.New("postgres: a transaction outside view, update and system")
	}
	pc := c.Conn.Conn()
	if pc.IsClosed() {
		return nil, driver.ErrBadConn
	}
	tx, err := pc.BeginTx(o.ctx, pgx.TxOptions{BeginQuery: o.begin})
	if err != nil {
		if pc.IsClosed() && o.ctx.Err() == nil {
			return nil, errors.Join(driver.ErrBadConn, err) // nothing was done yet: safe on another connection
		}
		return nil, err
	}
	c.tx = tx
	return &transaction{c}, nil
}

// ExecContext sends one statement. pgx's own would use the simple protocol
// when there are no arguments, which runs as many as there are.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) > 0 {
		return c.Conn.ExecContext(ctx, query, args)
	}
	pc := c.Conn.Conn()
	if pc.IsClosed() {
		return nil, driver.ErrBadConn
	}
	rows, err := pc.Query(ctx, query, pgx.QueryExecModeExec)
	if err != nil {
		return nil, badConn(err)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return nil, badConn(err)
	}
	return driver.RowsAffected(rows.CommandTag().RowsAffected()), nil
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		args = []driver.NamedValue{{Ordinal: 1, Value: pgx.QueryExecModeExec}}
	}
	return c.Conn.QueryContext(ctx, query, args)
}

// badConn marks an error that came before anything was sent, so that the door
// may take another connection.
func badConn(err error) error {
	if pgconn.SafeToRetry(err) {
		return errors.Join(driver.ErrBadConn, err)
	}
	return err
}

// transaction ends on its own clock: a request that is gone must still leave
// the connection clean, and a commit that has begun should not be left unknown.
type transaction struct{ c *conn }

const endTimeout = 5 * time.Second

func (t *transaction) Commit() error   { return t.end(pgx.Tx.Commit) }
func (t *transaction) Rollback() error { return t.end(pgx.Tx.Rollback) }

func (t *transaction) end(how func(pgx.Tx, context.Context) error) error {
	tx := t.c.tx
	t.c.tx = nil
	if tx == nil {
		return sql.ErrTxDone
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	return how(tx, ctx)
}
