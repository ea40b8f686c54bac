package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

type roleRow struct {
	bun.BaseModel `bun:"table:roles"`

	Name    string   `bun:"name"`
	Title   string   `bun:"title"`
	Actions []string `bun:"actions,array"`
}

type tenantRow struct {
	bun.BaseModel `bun:"table:tenants"`

	ID        string         `bun:"tenant_id"`
	Ancestors []string       `bun:"ancestors,array"`
	Settings  map[string]any `bun:"settings,type:jsonb"`
	CreatedAt time.Time      `bun:"created_at"`
	Version   int            `bun:"version"`
}

// Each wall must hold on its own.
func TestATenantSeesOnlyItsOwn(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls": postgrestest.Open, "row security alone": postgrestest.RowSecurityAlone, "filters alone": postgrestest.FiltersAlone,
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
			for _, who := range []tenants.ID{us, them} {
				must(t, db.Update(t.Context(), who, func(ctx context.Context, tx postgres.Tx) error {
					_, err := tx.NewInsert().Model(&roleRow{Name: "writer", Title: string(who), Actions: []string{}}).Exec(ctx)
					return err
				}))
			}
			var rows []roleRow
			must(t, db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
				if _, err := tx.Change((*roleRow)(nil)).Set("version = version + 1").Where("name = 'writer'").Exec(ctx); err != nil {
					return err
				}
				return tx.Find(&rows).Where("name = ?", "writer").Scan(ctx)
			}))
			if len(rows) != 1 || rows[0].Title != string(us) {
				t.Errorf("rows = %+v", rows)
			}
			must(t, db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
				res, err := tx.Remove((*roleRow)(nil)).Where("true").Exec(ctx)
				if n, _ := res.RowsAffected(); n != 1 {
					t.Errorf("removed %d rows", n)
				}
				return err
			}))
		})
	}
}

func TestNoDoorWithoutATenant(t *testing.T) {
	db := postgrestest.Open(t)
	for name, who := range map[string]tenants.ID{"none": "", "forged": "ten_' or true --", "other kind": "usr_00000000000000000000000000"} {
		called := false
		fn := func(context.Context, postgres.Tx) error { called = true; return nil }
		if err := errors.Join(db.View(t.Context(), who, fn)); !fault.Is(err, fault.Unauthenticated) || called {
			t.Errorf("%s: err = %v, called = %v", name, err, called)
		}
	}
	if err := db.WithoutDoor(t.Context()); err == nil {
		t.Error("a transaction opened outside the doors")
	}
}

// A row for someone else is refused by the database, not by our manners.
func TestARowForAnotherTenantIsRefused(t *testing.T) {
	db := postgrestest.Open(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	err := db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
		_, err := tx.ExecContext(ctx, "insert into roles (tenant_id, name, title, actions) values (?, 'x', 'x', '{}')", string(them))
		return err
	})
	if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("err = %v", err)
	}
}

func TestTransactions(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	insert := func(ctx context.Context, tx postgres.Tx, name string) error {
		_, err := tx.NewInsert().Model(&roleRow{Name: name, Title: name, Actions: []string{}}).Exec(ctx)
		return err
	}
	boom := errors.New("boom")
	cancelled, cancel := context.WithCancel(t.Context())
	for name, tc := range map[string]struct {
		run  func() error
		want func(error) bool
	}{
		"an error": {func() error {
			return db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
				return errors.Join(insert(ctx, tx, "a"), boom)
			})
		}, func(err error) bool { return errors.Is(err, boom) }},
		"a panic": {func() (err error) {
			defer func() { err, _ = recover().(error) }()
			return db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
				must(t, insert(ctx, tx, "b"))
				panic(boom)
			})
		}, func(err error) bool { return errors.Is(err, boom) }},
		"a caller who left": {func() error {
			return db.Update(cancelled, us, func(ctx context.Context, tx postgres.Tx) error {
				defer cancel()
				return insert(ctx, tx, "c")
			})
		}, func(err error) bool { return fault.Is(err, fault.Canceled) }},
		"a write while viewing": {func() error {
			return db.View(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error { return insert(ctx, tx, "d") })
		}, func(err error) bool { return fault.Is(err, fault.Internal) }},
		"one inside another": {func() error {
			return db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
				return db.View(ctx, us, func(context.Context, postgres.Tx) error { return nil })
			})
		}, func(err error) bool { return fault.Is(err, fault.Internal) }},
		"two statements, executing": {func() error {
			return db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
				_, err := tx.ExecContext(ctx, "update roles set title = 'x'; delete from roles")
				return err
			})
		}, isSyntaxError},
		"two statements, asking": {func() error {
			return db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
				rows, err := tx.QueryContext(ctx, "select 1; select 2")
				if err == nil {
					err = errors.Join(rows.Err(), rows.Close())
				}
				return err
			})
		}, isSyntaxError},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.run(); !tc.want(err) {
				t.Errorf("err = %v", err)
			}
		})
	}
	var left int64
	must(t, db.View(t.Context(), us, func(ctx context.Context, tx postgres.Tx) (err error) {
		left, err = tx.NewSelect().Model((*roleRow)(nil)).Count(ctx)
		return err
	}))
	if left != 0 {
		t.Errorf("%d rows survived a rollback", left)
	}
}

func isSyntaxError(err error) bool {
	pg := new(pgconn.PgError)
	return errors.As(err, &pg) && pg.Code == "42601"
}

// Arrays, documents and moments pass through the unnamed statements as well,
// and none of them leaves a prepared statement behind.
func TestValuesComeBackAsTheyWent(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	want := []string{`a"b\c`, "d,e", "{f}", "'; drop table roles --", "ü\n", ""}
	doc := map[string]any{"a": []any{1.0, "'", nil, `\`}, "b": map[string]any{"c": true}}
	var r roleRow
	var row tenantRow
	var prepared int
	must(t, db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
		if _, err := tx.NewInsert().Model(&roleRow{Name: "all", Title: `'\"?-1`, Actions: want}).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.Change(&tenantRow{Settings: doc}).Column("settings").Where("true").Exec(ctx); err != nil {
			return err
		}
		if err := tx.Find(&row).Scan(ctx); err != nil {
			return err
		}
		if err := tx.Find(&r).Where("name = ?", "all").Where("? - ? > 0", 1, -1).Scan(ctx); err != nil {
			return err
		}
		return tx.NewRaw("select count(*) from pg_prepared_statements where statement like '%role_row%'").Scan(ctx, &prepared)
	}))
	if diff := cmp.Diff(want, r.Actions) + cmp.Diff(doc, row.Settings); diff != "" || r.Title != `'\"?-1` {
		t.Errorf("title = %s\n%s", r.Title, diff)
	}
	if len(row.Ancestors) != 3 || row.Ancestors[2] != string(us) || time.Since(row.CreatedAt) > time.Hour || prepared != 0 {
		t.Errorf("row = %+v, %d prepared statements", row, prepared)
	}
}

// A server that restarts takes every pooled connection with it. The next
// request must not pay for that.
func TestDeadConnectionsAreReplaced(t *testing.T) {
	db := postgrestest.Isolated(t)
	us := postgrestest.Tenant(t, db)
	nothing := func(ctx context.Context, tx postgres.Tx) error { _, err := tx.ExecContext(ctx, "select 1"); return err }
	for range 2 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { _ = db.Update(t.Context(), us, nothing) })
		}
		wg.Wait()
		hangUp(t, postgrestest.Of(t, db).Admin)
		must(t, db.Update(t.Context(), us, nothing))
	}
}

// hangUp ends every connection of the application and returns when they are gone.
func hangUp(t *testing.T, url string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { _ = c.Close(t.Context()) }()
	const theirs = "from pg_stat_activity where usename = 'carillon_app' and datname = current_database()"
	_, err = c.Exec(t.Context(), "select pg_terminate_backend(pid) "+theirs)
	must(t, err)
	for left := 1; left > 0; {
		must(t, c.QueryRow(t.Context(), "select count(*) "+theirs).Scan(&left))
	}
}

type job struct {
	Tenant tenants.ID `json:"tenant"`
}

func (job) Kind() string { return "test" }

// A job belongs to the transaction that asked for it, and to its tenant.
func TestJobs(t *testing.T) {
	db := postgrestest.Open(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		job  job
		err  error
		want int
	}{
		"rolled back":      {job{us}, boom, 0},
		"another tenant's": {job{them}, nil, 0},
		"committed":        {job{us}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			postgrestest.Exec(t, db, "delete from river.river_job where kind = 'test'")
			err := db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
				return errors.Join(tx.Enqueue(ctx, tc.job), tc.err)
			})
			if (err == nil) != (tc.want == 1) {
				t.Errorf("err = %v", err)
			}
			var n int
			must(t, db.System(t.Context(), func(ctx context.Context, tx postgres.Tx) error {
				return tx.NewRaw("select count(*) from river.river_job where kind = 'test'").Scan(ctx, &n)
			}))
			if n != tc.want {
				t.Errorf("%d jobs, want %d", n, tc.want)
			}
		})
	}
}

func TestALoginThatSeesPastThePoliciesIsRefused(t *testing.T) {
	u := postgrestest.Of(t, postgrestest.Open(t))
	if db, err := postgres.Open(t.Context(), postgres.Config{App: u.Admin, System: u.System}); err == nil {
		db.Close()
		t.Error("served as a superuser")
	}
}

// Starters race to migrate on every deploy.
func TestMigrateTogether(t *testing.T) {
	u := postgrestest.Of(t, postgrestest.Open(t))
	errs := make(chan error)
	for range 3 {
		go func() { errs <- postgres.Migrate(t.Context(), u.Admin, postgres.MigrateOptions{}) }()
	}
	for range 3 {
		must(t, <-errs)
	}
}

func TestAsFault(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want fault.Code
	}{
		"a fault":           {fault.New(fault.Quota, "x", "x"), fault.Quota},
		"no rows":           {pgx.ErrNoRows, fault.NotFound},
		"a known key":       {&pgconn.PgError{Code: "23505", ConstraintName: "roles_pkey"}, fault.Conflict},
		"an unknown key":    {&pgconn.PgError{Code: "23505", ConstraintName: "mystery"}, fault.Internal},
		"a policy":          {&pgconn.PgError{Code: "42501"}, fault.Internal},
		"a deadlock":        {&pgconn.PgError{Code: "40P01"}, fault.Conflict},
		"too slow":          {&pgconn.PgError{Code: "57014"}, fault.Canceled},
		"shutting down":     {&pgconn.PgError{Code: "57P01"}, fault.Unavailable},
		"too many":          {&pgconn.PgError{Code: "53300"}, fault.Unavailable},
		"nobody listens":    {&pgconn.ConnectError{}, fault.Unavailable},
		"caller went away":  {context.Canceled, fault.Canceled},
		"something unheard": {errors.New("x"), fault.Internal},
	} {
		if got := fault.Of(postgres.AsFault(tc.err)).Code; got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Where somebody else runs the server, the owner is a plain login that may make
// roles, and the serving roles may be there already.
func TestMigrateAsAPlainOwner(t *testing.T) {
	u := postgrestest.Of(t, postgrestest.Open(t))
	name := "carillon_test_plain_" + strings.ToLower(rand.Text()[:8])
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		for _, s := range []string{
			"create role " + name + " login createrole password 'plain'", "create database " + name + " owner " + name,
		} {
			_, err := c.Exec(ctx, s)
			must(t, err)
		}
	})
	t.Cleanup(func() {
		c, err := pgx.Connect(context.Background(), u.Admin)
		must(t, err)
		defer func() { _ = c.Close(context.Background()) }()
		for _, s := range []string{"drop database " + name + " with (force)", "drop role " + name} {
			_, err := c.Exec(context.Background(), s)
			must(t, err)
		}
	})
	owner, err := url.Parse(u.Admin)
	must(t, err)
	owner.User, owner.Path = url.UserPassword(name, "plain"), "/"+name
	for range 2 {
		must(t, postgres.Migrate(t.Context(), owner.String(), postgres.MigrateOptions{}))
	}
	app, system := onDatabase(t, u.App, name), onDatabase(t, u.System, name)
	db, err := postgres.Open(t.Context(), postgres.Config{App: app, System: system})
	must(t, err)
	defer db.Close()
	must(t, db.Ping(t.Context()))
	if _, err := db.Registry().Operator(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("err = %v", err)
	}
}

func onDatabase(t *testing.T, raw, name string) string {
	t.Helper()
	u, err := url.Parse(raw)
	must(t, err)
	u.Path = "/" + name
	return u.String()
}

// A tenant cannot move itself, change its plan or lift its own suspension, even
// with a statement of its own making.
func TestPlacePlanAndStateAreNotTheTenantsOwn(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	for _, set := range []string{"state = 'active'", "tier = 'agency'", "parent_id = null", "ancestors = '{}'", "kind = 'operator'"} {
		err := db.Update(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
			_, err := tx.ExecContext(ctx, "update tenants set "+set)
			return err
		})
		if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: err = %v", set, err)
		}
	}
}
