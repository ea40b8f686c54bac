package admin_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
)

func TestTheLastOperatorStays(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, _ := w.operator(olga)
	want(t, "the last", w.RemoveOperator(ctx, who, olga), fault.Conflict, "operator.last")
	_, token := w.operator("other@example.com")
	want(t, "nobody", w.RemoveOperator(ctx, who, "nobody@example.com"), fault.NotFound, "operator.not_found")
	want(t, "no address", w.RemoveOperator(ctx, who, "x"), fault.Invalid, "email.invalid")
	must(t, w.RemoveOperator(ctx, who, "Other@Example.com"))
	_, err := w.Authenticate(ctx, token)
	want(t, "who was removed", err, fault.Unauthenticated, "operator.required")
	all, err := w.Operators(ctx, who)
	if err != nil || len(all) != 1 || all[0].Email != olga {
		t.Errorf("%+v, %v", all, err)
	}
}

// What would let one operator be another is for whoever has the machine.
func TestOnlyAShellHandlesFactors(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, token := w.operator(olga)
	want(t, "another's factor", w.ResetFactor(ctx, who, olga), fault.Unauthenticated, "operator.required")
	_, err := w.Code(ctx, who, olga)
	want(t, "another's code", err, fault.Unauthenticated, "operator.required")

	before := w.code(olga)
	must(t, w.ResetFactor(ctx, admin.Shell(), olga))
	_, err = w.Authenticate(ctx, token)
	want(t, "a session from before", err, fault.Unauthenticated, "operator.required")
	_, err = w.login(olga, good, before)
	want(t, "a code of the lost telephone", err, fault.Unauthenticated, "operator.bad_code")
	if in, err := w.login(olga, good, ""); err != nil || in.Enrol == nil {
		t.Errorf("%+v, %v", in, err)
	}
	want(t, "nobody's", w.ResetFactor(ctx, admin.Shell(), "nobody@example.com"), fault.NotFound, "operator.not_found")
	_, err = w.Code(ctx, admin.Shell(), "nobody@example.com")
	want(t, "nobody's code", err, fault.NotFound, "operator.not_found")
}

func TestEnlistingChangesNothingForWhoIsThere(t *testing.T) {
	w := newWorld(t)
	_, token := w.operator(olga)
	must(t, w.Enlist(t.Context(), admin.Shell(), olga, "Somebody", better))
	if _, err := w.Authenticate(t.Context(), token); err != nil {
		t.Error(err)
	}
	_, err := w.login(olga, better, "x")
	want(t, "the other password", err, fault.Unauthenticated, "login.failed")
	want(t, "a weak one", w.Enlist(t.Context(), admin.Shell(), "new@example.com", "", "short"), fault.Invalid, "password.too_short")
}
