package postgres_test

import (
	"context"
	"errors"
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

// The control: with neither wall, tenants do mix, and the test above would see it.
func TestWithoutWallsTenantsMix(t *testing.T) {
	db := postgrestest.NoWalls(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	for _, who := range []tenants.ID{us, them} {
		must(t, db.Update(t.Context(), who, func(ctx context.Context, tx postgres.Tx) error {
			_, err := tx.NewInsert().Model(&roleRow{Name: "mixed", Title: "x", Actions: []string{}}).Exec(ctx)
			return err
		}))
	}
	var rows []roleRow
	must(t, db.View(t.Context(), us, func(ctx context.Context, tx postgres.Tx) error {
		return tx.Find(&rows).Where("name = 'mixed'").Scan(ctx)
	}))
	if len(rows) != 2 {
		t.Errorf("%d rows: a wall stands that should be down", len(rows))
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
