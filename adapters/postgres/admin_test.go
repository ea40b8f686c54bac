package postgres_test

import (
	"slices"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/admin/admintest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

func TestAdmin(t *testing.T) {
	db := postgrestest.Isolated(t)
	admintest.Run(t, admintest.Installation{
		Store: db.Admin(), Root: postgrestest.Operator, Quiet: true,
		Tenant: func(name string) tenants.ID {
			agency := postgrestest.Child(t, db, postgrestest.Operator, tenants.Agency)
			postgrestest.Exec(t, db, "update tenants set name = $2 where tenant_id = $1", agency, name)
			return agency
		},
		Person: func(email, name string) tenants.UserID {
			user := tenants.UserID(id.New("usr"))
			postgrestest.Exec(t, db, "insert into users (id, email, name, password_hash, created_at) values ($1, lower($2), $3, 'x', now())", user, email, name)
			return user
		},
		Seat: func(user tenants.UserID, tenant tenants.ID, role tenants.Role) {
			postgrestest.Exec(t, db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, $3, 'system')", tenant, user, role)
		},
		Book: func(tenant tenants.ID, subject string) (out []audit.Entry) {
			if tenant == "" {
				tenant = postgrestest.Operator
			}
			page, err := db.Audit().Entries(t.Context(), tenant, audit.Query{Subject: subject, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range slices.Backward(page) {
				out = append(out, r.Entry)
			}
			return out
		},
	})
}
