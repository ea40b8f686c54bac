package identity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func TestAddAndFind(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	home := tenants.NewID()
	u, err := w.people.Add(ctx, identity.Registration{Email: "demo@example.test", Name: "Demo", Password: good}, home)
	must(t, err)
	w.login(t, "demo@example.test", good)
	if len(w.homes) != 0 {
		t.Error("a person with a home got another")
	}
	_, err = w.people.Add(ctx, identity.Registration{Email: "demo@example.test", Name: "Demo", Password: good}, home)
	want(t, "twice", err, fault.Conflict, "email.taken")
	found, err := w.people.Find(ctx, "DEMO@example.test")
	must(t, err)
	if diff := cmp.Diff(u, found); diff != "" {
		t.Error(diff)
	}
	_, err = w.people.Find(ctx, "nobody@example.test")
	want(t, "nobody", err, fault.NotFound, "user.not_found")
	names, err := w.people.Names(ctx, []tenants.UserID{u.ID})
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}
