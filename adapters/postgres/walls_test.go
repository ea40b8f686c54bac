package postgres_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// walls is every policy and every grant, a line each.
const walls = `select line from (
	select format('policy %s on %s %s for %s to %s using %s check %s', polname, polrelid::regclass,
	         case when polpermissive then 'permissive' else 'restrictive' end,
	         case polcmd when '*' then 'all' when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' else 'delete' end,
	         (select string_agg(case r when 0 then 'public' else r::regrole::text end, ',') from unnest(polroles) r),
	         coalesce(regexp_replace(pg_get_expr(polqual, polrelid), '\s+', ' ', 'g'), '-'), coalesce(regexp_replace(pg_get_expr(polwithcheck, polrelid), '\s+', ' ', 'g'), '-')) as line
	  from pg_policy
	union all
	select format('secured %s%s%s', oid::regclass, case when relrowsecurity then ' enabled' end, case when relforcerowsecurity then ' forced' end)
	  from pg_class where relkind in ('r', 'p') and relnamespace in ('public'::regnamespace, 'river'::regnamespace)
	union all
	select format('grant %s on table %s to %s', lower(a.privilege_type), c.oid::regclass, case a.grantee when 0 then 'public' else a.grantee::regrole::text end)
	  from pg_class c, aclexplode(c.relacl) a where c.relnamespace in ('public'::regnamespace, 'river'::regnamespace) and c.relkind <> 'S' and a.grantee <> c.relowner
	union all
	select format('grant %s (%s) on table %s to %s', lower(a.privilege_type), string_agg(t.attname, ', ' order by t.attname), t.attrelid::regclass, a.grantee::regrole)
	  from pg_attribute t join pg_class c on c.oid = t.attrelid, aclexplode(t.attacl) a
	 where c.relnamespace in ('public'::regnamespace, 'river'::regnamespace) and a.grantee <> c.relowner group by a.privilege_type, t.attrelid, a.grantee
	union all
	select format('grant execute on function %s to %s', p.oid::regprocedure, case a.grantee when 0 then 'public' else a.grantee::regrole::text end)
	  from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where p.pronamespace in ('public'::regnamespace, 'river'::regnamespace) and a.grantee <> p.proowner
	) all_walls order by line collate "C"`

// Who may read and write which rows is a list that somebody reviewed: a change
// of it is a change of testdata/walls.txt (UPDATE=1 writes it).
func TestWallsAreAsReviewed(t *testing.T) {
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		rows, err := c.Query(ctx, walls)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(lines, "\n") + "\n"
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile("testdata/walls.txt", []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile("testdata/walls.txt")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("the walls are not those that were reviewed (UPDATE=1 takes them over):\n%s", diff)
		}
	})
}
