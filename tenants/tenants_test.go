package tenants_test

import (
	"context"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func TestAnEmptyScopeOpensNoDoor(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"none":      t.Context(),
		"no tenant": tenants.NewContext(t.Context(), tenants.Scope{User: "usr_1", Role: tenants.Owner}),
		"forged":    tenants.NewContext(t.Context(), tenants.Scope{Tenant: "x' or '1'='1"}),
	} {
		if _, err := tenants.FromContext(ctx); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: err = %v", name, err)
		}
	}
	want := tenants.Scope{Tenant: tenants.NewID(), Role: tenants.Owner}
	if got, err := tenants.FromContext(tenants.NewContext(t.Context(), want)); err != nil || got.Tenant != want.Tenant {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTheTreeHasFourLevels(t *testing.T) {
	holds := 0
	all := []tenants.Kind{tenants.Operator, tenants.Reseller, tenants.Agency, tenants.Workspace}
	for _, up := range all {
		for _, down := range all {
			if up.Holds(down) {
				holds++
			}
		}
	}
	if holds != 4 || tenants.Workspace.Holds(tenants.Workspace) {
		t.Errorf("%d edges, want operator→reseller, operator→agency, reseller→agency, agency→workspace", holds)
	}
}
