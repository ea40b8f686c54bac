package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillonhq/carillon/adapters/localpg"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/internal/walls"
)

// lazy is a database that is made when first asked for.
type lazy struct {
	once sync.Once
	db   *postgres.DB
	err  error
}

func (l *lazy) open(t testing.TB, w walls.Test, prepare ...string) *postgres.DB {
	t.Helper()
	l.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		var u URLs
		if u, l.err = clone(ctx, prepare); l.err == nil {
			l.db, l.err = connect(ctx, u, w)
		}
	})
	if l.err != nil {
		t.Fatalf("this test needs PostgreSQL: %v", l.err)
	}
	return l.db
}

func connect(ctx context.Context, u URLs, w walls.Test) (*postgres.DB, error) {
	db, err := postgres.OpenForTest(ctx, postgres.Config{App: u.App, System: u.System, MaxConns: 8}, w)
	if err == nil {
		shared.of.Store(db, u)
	}
	return db, err
}

// server starts or joins the run's server. This process holds on to it until
// it ends.
var server = sync.OnceValues(func() (string, error) {
	if u := os.Getenv("CARILLON_TEST_DATABASE_URL"); u != "" {
		return u, nil
	}
	dir, err := localpg.DefaultDir()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := localpg.Start(ctx, localpg.Options{
		Dir: filepath.Join(dir, "test"), Database: "postgres",
		Settings: map[string]string{ // nothing here outlives a power cut, and need not
			"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
			"max_connections": "400", "jit": "off",
		},
	})
	if err != nil {
		return "", fmt.Errorf("%w\n(or set CARILLON_TEST_DATABASE_URL to a superuser's URL; %s holds nothing but tests and may be removed)",
			err, filepath.Join(dir, "test"))
	}
	return s.URL, nil
})

// clone makes a database from the template, and the template if need be.
func clone(ctx context.Context, prepare []string) (u URLs, err error) {
	root, err := server()
	if err != nil {
		return URLs{}, err
	}
	conn, err := pgx.Connect(ctx, root)
	if err != nil {
		return URLs{}, err
	}
	defer func() { _ = conn.Close(ctx) }()
	name := fmt.Sprintf("carillon_test_%d_%s", os.Getpid(), strings.ToLower(rand.Text()[:8]))
	if err := underLock(ctx, conn, func() error {
		prune(ctx, conn)
		template, err := ensureTemplate(ctx, conn, root)
		if err != nil {
			return err
		}
		return exec(ctx, conn, "create database "+name+" template "+template+" strategy file_copy")
	}); err != nil {
		return URLs{}, err
	}
	if u.Admin, err = onDatabase(root, name); err != nil {
		return URLs{}, err
	}
	if u.App, u.System, err = postgres.RoleURLs(u.Admin, passwords); err != nil {
		return URLs{}, err
	}
	if broken := os.Getenv("CARILLON_TEST_BREAK"); broken != "" {
		prepare = append(slices.Clip(prepare), broken) // see cmd/mutants
	}
	return u, withAdmin(ctx, u, func(c *pgx.Conn) error { return exec(ctx, c, prepare...) })
}

// drop removes a database that nobody is in any more.
func drop(ctx context.Context, u URLs) error {
	root, err := server()
	if err != nil {
		return err
	}
	at, err := url.Parse(u.Admin)
	if err != nil {
		return err
	}
	return withAdmin(ctx, URLs{Admin: root}, func(c *pgx.Conn) error {
		return exec(ctx, c, "drop database "+strings.TrimPrefix(at.Path, "/")+" with (force)")
	})
}

// passwords are for servers on loopback that hold nothing but tests.
var passwords = postgres.MigrateOptions{AppPassword: "app", SystemPassword: "system"}

// ensureTemplate returns a migrated database that is named after its schema.
// It is built under another name and renamed, so that it is whole or absent.
func ensureTemplate(ctx context.Context, conn *pgx.Conn, root string) (string, error) {
	print, err := postgres.Fingerprint()
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("carillon_template_%s_%08x", print, crc32.ChecksumIEEE([]byte(operator)))
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists); err != nil || exists {
		return name, err
	}
	half := name + "_new"
	if err := exec(ctx, conn, "drop database if exists "+half+" with (force)", "create database "+half); err != nil {
		return "", err
	}
	at, err := onDatabase(root, half)
	if err != nil {
		return "", err
	}
	if err := postgres.Migrate(ctx, at, passwords); err != nil {
		return "", err
	}
	if err := withAdmin(ctx, URLs{Admin: at}, func(c *pgx.Conn) error { return exec(ctx, c, operator) }); err != nil {
		return "", err
	}
	return name, exec(ctx, conn, "alter database "+half+" rename to "+name, "alter database "+name+" allow_connections false")
}

const operator = `insert into tenants (tenant_id, ancestors, kind, name, tier)
	values ('` + string(Operator) + `', '{` + string(Operator) + `}', 'operator', 'Operator', 'agency')`

// noRowSecurity is what an owner would do; no serving role can.
const noRowSecurity = `do $$ declare r regclass; begin
	for r in select oid from pg_class where relkind in ('r', 'p') and relrowsecurity loop
		execute format('alter table %s no force row level security, disable row level security', r);
	end loop;
end $$`

// prune drops the databases of test processes that are gone, and all but the
// latest templates. What is in use refuses, and stays.
func prune(ctx context.Context, conn *pgx.Conn) {
	rows, _ := conn.Query(ctx, `select datname from pg_database where datname like 'carillon\_test\_%'`)
	names, _ := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		pid, err := strconv.Atoi(strings.Split(strings.TrimPrefix(name, "carillon_test_"), "_")[0])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = exec(ctx, conn, "drop database if exists "+name)
		}
	}
	rows, _ = conn.Query(ctx, `select datname from pg_database where datname like 'carillon\_template\_%' order by oid desc offset 20`)
	names, _ = pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range names {
		_ = exec(ctx, conn, "drop database if exists "+name)
	}
}

// underLock makes the processes of a run take turns.
func underLock(ctx context.Context, conn *pgx.Conn, fn func() error) error {
	const key = 7_226_031
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", key); err != nil {
		return err
	}
	err := fn()
	_, unlockErr := conn.Exec(ctx, "select pg_advisory_unlock($1)", key)
	return errors.Join(err, unlockErr)
}

func withAdmin(ctx context.Context, u URLs, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, u.Admin)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return fn(conn)
}

// superuser is the way in for Exec. Signing in costs more than most of what is
// said there, so its connections stay open.
func superuser(u URLs) (*pgxpool.Pool, error) {
	if pool, ok := shared.superusers.Load(u.Admin); ok {
		return pool.(*pgxpool.Pool), nil
	}
	made, err := pgxpool.New(context.Background(), u.Admin)
	if err != nil {
		return nil, err
	}
	pool, already := shared.superusers.LoadOrStore(u.Admin, made)
	if already {
		made.Close()
	}
	return pool.(*pgxpool.Pool), nil
}

func exec(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

func onDatabase(server, name string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}
