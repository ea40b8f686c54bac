package identity_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
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
	want(t, "nobody", err, fault.NotFound, "user.no_account")
	names, err := w.people.Names(ctx, []tenants.UserID{u.ID})
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

// Whoever is invited chooses their first password by a link, handed on or
// mailed, within a day.
func TestInvite(t *testing.T) {
	for name, mailed := range map[string]bool{"handed on": false, "mailed": true} {
		t.Run(name, func(t *testing.T) {
			w, ctx := newWorld(), t.Context()
			_, err := w.people.Invite(ctx, "nonsense", "Ann")
			want(t, "no address", err, fault.Invalid, "email.invalid")
			u, err := w.people.Invite(ctx, "Ann@example.test", "Ann")
			must(t, err)
			_, err = w.people.Invite(ctx, "ann@example.test", "Ann")
			want(t, "twice", err, fault.Conflict, "email.taken")
			link := func() (token secret.Secret) {
				if !mailed {
					token, err = w.people.Link(ctx, u.ID)
					must(t, err)
					return token
				}
				must(t, w.people.MailLink(ctx, u))
				return w.token(t)
			}
			late, token := link(), link()
			w.pass(identity.InviteTTL - time.Minute)
			must(t, w.ResetPassword(ctx, laptop, token, good))
			w.login(t, "ann@example.test", good)
			want(t, "once", w.ResetPassword(ctx, laptop, token, good), fault.Invalid, "link.invalid")
			want(t, "another", w.ResetPassword(ctx, laptop, late, good), fault.Invalid, "link.invalid")
			late = link()
			w.pass(identity.InviteTTL + time.Minute)
			want(t, "too late", w.ResetPassword(ctx, laptop, late, good), fault.Invalid, "link.invalid")
		})
	}
	w := newWorld()
	_, err := w.people.Link(t.Context(), "usr_0000000000000000000000000")
	want(t, "nobody", err, fault.NotFound, "not_found")
}
