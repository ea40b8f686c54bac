// Package postgrestest gives tests a real PostgreSQL.
//
// One server serves every test package of a run. The first starts it, the
// others join, and it goes by itself with the last of them, however that one
// ends. Each package gets a database of its own, cloned from a migrated
// template, and each test makes tenants of its own in it: that keeps tests
// apart and leans on the walls between tenants in every single one of them.
//
// There is no skipping: without PostgreSQL a test fails and says what to do.
// CARILLON_TEST_DATABASE_URL points at another server, as a superuser.
package postgrestest

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/internal/walls"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// URLs are the ways into one test database, past the doors of adapters/postgres.
type URLs struct {
	Admin  string // a superuser: sees and may do everything
	App    string // carillon_app
	System string // carillon_system
}

// shared are the package's databases: one whole, one for each wall alone.
var shared struct {
	whole, filters lazy
	of             sync.Map // *postgres.DB → URLs
	superusers     sync.Map // URLs.Admin → *pgxpool.Pool
}

// Open returns the package's database. It stays open until the package is done.
func Open(t testing.TB) *postgres.DB {
	t.Helper()
	return shared.whole.open(t, walls.Test{})
}

// Another returns a second handle on the package's database, with pools of its
// own, as another process would have. It closes with t.
func Another(t testing.TB) *postgres.DB {
	t.Helper()
	return again(t, Open(t), walls.Test{})
}

// Isolated returns a database of t's own, for a test that does to it what
// others would notice. It goes with t.
func Isolated(t testing.TB) *postgres.DB {
	t.Helper()
	l := new(lazy)
	db := l.open(t, walls.Test{})
	t.Cleanup(func() {
		u := Of(t, db)
		db.Close()
		shared.of.Delete(db)
		if pool, ok := shared.superusers.LoadAndDelete(u.Admin); ok {
			pool.(*pgxpool.Pool).Close()
		}
		if err := drop(context.Background(), u); err != nil {
			t.Error(err)
		}
	})
	return db
}

// RowSecurityAlone returns the package's database without the application's
// conditions on tenant_id: only row-level security keeps tenants apart.
func RowSecurityAlone(t testing.TB) *postgres.DB {
	t.Helper()
	return again(t, Open(t), walls.Test{NoFilters: true})
}

// FiltersAlone returns a database of its own in which the owner has switched
// row-level security off: only the application's conditions keep tenants apart.
func FiltersAlone(t testing.TB) *postgres.DB {
	t.Helper()
	return shared.filters.open(t, walls.Test{}, noRowSecurity)
}

// NoWalls returns the database of FiltersAlone without the filters either: the
// control that shows a test of the walls is not blind.
func NoWalls(t testing.TB) *postgres.DB {
	t.Helper()
	return again(t, FiltersAlone(t), walls.Test{NoFilters: true})
}

// again opens db's database once more, for as long as t.
func again(t testing.TB, db *postgres.DB, w walls.Test) *postgres.DB {
	t.Helper()
	more, err := connect(context.Background(), Of(t, db), w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(more.Close)
	return more
}

// Of returns the ways into db, which this package opened.
func Of(t testing.TB, db *postgres.DB) URLs {
	t.Helper()
	u, ok := shared.of.Load(db)
	if !ok {
		t.Fatal("postgrestest: this database was opened by someone else")
	}
	return u.(URLs)
}

// Exec runs statements as a superuser, past every door.
func Exec(t testing.TB, db *postgres.DB, query string, args ...any) {
	t.Helper()
	pool, err := superuser(Of(t, db))
	if err == nil {
		_, err = pool.Exec(t.Context(), query, args...)
	}
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Tenant makes a workspace under a new agency under the operator, and returns
// the workspace. It is on the agency tier and has no members.
func Tenant(t testing.TB, db *postgres.DB) tenants.ID {
	t.Helper()
	agency := Child(t, db, Operator, tenants.Agency)
	return Child(t, db, agency, tenants.Workspace)
}

// Operator is the root of the tree in every test database.
const Operator tenants.ID = "ten_00000000000000000000000000"

// Child makes a tenant of kind below parent and returns it.
func Child(t testing.TB, db *postgres.DB, parent tenants.ID, kind tenants.Kind) tenants.ID {
	t.Helper()
	child := tenants.NewID()
	Exec(t, db, `insert into tenants (tenant_id, parent_id, ancestors, kind, name)
		select $1::text, tenant_id, ancestors || $1::text, $3, $3 || ' of a test' from tenants where tenant_id = $2`,
		child, parent, kind)
	return child
}

// Member makes a person a member of tenant and returns their name.
func Member(t testing.TB, db *postgres.DB, tenant tenants.ID, role tenants.Role) tenants.UserID {
	t.Helper()
	user := tenants.UserID(id.New("usr"))
	Exec(t, db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, $3, 'system')", tenant, user, role)
	return user
}
