package httpapi_test

import (
	"fmt"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// The stages on which people come and go.

// invited has email invited, and returns the link in the letter.
func (s *stage) invited(email string) string {
	s.t.Helper()
	who, err := s.registry.Resolve(s.t.Context(), s.owner, s.tenant)
	must(s.t, err)
	inv, err := s.registry.Invite(s.t.Context(), who, email, tenants.Viewer)
	must(s.t, err)
	return s.letter(s.tenant, inv.ID, 1)
}

func acceptable(s *stage) {
	email := id.New("usr") + "@example.com"
	const password secret.Secret = "four unrelated words here"
	s.register(email, password)
	in, err := s.people.Login(s.t.Context(), identity.Client{}, email, password)
	must(s.t, err)
	s.body, s.token = fmt.Sprintf(`{"token":%q}`, s.invited(email)), in.Access.Reveal()
}

func registrable(s *stage) {
	s.body = fmt.Sprintf(`{"token":%q,"name":"New","password":"four unrelated words here"}`, s.invited(id.New("usr")+"@example.com"))
}

// givable is an agency whose owner owns a workspace of it, too.
func givable(s *stage) {
	s.tenant = s.agency
	s.owner, s.token = s.member(s.agency, tenants.Owner)
	another(s)
	shop := postgrestest.Child(s.t, s.db, s.agency, tenants.Workspace)
	postgrestest.Exec(s.t, s.db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'owner', 'system')", shop, s.owner)
	s.body = fmt.Sprintf(`{"workspaces":[{"tenant_id":%q,"role":"viewer"}]}`, shop)
}

func granted(s *stage) {
	postgrestest.Exec(s.t, s.db, "update access_grants set state = 'granted', until = now() + interval '1 hour' where id = $1", s.names["access"])
}

func leavable(s *stage) { _, s.token = s.member(s.tenant, tenants.Viewer) }

// heir is somebody to offer the tenant to.
func heir(s *stage) {
	another(s)
	s.body = fmt.Sprintf(`{"user_id":%q}`, s.names["user"])
}

// offered is the tenant as it looks to whom it was offered.
func offered(s *stage) {
	who, err := s.registry.Resolve(s.t.Context(), s.owner, s.tenant)
	must(s.t, err)
	var user tenants.UserID
	user, s.token = s.member(s.tenant, tenants.Viewer)
	_, err = s.registry.OfferOwnership(s.t.Context(), who, user, tenants.Admin)
	must(s.t, err)
}
