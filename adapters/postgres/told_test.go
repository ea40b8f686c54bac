package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	realm "github.com/carillonhq/carillon/core/admin"
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

// A restored copy pauses its installation, which is a change like any other.
func TestTheOperatorHearsOfARestore(t *testing.T) {
	db := postgrestest.Isolated(t)
	before := len(told(t, db, postgrestest.Operator))
	if err := db.MarkRestored(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := told(t, db, postgrestest.Operator)
	if len(got) != before+1 || got[before] != "tenant.updated "+string(postgrestest.Operator) {
		t.Errorf("heard %q", got[before:])
	}
}

// What operators decide of a tenant, its own subscribers hear.
func TestTenantsHearWhatOperatorsDecide(t *testing.T) {
	db := postgrestest.Open(t)
	agency := postgrestest.Child(t, db, postgrestest.Operator, tenants.Agency)
	for name, decide := range map[string]func(realm.Tx, *realm.Tenant) error{
		"suspended": func(tx realm.Tx, n *realm.Tenant) error {
			n.Suspended, n.Reason = true, "unpaid"
			return tx.SuspendTenant(t.Context(), n)
		},
		"resumed": func(tx realm.Tx, n *realm.Tenant) error {
			n.Suspended, n.Reason = false, ""
			return tx.SuspendTenant(t.Context(), n)
		},
		"another plan": func(tx realm.Tx, n *realm.Tenant) error {
			n.Tier = tenants.Pro
			return tx.SaveTier(t.Context(), n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(told(t, db, agency))
			if err := db.Admin().Update(t.Context(), func(tx realm.Tx) error {
				n, err := tx.Tenant(t.Context(), agency)
				if err != nil {
					return err
				}
				return decide(tx, n)
			}); err != nil {
				t.Fatal(err)
			}
			if got := told(t, db, agency)[before:]; len(got) != 1 || got[0] != "tenant.updated "+string(agency) {
				t.Errorf("heard %q", got)
			}
		})
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
