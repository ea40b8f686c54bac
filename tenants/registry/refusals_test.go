package registry_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
	"github.com/carillonhq/carillon/tenants/registry/registrytest"
	"github.com/carillonhq/carillon/tenants/tenantstest"
)

// unkept is a registry without a store: whoever gets past what it refuses falls.
func unkept() *registry.Service {
	return registry.New(nil, tenantstest.Without("role.delete"), time.Now)
}

// falls calls fn, and reports its fault's reason, or that it went on.
func falls(fn func() error) (why string) {
	defer func() {
		if recover() != nil {
			why = "it went on"
		}
	}()
	return reason(fn())
}

// What is a member's own to decide is refused to keys, to those who are here by
// a grant, and to nobody, before anything is looked at.
func TestWhatIsForMembersInPerson(t *testing.T) {
	v := reflect.ValueOf(unkept())
	member := tenants.Scope{Tenant: tenants.NewID(), Kind: tenants.Agency, User: person(), Role: tenants.Owner, Tier: tenants.Team}
	for _, name := range []string{"GrantAccess", "RequestAccess", "ApproveAccess", "DeclineAccess", "RevokeAccess", "OfferOwnership", "AcceptOwnership", "EndOffer", "GiveWorkspaces", "Workspaces"} {
		m := v.MethodByName(name)
		for as, change := range map[string]func(*tenants.Scope){
			"a key": func(s *tenants.Scope) { s.Key = "key_1" }, "by a grant": func(s *tenants.Scope) { s.Grant = "acg_1" }, "nobody": func(s *tenants.Scope) { s.User = "" },
		} {
			who := member
			change(&who)
			in := []reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(who)}
			for k := 2; k < m.Type().NumIn(); k++ {
				in = append(in, reflect.Zero(m.Type().In(k)))
			}
			if got := falls(func() error {
				out := m.Call(in)
				err, _ := out[len(out)-1].Interface().(error)
				return err
			}); got != "auth.session_required" {
				t.Errorf("%s as %s: %s", name, as, got)
			}
		}
	}
}

// What cannot be a name or a link costs no look at the database.
func TestWhatCannotBeANameCostsNothing(t *testing.T) {
	s, ctx := unkept(), t.Context()
	names := strings.TrimPrefix(id.New("x"), "x_") + strings.TrimPrefix(id.New("x"), "x_")
	rest := strings.Repeat("a", 52)
	for _, link := range []string{"", "civ_", "xxx_" + names + rest, "civ_" + names + rest[1:], "civ_" + names + rest + "a", "civ_" + names[:26] + strings.Repeat("u", 26) + rest, "civ_" + strings.Repeat("u", 26) + names[26:] + rest, "civ_" + names + rest[1:] + "\xff"} {
		if got := falls(func() error { _, err := s.Invited(ctx, secret.Secret(link)); return err }); got != "invitation.link" {
			t.Errorf("%q: %s", link, got)
		}
	}
	for name, tc := range map[string]struct {
		user   tenants.UserID
		tenant tenants.ID
	}{"no tenant": {person(), "ten_x"}, "nobody": {"", tenants.NewID()}} {
		if got := falls(func() error { _, err := s.Resolve(ctx, tc.user, tc.tenant); return err }); got != "tenant.not_found" {
			t.Errorf("resolve %s: %s", name, got)
		}
		if got := falls(func() error { return s.Leave(ctx, tc.user, tc.tenant) }); got != "tenant.not_found" {
			t.Errorf("leave %s: %s", name, got)
		}
	}
	if got := falls(func() error { _, err := s.Standing(ctx, "ten_x"); return err }); got != "tenant.not_found" {
		t.Errorf("standing: %s", got)
	}
	who := tenants.Scope{Tenant: tenants.NewID(), Kind: tenants.Agency, User: person(), Role: tenants.Owner, Tier: tenants.Team}
	if got := falls(func() error {
		_, err := s.GiveWorkspaces(ctx, who, person(), make([]registry.Seat, registry.MaxPlaces+1))
		return err
	}); got != "member.places" {
		t.Errorf("too many workspaces: %s", got)
	}
	denied := registry.New(nil, tenantstest.Without(registry.ActMemberManage), time.Now)
	if got := falls(func() error { return denied.DeleteRole(ctx, who, "helper", tenants.Viewer) }); got != "nobody" {
		t.Errorf("giving another role by deleting one: %s", got)
	}
}

// Every rule of what is kept, by itself.
func TestWhatIsKeptIsChecked(t *testing.T) {
	long := strings.Repeat("é", 501)
	for name, tc := range map[string]struct {
		thing interface{ Check() error }
		want  string
	}{
		"a reason that is long":        {&registry.Access{Role: tenants.Viewer, Reason: long, Hours: 1}, "access.reason"},
		"no reason":                    {&registry.Access{Role: tenants.Viewer, Reason: " ", Hours: 1}, "access.reason"},
		"a role above manager":         {&registry.Access{Role: tenants.Admin, Reason: "x", Hours: 1}, "access.role"},
		"no time":                      {&registry.Access{Role: tenants.Viewer, Reason: "x"}, "access.hours"},
		"a title that is long":         {&registry.Role{Name: "a", Title: long, Actions: []tenants.Action{"a.b"}}, "role.title"},
		"too much":                     {&registry.Role{Name: "a", Title: "A", Actions: make([]tenants.Action, 101)}, "role.actions"},
		"an address that is long":      {&registry.Invitation{Email: "a@" + strings.Repeat("b", 253), Role: tenants.Viewer}, "email.invalid"},
		"an address with a space":      {&registry.Invitation{Email: "a b@example.com", Role: tenants.Viewer}, "email.invalid"},
		"an address with a look-alike": {&registry.Invitation{Email: "é@example.com", Role: tenants.Viewer}, "email.invalid"},
		"a name of no text":            {&registry.Tenant{Name: "a\xff"}, "tenant.name"},
		"a zone of the machine":        {&registry.Tenant{Name: "a", Settings: registry.Settings{TimeZone: "Local"}}, "tenant.time_zone"},
		"a locale that is long":        {&registry.Tenant{Name: "a", Settings: registry.Settings{Locale: strings.Repeat("a", 36)}}, "tenant.locale"},
		"a locale of other signs":      {&registry.Tenant{Name: "a", Settings: registry.Settings{Locale: "de_DE"}}, "tenant.locale"},
		"a locale":                     {&registry.Tenant{Name: "a", Settings: registry.Settings{Locale: "zh-Hant-TW-x-19"}}, ""},
	} {
		if got := reason(tc.thing.Check()); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// A raced store lets something happen right before a change, once.
type raced struct {
	*registrytest.Store
	before func()
}

func (r *raced) Update(ctx context.Context, tenant tenants.ID, fn func(registry.Tx) error) error {
	if do := r.before; do != nil {
		r.before = nil
		do()
	}
	return r.Store.Update(ctx, tenant, fn)
}

// Who gives a role gives it as it was when they were allowed to: if it may more
// by the time it is written, nothing is.
func TestARoleThatGrowsMeanwhileIsNotGiven(t *testing.T) {
	w := setup(t)
	ctx := t.Context()
	owner := w.resolve(t, w.owner, w.shop)
	store := &raced{Store: w.store}
	s := registry.New(store, rules{w.store}, func() time.Time { return *w.clock })
	w.role(t, owner, "helper", "tenant.read")
	viewer := person()
	_, err := w.AddMember(ctx, owner, viewer, tenants.Viewer)
	must(t, err)
	inv, link := w.invite(t, owner, "ann@example.com", "custom:helper")
	*w.clock = w.clock.Add(2 * time.Minute)
	wide := false
	grow := func() {
		actions := []tenants.Action{"tenant.read"}
		if wide = !wide; wide {
			actions = append(actions, "tenant.update")
		}
		_, err := w.UpdateRole(ctx, owner, "helper", "helper", actions, 0)
		must(t, err)
	}
	for name, do := range map[string]func() error{
		"added":   func() error { _, err := s.AddMember(ctx, owner, person(), "custom:helper"); return err },
		"set":     func() error { _, err := s.SetRole(ctx, owner, viewer, "custom:helper"); return err },
		"invited": func() error { _, err := s.Invite(ctx, owner, "bob@example.com", "custom:helper"); return err },
		"resent":  func() error { _, err := s.Resend(ctx, owner, inv.ID); return err },
		"taken":   func() error { _, err := s.Join(ctx, link, person(), "ann@example.com"); return err },
	} {
		store.before = grow
		if got := reason(do()); got != "role.stale" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Of two invitations to one address at once, one is made; a link that was used
// in between opens nothing; a seat that was taken in between is taken.
func TestWhatWasTakenInBetweenIsTaken(t *testing.T) {
	w := setup(t)
	ctx := t.Context()
	owner := w.resolve(t, w.owner, w.shop)
	store := &raced{Store: w.store}
	s := registry.New(store, rules{w.store}, func() time.Time { return *w.clock })
	store.before = func() { w.invite(t, owner, "ann@example.com", tenants.Viewer) }
	if _, err := s.Invite(ctx, owner, "ann@example.com", tenants.Viewer); !fault.Is(err, fault.Conflict) {
		t.Errorf("invited twice: %v", err)
	}
	inv, link := w.invite(t, owner, "bob@example.com", tenants.Viewer)
	store.before = func() { must(t, w.Revoke(ctx, owner, inv.ID)) }
	_, err := s.Join(ctx, link, person(), "bob@example.com")
	if got := reason(err); got != "invitation.link" {
		t.Errorf("a link that was revoked meanwhile: %q", got)
	}
	if _, err := s.Join(ctx, link, "", "bob@example.com"); err == nil {
		t.Error("nobody joins")
	}
}

// Nobody takes from those above them, nor gives a role what they have not.
func TestNobodyReachesAboveThemselves(t *testing.T) {
	w := setup(t)
	ctx := t.Context()
	owner := w.resolve(t, w.owner, w.shop)
	user := person()
	_, err := w.AddMember(ctx, owner, user, tenants.Admin)
	must(t, err)
	admin := w.resolve(t, user, w.shop)
	if got := reason(w.RemoveMember(ctx, admin, w.owner)); got != "role.above_own" {
		t.Errorf("removing an owner: %q", got)
	}
	w.role(t, owner, "helper", "tenant.read")
	if _, err := w.UpdateRole(ctx, admin, "helper", "helper", []tenants.Action{"tenant.suspend"}, 0); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a role with more than its author has: %v", err)
	}
	if _, err := w.UpdateRole(ctx, owner, "helper", strings.Repeat("x", 200), []tenants.Action{"tenant.read"}, 0); reason(err) != "role.title" {
		t.Errorf("a title that is long: %v", err)
	}
	agency := w.resolve(t, w.owner, w.agency)
	w.role(t, agency, "above", "tenant.read")
	w.role(t, owner, "another", "tenant.read")
	if _, err := w.CreateRole(ctx, owner, "above", "above", []tenants.Action{"tenant.read"}); reason(err) != "role.exists" {
		t.Errorf("a name from above: %v", err)
	}
}

// Letters to one address, and what waits, have an end.
func TestInvitationsHaveAnEnd(t *testing.T) {
	w := setup(t)
	ctx := t.Context()
	owner := w.resolve(t, w.owner, w.shop)
	inv, _ := w.invite(t, owner, "ann@example.com", tenants.Viewer)
	var err error
	for range 20 {
		*w.clock = w.clock.Add(2 * time.Minute)
		if _, err = w.Resend(ctx, owner, inv.ID); err != nil {
			break
		}
	}
	if reason(err) != "invitation.too_many_letters" {
		t.Errorf("after twenty letters: %v", err)
	}
	for i := range registry.MaxInvitations {
		if _, err = w.Invite(ctx, owner, strings.Repeat("a", 1+i%50)+id.New("x")+"@example.com", tenants.Viewer); err != nil {
			break
		}
	}
	if reason(err) != "invitation.too_many" {
		t.Errorf("after %d invitations: %v", registry.MaxInvitations, err)
	}
}
