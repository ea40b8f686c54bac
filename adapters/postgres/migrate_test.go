package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/fault"
)

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
