package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

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
// BEGIN carries the tenant along and waits for the first statement, which saves
// two round trips.
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
	tx *lazyTx // the open transaction, if any
}

// openingKey is how a door tells BeginTx what to send. Without an opening no
// transaction opens, so no code can get around the doors.
type openingKey struct{}

// BeginTx sends nothing yet: see lazyTx.
func (c *conn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	o, ok := ctx.Value(openingKey{}).(opening)
	if !ok {
		return nil, errOutside
	}
	pc := c.Conn.Conn()
	if pc.IsClosed() {
		return nil, driver.ErrBadConn
	}
	c.tx = &lazyTx{conn: pc, open: o}
	return transaction{c}, nil
}

var errOutside = errors.New("postgres: a statement or a transaction outside view, update and system")

// begun makes sure that a transaction is open before bun's statement runs.
func (c *conn) begun(ctx context.Context) error {
	if c.tx == nil {
		return errOutside
	}
	return c.tx.start(ctx)
}

// PrepareContext is a way to run statements that nobody needs.
func (c *conn) PrepareContext(context.Context, string) (driver.Stmt, error) {
	return nil, errors.New("postgres: bun's statements are not prepared")
}

// Prepare is PrepareContext.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// ExecContext sends one statement. pgx's own would use the simple protocol
// when there are no arguments, which runs as many as there are.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.begun(ctx); err != nil {
		return nil, err
	}
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
	if err := c.begun(ctx); err != nil {
		return nil, err
	}
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

// transaction is conn's, for database/sql.
type transaction struct{ c *conn }

func (t transaction) Commit() error   { return t.end(pgx.Tx.Commit) }
func (t transaction) Rollback() error { return t.end(pgx.Tx.Rollback) }

func (t transaction) end(how func(pgx.Tx, context.Context) error) error {
	tx := t.c.tx
	t.c.tx = nil
	if tx == nil {
		return sql.ErrTxDone
	}
	ctx, cancel := ending(context.Background())
	defer cancel()
	return how(tx, ctx)
}
