package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
)

// tenantTable is the oid of each table that holds tenants' rows.
const tenantTable = `(select a.attrelid from pg_attribute a join pg_class c on c.oid = a.attrelid
	where a.attname = 'tenant_id' and not a.attisdropped and c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace)`

// A rule is a query for what must not be, and the statements that break it.
type rule struct{ offenders, broken string }

// rules is what the schema must be for the walls to hold. $1 is the list of
// global tables, $2 that of SECURITY DEFINER functions.
var rules = map[string]rule{
	"a table is of tenants or listed as global": {
		`select relname::text from pg_class where relkind in ('r', 'p', 'f') and relnamespace = 'public'::regnamespace
		    and oid not in ` + tenantTable + ` and relname <> all($1)`,
		`create table bad (id text primary key)`},
	"row-level security is enabled and forced": {
		`select relname::text from pg_class where oid in ` + tenantTable + ` and not (relrowsecurity and relforcerowsecurity)`,
		`create table bad (tenant_id text collate "C" not null default app_tenant() primary key); alter table bad enable row level security`},
	"a tenants' table has the tenant policy": {
		`select oid::regclass::text from pg_class where oid in ` + tenantTable + ` and not exists (
		   select from pg_policy where polrelid = pg_class.oid and polpermissive and polcmd = '*' and polroles = '{0}'
		      and pg_get_expr(polqual, polrelid) ~ '^\(tenant_id = \( SELECT app_tenant\(\)'
		      and pg_get_expr(polwithcheck, polrelid) ~ '^\(tenant_id = \( SELECT app_tenant\(\)')`,
		`create table bad (tenant_id text collate "C" not null default app_tenant() primary key);
		 create policy tenant on bad using (tenant_id = (select app_tenant()) or true) with check (true)`},
	"any other policy is for the system role": {
		`select polrelid::regclass || '.' || polname from pg_policy where polrelid in ` + tenantTable + ` and polpermissive
		    and not (polname = 'tenant' or polroles = array['carillon_system'::regrole::oid])`,
		`create table bad (tenant_id text collate "C" not null default app_tenant() primary key);
		 create policy more on bad to carillon_app using (true)`},
	"tenant_id is filled in by the database": {
		`select a.attrelid::regclass::text from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		  where a.attname = 'tenant_id' and a.attrelid in ` + tenantTable + `
		    and not (a.attnotnull and a.atttypid = 'text'::regtype and a.attcollation = '"C"'::regcollation
		             and coalesce(pg_get_expr(d.adbin, d.adrelid) = 'app_tenant()', false))`,
		`create table bad (tenant_id text collate "C" primary key)`},
	"every key starts with tenant_id": {
		`select indexrelid::regclass::text from pg_index where (indisunique or indisexclusion) and indrelid in ` + tenantTable + `
		    and indkey[0] <> (select attnum from pg_attribute where attrelid = indrelid and attname = 'tenant_id')`,
		`create table bad (tenant_id text collate "C" not null default app_tenant(), id text, primary key (id, tenant_id))`},
	"there is a primary key": {
		`select oid::regclass::text from pg_class where oid in ` + tenantTable + `
		    and not exists (select from pg_index where indrelid = pg_class.oid and indisprimary)`,
		`create table bad (tenant_id text collate "C" not null default app_tenant())`},
	"no reference crosses tenants": {
		`select conname::text from pg_constraint where contype = 'f' and confrelid in ` + tenantTable + `
		    and not (conrelid in ` + tenantTable + `
		      and conkey[1] = (select attnum from pg_attribute where attrelid = conrelid and attname = 'tenant_id')
		      and confkey[1] = (select attnum from pg_attribute where attrelid = confrelid and attname = 'tenant_id'))`,
		`create table bad (tenant_id text collate "C" not null default app_tenant() primary key, parent text references bad)`},
	"a view asks as its caller": {
		`select relname::text from pg_class where relkind = 'v' and relnamespace = 'public'::regnamespace
		    and not coalesce(reloptions && '{security_invoker=true,security_invoker=on}', false)`,
		`create view bad as select 1`},
	"no snapshot past the policies": {
		`select relname::text from pg_class where relkind = 'm'
		    and (has_table_privilege('carillon_app', oid, 'select') or has_table_privilege('carillon_system', oid, 'select'))`,
		`create materialized view bad as select * from tenants; grant select on bad to carillon_app`},
	"no unlisted function runs as its owner": {
		`select proname::text from pg_proc where prosecdef and pronamespace in ('public'::regnamespace, 'river'::regnamespace)
		    and (has_function_privilege('carillon_app', oid, 'execute') or has_function_privilege('carillon_system', oid, 'execute'))
		    and proname <> all($2)`,
		`create function bad() returns int language sql security definer return 1`},
	"a serving role is nothing but a login": {
		`select rolname::text from pg_roles where rolname in ('carillon_app', 'carillon_system')
		    and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
		 union all
		 select member::regrole::text from pg_auth_members where member in ('carillon_app'::regrole, 'carillon_system'::regrole)`,
		`grant carillon_owner to carillon_app`},
	"a serving role owns nothing": {
		`select relname::text from pg_class where relowner in ('carillon_app'::regrole, 'carillon_system'::regrole)`,
		`create table bad (tenant_id text); alter table bad owner to carillon_app`},
	"a serving role cannot empty, refer to or trigger": {
		`select table_name || ' ' || privilege_type from information_schema.role_table_grants
		  where grantee in ('carillon_app', 'carillon_system', 'PUBLIC') and table_schema in ('public', 'river')
		    and privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER')`,
		`grant truncate on tenants to carillon_app`},
	"nobody is granted anything by default": {
		`select relname::text from pg_class, aclexplode(relacl) a where relnamespace in ('public'::regnamespace, 'river'::regnamespace) and a.grantee = 0
		 union all
		 select nspname::text from pg_namespace where nspname in ('public', 'river')
		    and (has_schema_privilege('carillon_app', oid, 'create') or has_schema_privilege('carillon_system', oid, 'create'))`,
		`grant select on tenants to public`},
	"the application stays out of global tables": {
		`select relname::text from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and relname = any($1)
		    and (has_any_column_privilege('carillon_app', oid, 'select') or has_any_column_privilege('carillon_app', oid, 'insert')
		      or has_any_column_privilege('carillon_app', oid, 'update') or has_table_privilege('carillon_app', oid, 'delete'))`,
		`grant select on goose_db_version to carillon_app`},
	"no counter tells one tenant about another": {
		`select a.attrelid::regclass || '.' || a.attname from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		  where a.attrelid in ` + tenantTable + ` and (a.attidentity <> '' or pg_get_expr(d.adbin, d.adrelid) like 'nextval%')`,
		`create table bad (tenant_id text collate "C" not null default app_tenant(), n bigserial, primary key (tenant_id, n))`},
	"every moment has a zone": {
		`select attrelid::regclass || '.' || attname from pg_attribute join pg_class c on c.oid = attrelid
		  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and atttypid = 'timestamp'::regtype and not attisdropped
		    and c.relname <> 'goose_db_version'`,
		`create table bad (tenant_id text collate "C" not null default app_tenant() primary key, at timestamp)`},
}

func TestCatalog(t *testing.T) {
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		for name, r := range rules {
			for _, bad := range offenders(ctx, t, c, r) {
				t.Errorf("%s: not so: %s", name, bad)
			}
		}
	})
}

// A rule that nothing can break is no rule.
func TestCatalogRulesBite(t *testing.T) {
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		for name, r := range rules {
			tx, err := c.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Exec(ctx, r.broken); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if len(offenders(ctx, t, c, r)) == 0 {
				t.Errorf("%s: not noticed: %s", name, r.broken)
			}
			if err := tx.Rollback(ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestGlobalTablesExist(t *testing.T) {
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		for table, reason := range postgres.Global {
			var exists bool
			if err := c.QueryRow(ctx, "select to_regclass($1) is not null", table).Scan(&exists); err != nil {
				t.Fatal(err)
			}
			if !exists || len(strings.Fields(reason)) < 4 {
				t.Errorf("%s: exists = %v, reason = %q", table, exists, reason)
			}
		}
	})
}

// Citus can shard a table by a column that is in each of its unique keys, and
// keep a reference between two tables that are sharded by the column they
// share. The order of the statements must respect the references.
func TestEveryTenantTableCanBeDistributed(t *testing.T) {
	statements, err := postgrestest.Open(t).DistributionSQL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		rows, err := c.Query(ctx, `
			select c.relname::text,
			       (select coalesce(bool_and(t.attnum = any(i.indkey::int2[])), true) from pg_index i where i.indrelid = c.oid and i.indisunique),
			       array(select confrelid::regclass::text from pg_constraint where conrelid = c.oid and contype = 'f' and confrelid <> c.oid)
			  from pg_class c join pg_attribute t on t.attrelid = c.oid and t.attname = 'tenant_id'
			 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		var table string
		var inEveryKey bool
		var refersTo []string
		if _, err := pgx.ForEachRow(rows, []any{&table, &inEveryKey, &refersTo}, func() error {
			n++
			at := position(statements, table)
			if !inEveryKey || at < 0 {
				t.Errorf("%s: tenant_id in every unique key = %v, statement %d", table, inEveryKey, at)
			}
			for _, to := range refersTo {
				if before := position(statements, to); before < 0 || before > at {
					t.Errorf("%s comes before %s, which it refers to", table, to)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n < 3 {
			t.Errorf("only %d tables of tenants", n)
		}
	})
}

func TestDistributionOrder(t *testing.T) {
	ref := postgres.NewReference
	got, err := postgres.Distribution([]string{"tenants", "a", "b"},
		[]postgres.Reference{ref("a", "b"), ref("b", "tenants"), ref("a", "users"), ref("sessions", "users")})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"select create_reference_table('users');",
		"select create_distributed_table('tenants', 'tenant_id');",
		"select create_distributed_table('b', 'tenant_id', colocate_with => 'tenants');",
		"select create_distributed_table('a', 'tenant_id', colocate_with => 'tenants');",
	}
	if diff := cmp.Diff(want, got[len(got)-len(want):]); diff != "" {
		t.Error(diff)
	}
	if _, err := postgres.Distribution([]string{"a", "b"}, []postgres.Reference{ref("a", "b"), ref("b", "a")}); err == nil {
		t.Error("a circle was put in order")
	}
}

func position(statements []string, table string) int {
	return slices.IndexFunc(statements, func(s string) bool { return strings.Contains(s, "('"+table+"'") })
}

func offenders(ctx context.Context, t *testing.T, c *pgx.Conn, r rule) []string {
	t.Helper()
	args := []any{}
	for i, list := range []map[string]string{postgres.Global, postgres.Definers} {
		if strings.Contains(r.offenders, []string{"$1", "$2"}[i]) {
			args = append(args, keys(list))
		}
	}
	rows, err := c.Query(ctx, strings.ReplaceAll(r.offenders, "$2", "$1"), args...)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", r.offenders, err)
	}
	return found
}

func keys(m map[string]string) []string {
	out := []string{}
	for k := range m {
		out = append(out, k)
	}
	return out
}

// admin runs fn as a superuser of the package's database.
func admin(t *testing.T, fn func(context.Context, *pgx.Conn)) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), postgrestest.Of(t, postgrestest.Open(t)).Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(t.Context())) }()
	fn(t.Context(), c)
}
