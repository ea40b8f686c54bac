package postgres

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/carillonhq/carillon/migrations"
)

// The roles. The owner runs migrations; the other two serve.
const (
	ownerRole  = "carillon_owner"
	appRole    = "carillon_app"
	systemRole = "carillon_system"
)

// lockTimeout is how long a migration waits for a table that is being used.
// Everybody else waits behind it, so it gives up rather than stop the service.
const lockTimeout = "15s"

// MigrateOptions are the passwords for the serving roles. An empty one leaves
// the role's as it is, for roles that somebody else manages.
type MigrateOptions struct {
	AppPassword    string
	SystemPassword string
}

// Migrate brings the database at ownerURL to this version: roles, schema, job
// queue, grants. Any number of processes may call it at once; one works, the
// others wait and find it done.
//
// The login is either a superuser, who then makes carillon_owner and works as
// it, or the owner of the database with the right to create roles (or with
// carillon_app and carillon_system in place).
func Migrate(ctx context.Context, ownerURL string, o MigrateOptions) (err error) {
	cfg, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		return err
	}
	cfg.RuntimeParams["lock_timeout"] = lockTimeout
	db := stdlib.OpenDB(*cfg)
	defer func() { _ = db.Close() }()
	guard, err := db.Conn(ctx)
	if err != nil {
		return asFault(err)
	}
	defer func() { _ = guard.Close() }()
	l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
	if err != nil {
		return err
	}
	if err := l.SessionLock(ctx, guard); err != nil {
		return fmt.Errorf("waiting for another migration: %w", err)
	}
	defer func() { err = errors.Join(err, l.SessionUnlock(context.WithoutCancel(ctx), guard)) }()

	super, err := setUpRoles(ctx, guard, o)
	if err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	if super {
		cfg.RuntimeParams["role"] = ownerRole
	}
	if err := migrateSchema(ctx, cfg); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	if err := migrateQueue(ctx, ownerURL, super); err != nil {
		return fmt.Errorf("job queue: %w", err)
	}
	return nil
}

func migrateSchema(ctx context.Context, cfg *pgx.ConnConfig) error {
	db := stdlib.OpenDB(*cfg)
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// migrateQueue keeps River in a schema of its own. A job names its tenant in
// its arguments, and the application may touch its own tenant's jobs only.
func migrateQueue(ctx context.Context, ownerURL string, super bool) error {
	cfg, err := pgxpool.ParseConfig(ownerURL)
	if err != nil {
		return err
	}
	cfg.ConnConfig.RuntimeParams["lock_timeout"] = lockTimeout
	if super {
		cfg.ConnConfig.RuntimeParams["role"] = ownerRole
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "create schema if not exists "+riverSchema); err != nil {
		return err
	}
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: riverSchema})
	if err != nil {
		return err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, queueGrants)
	return err
}

// queueGrants runs after every migration of the queue, which may add tables.
//
// The index is River's own for fetching, without the state: row-level security
// keeps the planner from using the comparison of an enum for the order of
// River's, so that each fetch would put all waiting jobs in order.
//
// River indexes what is in a job's arguments and metadata for lists by them,
// which nobody here asks for, and every step of every job would be entered
// twice. They stay under their names, which a later River may want to drop, and
// are empty.
const queueGrants = `
do $$
declare i record;
begin
  for i in select c.relname, a.attname from pg_index x join pg_class c on c.oid = x.indexrelid join pg_attribute a on a.attrelid = c.oid
            where x.indrelid = 'river.river_job'::regclass and x.indpred is null
              and c.relname in ('river_job_args_index', 'river_job_metadata_index') loop
    execute format('drop index river.%I', i.relname);
    execute format('create index %I on river.river_job using gin (%I) where false', i.relname, i.attname);
  end loop;
end $$;
create index if not exists river_job_available on river.river_job (queue, priority, scheduled_at, id) where state = 'available';
grant usage on schema river to carillon_app, carillon_system;
grant select, insert, update, delete on all tables in schema river to carillon_system;
grant usage on all sequences in schema river to carillon_app, carillon_system;
grant select, insert, update on river.river_job to carillon_app;
alter table river.river_job enable row level security;
drop policy if exists tenant on river.river_job;
drop policy if exists system on river.river_job;
create policy tenant on river.river_job to carillon_app
  using (args ->> 'tenant' = (select app_tenant())) with check (args ->> 'tenant' = (select app_tenant()));
create policy system on river.river_job to carillon_system using (true) with check (true)`

// Fingerprint changes whenever Migrate would make something else.
func Fingerprint() (string, error) {
	h := sha256.New()
	if err := fs.WalkDir(migrations.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := migrations.FS.ReadFile(name)
		_, _ = fmt.Fprintf(h, "%s %d %s", name, len(b), b) // a hash takes every write
		return err
	}); err != nil {
		return "", err
	}
	m, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Schema: riverSchema})
	if err != nil {
		return "", err
	}
	_, _ = fmt.Fprintf(h, "%s %d", queueGrants, len(m.AllVersions()))
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// setUpRoles makes the three roles and opens the database to them alone.
func setUpRoles(ctx context.Context, conn *sql.Conn, o MigrateOptions) (super bool, err error) {
	var user, database string
	err = conn.QueryRowContext(ctx,
		"select rolsuper, current_user, current_database() from pg_roles where rolname = current_user").Scan(&super, &user, &database)
	if err != nil {
		return false, err
	}
	if super {
		if err := ensureRole(ctx, conn, ownerRole, "nologin", ""); err != nil {
			return false, err
		}
		user = ownerRole
	}
	if err := ensureRole(ctx, conn, appRole, "login", o.AppPassword); err != nil {
		return false, err
	}
	if err := ensureRole(ctx, conn, systemRole, "login", o.SystemPassword); err != nil {
		return false, err
	}
	db, owner := ident(database), ident(user)
	statements := []string{
		"revoke all on database " + db + " from public",
		"grant connect on database " + db + " to carillon_app, carillon_system",
		"revoke all on schema public from public",
		"grant usage on schema public to carillon_app, carillon_system",
	}
	if super {
		statements = append([]string{
			"alter database " + db + " owner to " + owner,
			"alter schema public owner to " + owner,
		}, statements...)
	}
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return false, fmt.Errorf("%s: %w", s, err)
		}
	}
	return super, nil
}

// ensureRole makes the role unless it is there, and sets its password.
func ensureRole(ctx context.Context, conn *sql.Conn, name, login, password string) error {
	var exists bool
	if err := conn.QueryRowContext(ctx, "select exists (select from pg_roles where rolname = $1)", name).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		_, err := conn.ExecContext(ctx, "create role "+ident(name)+" "+login+" nosuperuser nocreatedb nocreaterole noreplication nobypassrls")
		if err != nil {
			return err
		}
	}
	if password == "" {
		return nil
	}
	_, err := conn.ExecContext(ctx, "alter role "+ident(name)+" password "+literal(password))
	return err
}

// RoleURLs derives the serving roles' URLs from the owner's: same server, same
// database, other user.
func RoleURLs(ownerURL string, o MigrateOptions) (app, system string, err error) {
	u, err := url.Parse(ownerURL)
	if err != nil {
		return "", "", err
	}
	as := func(user, password string) string {
		v := *u
		v.User = url.UserPassword(user, password)
		return v.String()
	}
	return as(appRole, o.AppPassword), as(systemRole, o.SystemPassword), nil
}

// literal quotes s for a statement that takes no parameters.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }
