package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// global lists the tables that belong to no tenant, each with its reason. The
// catalog test refuses a table that is neither here nor closed by policies.
// The application role must not touch them; carillon_system may.
var global = map[string]string{
	"goose_db_version": "which migrations ran; one per database",

	// Tenancy.
	"erasures":     "which tenants are to go, and how far that is: it outlives them",
	"served_hosts": "which tenant a host was proven for: one of all; read for each request before anybody signed in",

	// Identity.
	"users":           "a person is of no tenant, and may be a member of many",
	"registrations":   "people who are not users yet, and of no tenant either",
	"sessions":        "a person's sign-ins, whichever tenants they work in",
	"refresh_tokens":  "the chains of tokens that renew those sessions",
	"one_time_tokens": "links mailed to people, before they sign in",
	"totp_apps":       "authenticator apps of people, their secrets sealed",
	"recovery_codes":  "what stands in for a lost second factor of a person",
	"passkeys":        "public halves of people's passkeys",
	"challenges":      "questions for a second factor, for minutes",
	"devices":         "where people have signed in",
	"guards":          "tries counted by mail address, before anyone signs in",
	"externals":       "accounts elsewhere that sign a person in",

	"sign_in_attempts": "people on their way to such an account and back",

	// Events and webhooks.

	// Channels and their secrets.
	"kept_keys":    "keys that names in the outside world are made with, wrapped; the installation's own",
	"retired_keys": "names of key-encryption keys that nothing may be wrapped by any more",
	"app_quotas":   "allowances of an app, which tenants share; names no tenant's thing but the app's owner",

	// Media.

	// Publishing.
	"platform_pauses":   "the operator's switch for a platform, for everybody",
	"database_identity": "which server this database was served from last",

	// The operators' realm.
	"operators":         "those who run the installation, who are of no tenant",
	"operator_sessions": "their sign-ins, which open nothing of a tenant's",
	"impersonations":    "operators who act as somebody, looked up by a token alone",
	"address_blocks":    "addresses that nothing may come from, for everybody",
	"feature_flags":     "features that are on or off, for everybody",
	"maintenance":       "whether the installation is worked on, for everybody",

	// Idempotency and jobs.

	// Operation.
	"workers": "which processes claim; they work for every tenant",
}

// definers lists the SECURITY DEFINER functions that a serving role may call,
// each with its reason. They run as the owner, so each is a hole to be watched.
var definers = map[string]string{
	"erase_rows": "removes rows of a tenant that is being erased, from any table; no serving role may delete from all of them",
	"member_at":  "an inviter learns whether an address is a member's of this very tenant, whom they may list, and nothing of anybody else",
}

// A reference is a foreign key between two tables.
type reference struct{ from, to string }

// DistributionSQL returns the statements that spread this schema over a Citus
// cluster by tenant, in an order that its foreign keys allow. Tables of tenants
// are colocated, so a tenant's transaction stays on one node. Global tables
// that they refer to are copied to every node; the others stay on the
// coordinator.
func (db *DB) DistributionSQL(ctx context.Context) ([]string, error) {
	tables, refs, err := db.schema(ctx)
	if err != nil {
		return nil, err
	}
	return distribution(tables, refs)
}

// schema reads the tables of tenants, tenants first, and who refers to whom.
func (db *DB) schema(ctx context.Context) (tables []string, refs []reference, err error) {
	tables, err = collect[string](ctx, db, `
		select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
		 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
		 order by c.relname <> 'tenants', c.relname`, pgx.RowTo[string])
	if err != nil {
		return nil, nil, err
	}
	refs, err = collect(ctx, db, `
		select conrelid::regclass::text, confrelid::regclass::text from pg_constraint
		 where contype = 'f' and connamespace = 'public'::regnamespace and conrelid <> confrelid
		 order by 1, 2`, func(row pgx.CollectableRow) (r reference, err error) {
		return r, row.Scan(&r.from, &r.to)
	})
	return tables, refs, err
}

// tenantTables are the tables of tenants, each after those it refers to.
func (db *DB) tenantTables(ctx context.Context) ([]string, error) {
	tables, refs, err := db.schema(ctx)
	if err != nil {
		return nil, err
	}
	return byReference(tables, refs)
}

func distribution(tables []string, refs []reference) ([]string, error) {
	out := []string{
		"-- SET LOCAL app.tenant_id must reach the workers, or their policies find nothing.",
		"alter system set citus.propagate_set_commands = 'local';",
		"select pg_reload_conf();",
		"select create_distributed_function('app_tenant()');",
	}
	for _, r := range refs {
		copied := fmt.Sprintf("select create_reference_table('%s');", r.to)
		if slices.Contains(tables, r.from) && !slices.Contains(tables, r.to) && !slices.Contains(out, copied) {
			out = append(out, copied)
		}
	}
	all, err := byReference(tables, refs)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		colocated := ""
		if t != "tenants" {
			colocated = ", colocate_with => 'tenants'"
		}
		out = append(out, fmt.Sprintf("select create_distributed_table('%s', 'tenant_id'%s);", t, colocated))
	}
	return out, nil
}

// byReference puts each table after those it refers to.
func byReference(tables []string, refs []reference) ([]string, error) {
	var out []string
	done := map[string]bool{}
	for len(done) < len(tables) {
		before := len(done)
		for _, t := range tables {
			if !done[t] && !waits(t, tables, refs, done) {
				done[t] = true
				out = append(out, t)
			}
		}
		if len(done) == before {
			return nil, fmt.Errorf("postgres: foreign keys go round in circles among %v", tables)
		}
	}
	return out, nil
}

// waits reports whether t refers to a tenants' table that is not done.
func waits(t string, tables []string, refs []reference, done map[string]bool) bool {
	return slices.ContainsFunc(refs, func(r reference) bool {
		return r.from == t && slices.Contains(tables, r.to) && !done[r.to]
	})
}

// collect reads the catalog, which is the same for every tenant.
func collect[T any](ctx context.Context, db *DB, query string, row pgx.RowToFunc[T]) ([]T, error) {
	rows, err := db.app.pool.Query(ctx, query)
	if err != nil {
		return nil, asFault(err)
	}
	all, err := pgx.CollectRows(rows, row)
	return all, asFault(err)
}
