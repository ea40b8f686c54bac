package admin_test

import (
	"slices"
	"testing"

	"github.com/carillonhq/carillon/core/admin/admintest"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

func TestMemoryStore(t *testing.T) {
	s := new(admintest.Store)
	admintest.Run(t, admintest.Installation{
		Store: s, Root: s.AddTenant(tenants.Operator, "Operator"), Quiet: true,
		Tenant: func(name string) tenants.ID { return s.AddTenant(tenants.Agency, name) },
		Person: s.AddPerson, Seat: s.Seat,
		Book: func(tenant tenants.ID, subject string) []audit.Entry {
			return slices.DeleteFunc(s.Book(tenant), func(e audit.Entry) bool { return e.Subject != subject })
		},
	})
}
