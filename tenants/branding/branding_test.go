package branding_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/branding/brandingtest"
)

func TestStore(t *testing.T) {
	s := &brandingtest.Store{Above: map[tenants.ID]tenants.ID{}, Names: map[tenants.ID]string{}}
	brandingtest.Run(t, s, func(*testing.T) (parent, child, other tenants.ID) {
		parent, child, other = tenants.NewID(), tenants.NewID(), tenants.NewID()
		s.Above[child], s.Names[parent], s.Names[child] = parent, "parent", "child"
		return parent, child, other
	})
}

type anybody struct{}

func (anybody) Allow(context.Context, tenants.Scope, tenants.Action) error { return nil }

func TestWhatIsLeftOutComesFromAbove(t *testing.T) {
	reseller := tenants.Scope{Tenant: tenants.NewID(), Kind: tenants.Reseller}
	agency := tenants.Scope{Tenant: tenants.NewID(), Kind: tenants.Agency, Tier: tenants.Team}
	shop := tenants.Scope{Tenant: tenants.NewID(), Kind: tenants.Workspace, Tier: tenants.Team}
	store := &brandingtest.Store{
		Above: map[tenants.ID]tenants.ID{agency.Tenant: reseller.Tenant, shop.Tenant: agency.Tenant},
		Names: map[tenants.ID]string{reseller.Tenant: "R", agency.Tenant: "A"},
	}
	s := branding.New(branding.Deps{Store: store, Authz: anybody{}, Product: branding.Product, Now: time.Now})
	_, _, err := s.Set(t.Context(), reseller, branding.Brand{Product: "Chimes", Support: "help@chimes.example", Accent: "#112233"})
	must(t, err)
	_, _, err = s.Set(t.Context(), agency, branding.Brand{Accent: "#445566"})
	must(t, err)
	own, counts, err := s.Get(t.Context(), shop)
	must(t, err)
	counts.UpdatedAt = time.Time{}
	want := branding.Resolved{
		Brand: branding.Brand{Product: "Chimes", Support: "help@chimes.example", Accent: "#445566", Surface: branding.Product.Surface, Ink: branding.Product.Ink},
		Origins: map[string]branding.Origin{
			"product": {Tenant: reseller.Tenant, Name: "R"}, "support": {Tenant: reseller.Tenant, Name: "R"}, "accent": {Tenant: agency.Tenant, Name: "A"},
		},
	}
	if diff := cmp.Diff(want, counts); diff != "" || own != (branding.Brand{}) {
		t.Errorf("own %+v; %s", own, diff)
	}
	if _, _, err := s.Set(t.Context(), shop, branding.Brand{}); fault.Of(err).Reason != "whitelabel.kind" {
		t.Errorf("a workspace has a brand: %v", err)
	}
	theme, err := s.Theme(t.Context(), shop.Tenant)
	must(t, err)
	if theme.Product != "Chimes" {
		t.Errorf("%+v", theme)
	}
	if theme, err = s.Theme(t.Context(), ""); err != nil || theme.Product != branding.Product.Product {
		t.Errorf("%+v, %v", theme, err)
	}
}

func TestBrandsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		b    branding.Brand
		want string
	}{
		"empty": {}, "long": {branding.Brand{Product: strings.Repeat("x", 61)}, "/product"}, "two lines": {branding.Brand{Product: "a\nb"}, "/product"},
		"spaces": {branding.Brand{Product: " a"}, "/product"}, "no colour": {branding.Brand{Accent: "red"}, "/accent"}, "short": {branding.Brand{Ink: "#fff"}, "/ink"},
		"header": {branding.Brand{Support: "a@example.com\r\nBcc: b@example.com"}, "/support"}, "no host": {branding.Brand{Support: "a@b"}, "/support"},
		"name": {branding.Brand{Support: `"A" <a@example.com>`}, "/support"}, "fine": {branding.Brand{Product: "Zürich Social", Support: "a@example.com", Accent: "#AABBCC"}, ""},
	} {
		err := c.b.Check()
		if c.want == "" && err != nil || c.want != "" && fault.Of(err).Field != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Everything that is wrong is named, and always in the same order.
func TestABrandIsRefusedWithAllThatIsWrong(t *testing.T) {
	b := branding.Brand{
		Product: " a", SenderName: "a\nb", Support: "a@b", Sender: "b", ReplyTo: "c", Accent: "red", Surface: "#fff", Ink: "black",
	}
	want := []string{"/product", "/sender_name", "/support", "/sender", "/reply_to", "/accent", "/surface", "/ink"}
	for range 20 {
		f := fault.Of(b.Check())
		var got []string
		for _, v := range f.Violations {
			got = append(got, v.Field)
		}
		if diff := cmp.Diff(want, got); diff != "" || f.Code != fault.Invalid || f.Field != want[0] || f.Reason != "brand.product" {
			t.Fatalf("%v: %s", f, diff)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
