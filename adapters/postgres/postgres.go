// Package postgres keeps the kernel's data in PostgreSQL.
//
// There is no way to run a query from this package without saying for whom:
// the pools are private and view, update and system are the only doors. The
// first two open a transaction in one tenant, tell row-level security which,
// and only then call back; their pool's role owns no table and cannot bypass
// the policies, so a forgotten condition finds nothing rather than everything.
// The third is for the few paths across tenants; each is listed in system.go.
//
// Row-level security is the second wall, not the only one. The first is the
// condition on tenant_id that every query carries: start a query with tx.find,
// tx.change or tx.remove, or put tx.ours in one written by hand. The test
// suite proves each wall alone; see internal/walls.
//
// One file per context holds its store: an exported method on DB that returns
// what the context's store.go asks for. Start with door.go.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/carillonhq/carillon/adapters/postgres/internal/walls"
)

// Config says where the database is.
type Config struct {
	App    string // URL for carillon_app
	System string // URL for carillon_system
	// OtherApp and OtherSystem are passwords that count where the URL's is
	// refused: those before it, and those to come, while they are changed.
	OtherApp, OtherSystem []string
	// MaxConns bounds each of the two pools; 0 means 16.
	MaxConns int32
	// Tracer sees every statement, if set.
	Tracer pgx.QueryTracer
}

// DB is one database. Its stores, such as Registry, implement core's
// interfaces. It is safe for concurrent use.
type DB struct {
	app, sys role
	claims   *pgxpool.Pool         // of sys; see claimConns
	jobs     *river.Client[pgx.Tx] // inserts only
	walls    walls.Test
	hints    hints
	lanes    lanes
}

// A role is one of the two ways into the database.
type role struct {
	pool *pgxpool.Pool
	bun  *bun.DB
}

// Open connects as both roles. It fails if either cannot, or if a role is one
// that row-level security does not bind.
func Open(ctx context.Context, c Config) (*DB, error) { return OpenForTest(ctx, c, walls.Test{}) }

// OpenForTest is Open with a wall taken down. Only postgrestest can call it:
// nobody else can name its last parameter's type.
func OpenForTest(ctx context.Context, c Config, w walls.Test) (*DB, error) {
	app, err := connect(ctx, c, c.App, "carillon", c.OtherApp)
	if err != nil {
		return nil, fmt.Errorf("application role: %w", err)
	}
	sys, err := connect(ctx, c, c.System, "carillon-system", c.OtherSystem)
	if err != nil {
		app.close()
		return nil, fmt.Errorf("system role: %w", err)
	}
	own := sys.pool.Config()
	own.MaxConns = claimConns
	claims, err := pgxpool.NewWithConfig(ctx, own)
	if err != nil {
		app.close()
		sys.close()
		return nil, fmt.Errorf("system role: %w", err)
	}
	db := &DB{app: app, sys: sys, claims: claims, walls: w}
	if db.jobs, err = river.NewClient(riverpgxv5.New(app.pool), &river.Config{Schema: riverSchema}); err != nil {
		db.Close()
		return nil, fmt.Errorf("job client: %w", err)
	}
	return db, nil
}

// claimConns is how many connections claims have to themselves, of the system
// role. A claim is a large statement that costs about as much to plan as to run,
// so it had better meet the same connection each time; and it waits for none
// that jobs have taken. A dispatcher claims one at a time.
const claimConns = 2

func connect(ctx context.Context, c Config, url, name string, others []string) (role, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return role{}, err
	}
	cfg.MaxConns = 16
	if c.MaxConns > 0 {
		cfg.MaxConns = c.MaxConns
	}
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.ConnConfig.Tracer = c.Tracer
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	for name, value := range map[string]string{
		"application_name":                    name,
		"timezone":                            "UTC",
		"standard_conforming_strings":         "on",  // bun quotes literals itself
		"jit":                                 "off", // our statements are short; compiling one would not pay
		"enable_seqscan":                      "off", // see plans.go
		"statement_timeout":                   "30s",
		"lock_timeout":                        "10s",
		"idle_in_transaction_session_timeout": "60s",
	} {
		if _, set := cfg.ConnConfig.RuntimeParams[name]; !set {
			cfg.ConnConfig.RuntimeParams[name] = value
		}
	}
	cfg.PrepareConn, cfg.BeforeConnect = replan, accepted(others)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return role{}, err
	}
	if err := bound(ctx, pool); err != nil {
		pool.Close()
		return role{}, err
	}
	return role{pool, bun.NewDB(openSQL(pool), pgdialect.New(), bun.WithDiscardUnknownColumns())}, nil
}

// bound refuses a login that could look past the policies.
func bound(ctx context.Context, pool *pgxpool.Pool) error {
	var free bool
	err := pool.QueryRow(ctx, "select rolsuper or rolbypassrls from pg_roles where rolname = current_user").Scan(&free)
	if err != nil {
		return asFault(err)
	}
	if free {
		return errors.New("this login is not bound by row-level security; use carillon_app and carillon_system")
	}
	return nil
}

// Close waits for connections in use and closes both pools.
func (db *DB) Close() {
	db.app.close()
	db.sys.close()
	db.claims.Close()
}

func (r role) close() {
	_ = r.bun.Close()
	r.pool.Close()
}

// Ping reports whether both roles reach the database: fault.Unavailable if not.
func (db *DB) Ping(ctx context.Context) error {
	return asFault(errors.Join(db.app.pool.Ping(ctx), db.sys.pool.Ping(ctx)))
}

// Now is the database's clock, the one that decides what is due.
func (db *DB) Now(ctx context.Context) (now time.Time, err error) {
	err = db.app.pool.QueryRow(ctx, "select now()").Scan(&now)
	return now.UTC(), asFault(err)
}

// Jobs returns a client that works jobs, for adapters/jobs. It runs as the
// system role: the queue is one for all tenants. c's Schema is set here.
func (db *DB) Jobs(c *river.Config) (*river.Client[pgx.Tx], error) {
	c.Schema = riverSchema
	c.ReindexerIndexNames = []string{} // reindexing asks for ownership, which no serving role has
	return river.NewClient(riverpgxv5.New(db.sys.pool), c)
}

// riverSchema keeps the queue's tables out of ours.
const riverSchema = "river"
