package casbin_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// TestDecisions spells out every decision there is in testdata/decisions.txt.
// A change of policy is a readable diff; UPDATE=1 go test accepts it.
func TestDecisions(t *testing.T) {
	a := authorizer(t, nil)
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %-9s %s\n", "action", "role", "free creator pro agency none")
	roles := append(tenants.BuiltinRoles(), tenants.System, "custom:ghost", "")
	for _, act := range append(ruled(t), "nothing.known") {
		for _, role := range roles {
			fmt.Fprintf(&b, "%-20s %-9s", act, or(string(role)))
			for _, tier := range append(tenants.Tiers(), "") {
				verdict := "allow"
				if err := a.Allow(t.Context(), tenants.Scope{Tenant: tenants.NewID(), Kind: tenants.Operator, Role: role, Tier: tier}, act); err != nil {
					verdict = string(fault.Of(err).Code)
				}
				fmt.Fprintf(&b, " %s", verdict)
			}
			b.WriteByte('\n')
		}
	}
	const golden = "testdata/decisions.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("decisions changed; review and rerun with UPDATE=1:\n%s", diff)
	}
}

// Some things are for the operator, whatever role and plan somebody has below.
func TestWhatIsForOneKind(t *testing.T) {
	a := authorizer(t, nil)
	for kind, want := range map[tenants.Kind]bool{tenants.Operator: true, tenants.Reseller: false, tenants.Agency: false, tenants.Workspace: false, "": false} {
		who := tenants.Scope{Tenant: tenants.NewID(), Kind: kind, Role: tenants.Owner, Tier: tenants.Team}
		if err := a.Allow(t.Context(), who, "plugin.manage"); (err == nil) != want {
			t.Errorf("%q: %v", kind, err)
		}
		if err := a.Allow(t.Context(), who, "plugin.enable"); err != nil {
			t.Errorf("%q may not choose: %v", kind, err)
		}
	}
}

// A role never loses by a better plan, nor a plan by a better role.
func TestMoreIsNeverLess(t *testing.T) {
	a := authorizer(t, nil)
	ladders := [][]tenants.Role{
		{tenants.Client, tenants.Viewer, tenants.Editor, tenants.Manager, tenants.Admin, tenants.Owner},
		{tenants.Viewer, tenants.Approver},
	}
	allowed := func(r tenants.Role, tier tenants.Tier, act tenants.Action) bool {
		return a.Allow(t.Context(), tenants.Scope{Kind: tenants.Operator, Role: r, Tier: tier}, act) == nil
	}
	for _, act := range ruled(t) {
		for _, ladder := range ladders {
			for i, role := range ladder[1:] {
				for j, tier := range tenants.Tiers() {
					if allowed(ladder[i], tier, act) && !allowed(role, tier, act) {
						t.Errorf("%s: %s may, %s may not", act, ladder[i], role)
					}
					if j > 0 && allowed(role, tenants.Tiers()[j-1], act) && !allowed(role, tier, act) {
						t.Errorf("%s: %s on %s may not", act, role, tier)
					}
				}
			}
		}
		if !allowed(tenants.Owner, tenants.Team, act) {
			t.Errorf("%s: nobody may", act)
		}
	}
}

func TestAKeyNarrowsItsRole(t *testing.T) {
	a := authorizer(t, nil)
	who := tenants.Scope{Role: tenants.Editor, Tier: tenants.Pro, Key: "key_1", Granted: []tenants.Action{"post.read", "member.manage"}}
	for act, want := range map[tenants.Action]string{"post.read": "", "post.edit": "key.denied", "member.manage": "role.denied"} {
		if got := reason(a.Allow(t.Context(), who, act)); got != want {
			t.Errorf("%s: %q, want %q", act, got, want)
		}
	}
	who.Granted = []tenants.Action{}
	if got := reason(a.Allow(t.Context(), who, "post.read")); got != "key.denied" {
		t.Errorf("a key scoped for nothing: %q", got)
	}
}

func TestCustomRoles(t *testing.T) {
	us, them := tenants.NewID(), tenants.NewID()
	rows := custom{us: {"custom:writer": {"post.read", "post.create"}}, them: {"custom:writer": {"post.delete"}}}
	a := authorizer(t, rows)
	ask := func(tenant tenants.ID, role tenants.Role, authz int64, act tenants.Action) string {
		return reason(a.Allow(t.Context(), tenants.Scope{Tenant: tenant, Role: role, Tier: tenants.Team, Authz: authz}, act))
	}
	for name, tc := range map[string]struct{ got, want string }{
		"granted":                {ask(us, "custom:writer", 1, "post.create"), ""},
		"not granted":            {ask(us, "custom:writer", 1, "post.edit"), "role.denied"},
		"granted elsewhere":      {ask(us, "custom:writer", 1, "post.delete"), "role.denied"},
		"same name, elsewhere":   {ask(them, "custom:writer", 1, "post.delete"), ""},
		"unknown role":           {ask(us, "custom:other", 1, "post.read"), "role.denied"},
		"a built-in in disguise": {ask(us, "custom:owner", 1, "post.read"), "role.denied"},
		"a tenant without roles": {ask(tenants.NewID(), "custom:writer", 1, "post.create"), "role.denied"},
		"no tenant":              {ask("", "custom:writer", 1, "post.read"), "role.denied"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %q, want %q", name, tc.got, tc.want)
		}
	}

	rows[us]["custom:writer"] = []tenants.Action{"post.edit"}
	if got := ask(us, "custom:writer", 2, "post.create"); got != "role.denied" {
		t.Errorf("a right that was taken away in version 2: %q", got)
	}
	if got := ask(us, "custom:writer", 2, "post.edit"); got != "" {
		t.Errorf("a right that was given in version 2: %q", got)
	}
}

func TestRolesThatCannotBeReadOpenNothing(t *testing.T) {
	a := authorizer(t, broken{})
	who := tenants.Scope{Tenant: tenants.NewID(), Role: "custom:x", Tier: tenants.Team}
	if err := a.Allow(t.Context(), who, "post.read"); !errors.Is(err, errBroken) {
		t.Errorf("err = %v", err)
	}
}

// BenchmarkAllow shows that a decision costs the same however many tenants
// there are. Custom roles are looked up in the tenants that are active at a
// time, a thousand of them; the rest are rows that nobody asks about.
func BenchmarkAllow(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000} {
		rows, ids := custom{}, make([]tenants.ID, n)
		for i := range ids {
			ids[i] = tenants.NewID()
			rows[ids[i]] = map[tenants.Role][]tenants.Action{"custom:writer": {"post.read", "post.create", "post.edit"}}
		}
		for _, role := range []tenants.Role{tenants.Editor, "custom:writer"} {
			b.Run(fmt.Sprintf("%s/tenants=%d", strings.ReplaceAll(string(role), ":", "-"), n), func(b *testing.B) {
				a := authorizer(b, rows)
				active := ids[:min(n, 1_000)]
				for _, id := range active {
					_ = a.Allow(b.Context(), tenants.Scope{Tenant: id, Role: role, Tier: tenants.Pro}, "post.edit")
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					i++
					if err := a.Allow(b.Context(), tenants.Scope{Tenant: active[i%len(active)], Role: role, Tier: tenants.Pro}, "post.edit"); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkCompile is the price of the first question after a change of roles.
func BenchmarkCompile(b *testing.B) {
	id := tenants.NewID()
	a := authorizer(b, custom{id: {"custom:writer": {"post.read", "post.create", "post.edit"}}})
	var version int64
	for b.Loop() {
		version++
		if err := a.Allow(b.Context(), tenants.Scope{Tenant: id, Role: "custom:writer", Tier: tenants.Pro, Authz: version}, "post.edit"); err != nil {
			b.Fatal(err)
		}
	}
}

type custom map[tenants.ID]map[tenants.Role][]tenants.Action

func (c custom) CustomRoles(_ context.Context, t tenants.ID) (map[tenants.Role][]tenants.Action, error) {
	return c[t], nil
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) CustomRoles(context.Context, tenants.ID) (map[tenants.Role][]tenants.Action, error) {
	return nil, errBroken
}

func authorizer(t testing.TB, rows casbin.CustomRoles) *casbin.Authorizer {
	t.Helper()
	a, err := casbin.New(rows)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Reason
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
