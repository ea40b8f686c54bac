package registrytest

import (
	"context"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// A Tree is a registry.Store in which the operator can act as well.
type Tree interface {
	registry.Store
	// Override opens or closes a tenant as the operator does, whoever is its parent.
	Override(ctx context.Context, tenant tenants.ID, state registry.State, reason string) error
}

func higherSuspensionsStand(t *testing.T, w world) {
	must(t, w.SetState(t.Context(), w.agency.ID, w.us.ID, registry.Suspended, "ours", done))
	must(t, w.Override(t.Context(), w.us.ID, registry.Suspended, "abuse"))
	for _, state := range []registry.State{registry.Active, registry.Suspended} {
		err := w.SetState(t.Context(), w.agency.ID, w.us.ID, state, "a reason of ours", done)
		if f := fault.Of(err); !fault.Is(err, fault.Conflict) || f.Reason != "tenant.suspended_above" || !strings.Contains(f.Message, "Ask Operator.") {
			t.Errorf("%s by the parent: %v", state, err)
		}
	}
	want(t, fault.NotFound, w.SetState(t.Context(), w.them.ID, w.us.ID, registry.Active, "", done))
	closed := registry.Closure{Here: true, Reason: "abuse", Ask: "Operator"}
	if got, err := w.Closure(t.Context(), w.us.ID); err != nil || got != closed {
		t.Errorf("%+v, %v", got, err)
	}
	if mine, err := w.Mine(t.Context(), w.us.owner); err != nil || len(mine) != 1 || mine[0].Closure != closed {
		t.Errorf("mine = %+v, %v", mine, err)
	}
	suspendedBy(t, w, w.root)
	must(t, w.Override(t.Context(), w.us.ID, registry.Active, ""))
	suspendedBy(t, w, "")
	must(t, w.SetState(t.Context(), w.agency.ID, w.us.ID, registry.Suspended, "ours again", done))
	suspendedBy(t, w, w.agency.ID)
	must(t, w.Override(t.Context(), w.us.ID, registry.Active, "")) // the operator opens anything
	suspendedBy(t, w, "")
}

func suspendedBy(t *testing.T, w world, by tenants.ID) {
	t.Helper()
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		got, err := tx.Tenant(t.Context())
		if err == nil && (got.SuspendedBy != by || (got.State == registry.Suspended) != (by != "")) {
			t.Errorf("suspended by %q, want %q; it is %s", got.SuspendedBy, by, got.State)
		}
		return err
	}))
}

func closuresSayWhomToAsk(t *testing.T, w world) {
	must(t, w.SetState(t.Context(), w.root, w.agency.ID, registry.Suspended, "unpaid", done))
	for tenant, want := range map[tenants.ID]registry.Closure{
		w.agency.ID: {Here: true, Reason: "unpaid", Ask: "Operator"}, w.us.ID: {Ask: w.agency.Name},
	} {
		got, err := w.Closure(t.Context(), tenant)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", tenant, got, err)
		}
	}
	mine, err := w.Mine(t.Context(), w.us.owner)
	must(t, err)
	if len(mine) != 1 || mine[0].State != registry.Suspended || mine[0].Closure != (registry.Closure{Ask: w.agency.Name}) {
		t.Errorf("mine = %+v", mine)
	}
	must(t, w.SetState(t.Context(), w.agency.ID, w.us.ID, registry.Suspended, "on its own", done))
	must(t, w.SetState(t.Context(), w.root, w.agency.ID, registry.Active, "", done))
	if st := w.standing(t, w.us.ID, ""); !st.Suspended {
		t.Error("resuming the one above resumed what was suspended on its own")
	}
	if st := w.standing(t, w.them.ID, ""); st.Suspended {
		t.Error("it stands still though all are open")
	}
}
