package httpapi_test

import (
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/tenants/erasure"
)

// childless has nothing below the tenant.
func childless(s *stage) {
	postgrestest.Exec(s.t, s.db, "update tenants set parent_id = $2, ancestors = array[$2::text, tenant_id] where tenant_id = $1", s.names["child"], postgrestest.Operator)
}

// erasing has the tenant wait for its end.
func erasing(s *stage) {
	childless(s)
	who, err := s.registry.Resolve(s.t.Context(), s.owner, s.tenant)
	must(s.t, err)
	_, err = s.erasures.Ask(s.t.Context(), who, erasure.Wish{Name: "workspace of a test"})
	must(s.t, err)
}
