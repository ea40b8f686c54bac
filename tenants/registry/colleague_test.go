package registry_test

import (
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Who is known from the tenant above is added without being asked; whoever is
// not has, to the one who asks, no account at all.
func TestColleaguesAreAdded(t *testing.T) {
	w := setup(t)
	agency, shop := w.resolve(t, w.owner, w.agency), w.resolve(t, w.owner, w.shop)
	ann, err := w.AddMember(t.Context(), agency, person(), tenants.Viewer)
	must(t, err)
	bob, err := w.AddMember(t.Context(), agency, person(), tenants.Viewer)
	must(t, err)
	manager, err := w.AddMember(t.Context(), shop, person(), tenants.Admin)
	must(t, err)
	elsewhere := &registry.Tenant{ID: tenants.NewID(), Parent: w.agency, Kind: tenants.Workspace, Name: "Third", State: registry.Active}
	stranger := person()
	must(t, w.store.Create(t.Context(), elsewhere, registry.Member{User: stranger, Role: tenants.Owner}, audit.Of("system", "test", "")))
	keyed := shop
	keyed.Key = "key_1"
	for name, tc := range map[string]struct {
		who  tenants.Scope
		user tenants.UserID
		want string
	}{
		"of the agency":                         {shop, ann.User, ""},
		"here already":                          {shop, manager.User, "member.stale"},
		"of another workspace":                  {shop, stranger, "user.not_found"},
		"nobody":                                {shop, person(), "user.not_found"},
		"of the agency, by one who is not":      {w.resolve(t, manager.User, w.shop), bob.User, "user.not_found"},
		"of the agency, by a key":               {keyed, bob.User, "user.not_found"},
		"a stranger, by one of the agency":      {agency, stranger, "user.not_found"},
		"the workspace's, by one of the agency": {agency, manager.User, "user.not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.AddColleague(t.Context(), tc.who, tc.user, tenants.Viewer); reason(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	_, err = w.AddColleague(t.Context(), w.resolve(t, ann.User, w.agency), stranger, tenants.Viewer)
	want(t, fault.Forbidden, err)
	_, known := w.AddColleague(t.Context(), shop, stranger, "custom:"+tenants.Role(id.New("x")))
	_, unknown := w.AddColleague(t.Context(), shop, person(), tenants.Viewer)
	if known.Error() != unknown.Error() {
		t.Errorf("%v\n%v", known, unknown)
	}
}
