package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// A role that is taken away above changes people in the workspaces below: each
// workspace hears of its own.
func TestWorkspacesHearOfARoleTakenAway(t *testing.T) {
	db := postgrestest.Open(t)
	agency := postgrestest.Child(t, db, postgrestest.Operator, tenants.Agency)
	shop := postgrestest.Child(t, db, agency, tenants.Workspace)
	user := id.New("usr")
	postgrestest.Exec(t, db, "insert into roles (tenant_id, name, title, actions) values ($1, 'writer', 'Writer', '{post.read}')", agency)
	postgrestest.Exec(t, db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $3, 'custom:writer', 'system'), ($2, $3, 'custom:writer', 'system')", agency, shop, user)
	if err := db.Registry().RemoveRole(t.Context(), agency, "writer", tenants.Viewer, audit.Of("system", "role.remove", "writer")); err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []tenants.ID{agency, shop} {
		if got := told(t, db, tenant); len(got) != 1 || got[0] != "member.changed "+user {
			t.Errorf("%s heard %q", tenant, got)
		}
	}
}

func TestTheOperatorHearsOfAPause(t *testing.T) {
	db := postgrestest.Isolated(t) // nobody publishes there
	before := len(told(t, db, postgrestest.Operator))
	if err := db.PauseAll(t.Context(), "smoke"); err != nil {
		t.Fatal(err)
	}
	if err := db.ResumeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := told(t, db, postgrestest.Operator)
	if len(got) != before+2 || got[before] != "tenant.updated "+string(postgrestest.Operator) {
		t.Errorf("heard %q", got[before:])
	}
}

// told is what a tenant was told, also before it can be read: an event waits
// for those who might come in front of it.
func told(t *testing.T, db *postgres.DB, tenant tenants.ID) []string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), postgrestest.Of(t, db).Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	rows, err := c.Query(t.Context(), "select type || ' ' || subject from events where tenant_id = $1 order by xid, n", tenant)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}
