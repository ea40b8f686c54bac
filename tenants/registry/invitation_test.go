package registry_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// box keeps the letters that were sent, and refuses as many as it is told.
type box struct {
	sent   []mail.Message
	refuse int
}

func (b *box) Send(_ context.Context, m mail.Message) error {
	b.sent = append(b.sent, m)
	if b.refuse > 0 {
		b.refuse--
		return fault.New(fault.Unavailable, "mail.down", "Down.")
	}
	return nil
}

// deliver works the post until it is empty and returns the letters.
func (w world) deliver(t *testing.T, b *box) []mail.Message {
	t.Helper()
	c := w.courier(b)
	for _, p := range w.store.Post() {
		for c.Deliver(t.Context(), p.Tenant, p.Letter) != nil {
			continue // as the queue would
		}
	}
	all := b.sent
	b.sent = nil
	return all
}

var linked = regexp.MustCompile(`https://app\.test/join#token=(\S+)`)

func token(t *testing.T, m mail.Message) secret.Secret {
	t.Helper()
	found := linked.FindStringSubmatch(m.Text)
	if found == nil || !strings.Contains(m.HTML, found[1]) {
		t.Fatalf("no link in %q", m.Text)
	}
	return secret.Secret(found[1])
}

func (w world) invite(t *testing.T, who tenants.Scope, email string, role tenants.Role) (*registry.Invitation, secret.Secret) {
	t.Helper()
	inv, err := w.Invite(t.Context(), who, email, role)
	must(t, err)
	return inv, token(t, w.deliver(t, new(box))[0])
}

func TestAnInvitationMakesAMember(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	inv, link := w.invite(t, owner, "ann@example.com", tenants.Editor)
	to, err := w.Invited(t.Context(), link)
	if err != nil || to.Tenant != w.shop || to.Name != "workspace" || to.Email != "ann@example.com" || to.Role != tenants.Editor {
		t.Fatalf("%+v, %v", to, err)
	}
	ann := person()
	_, err = w.Join(t.Context(), link, ann, "eve@example.com")
	want(t, fault.Forbidden, err)
	_, err = w.Join(t.Context(), link, ann, "ann@example.com")
	must(t, err)
	if who := w.resolve(t, ann, w.shop); who.Role != tenants.Editor {
		t.Errorf("scope = %+v", who)
	}
	_, err = w.Join(t.Context(), link, ann, "ann@example.com")
	want(t, fault.Invalid, err) // it works once
	all, err := w.Invitations(t.Context(), owner, "", 10)
	if err != nil || len(all) != 1 || all[0].ID != inv.ID || all[0].State != registry.InvitationAccepted || all[0].AcceptedBy != ann || len(all[0].Hashes) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	want(t, fault.Conflict, w.Revoke(t.Context(), owner, inv.ID))
	_, err = w.Resend(t.Context(), owner, inv.ID)
	want(t, fault.Conflict, err)
}

// What makes a link stop working, each in one step.
func TestALinkStops(t *testing.T) {
	for name, step := range map[string]func(t *testing.T, w world, owner tenants.Scope, inv *registry.Invitation){
		"revoked": func(t *testing.T, w world, owner tenants.Scope, inv *registry.Invitation) {
			must(t, w.Revoke(t.Context(), owner, inv.ID))
			must(t, w.Revoke(t.Context(), owner, inv.ID)) // again is harmless
		},
		"expired": func(_ *testing.T, w world, _ tenants.Scope, _ *registry.Invitation) {
			*w.clock = w.clock.Add(registry.InviteTTL)
		},
		"sent again": func(t *testing.T, w world, owner tenants.Scope, inv *registry.Invitation) {
			_, err := w.Resend(t.Context(), owner, inv.ID)
			want(t, fault.RateLimited, err)
			*w.clock = w.clock.Add(time.Minute)
			again, err := w.Resend(t.Context(), owner, inv.ID)
			if err != nil || again.Sent != 2 || !again.ExpiresAt.Equal(w.clock.Add(registry.InviteTTL)) {
				t.Errorf("%+v, %v", again, err)
			}
			next := token(t, w.deliver(t, new(box))[0])
			if _, err := w.Invited(t.Context(), next); err != nil {
				t.Error(err)
			}
		},
		"suspended": func(t *testing.T, w world, _ tenants.Scope, _ *registry.Invitation) {
			must(t, w.Suspend(t.Context(), w.resolve(t, w.root, w.operator), w.agency, "unpaid"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			owner := w.resolve(t, w.owner, w.shop)
			inv, link := w.invite(t, owner, "ann@example.com", tenants.Editor)
			step(t, w, owner, inv)
			_, err := w.Join(t.Context(), link, person(), "ann@example.com")
			if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Forbidden) || strings.Contains(fault.Of(err).Message, "unpaid") {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// Nobody gives more than they have, neither when they invite nor when the
// invitation is taken.
func TestAnInviterGivesNoMoreThanTheyHave(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	admin, err := w.AddMember(t.Context(), owner, person(), tenants.Admin)
	must(t, err)
	boss := w.resolve(t, admin.User, w.shop)
	_, err = w.Invite(t.Context(), boss, "x@example.com", tenants.Owner)
	want(t, fault.Forbidden, err)
	_, err = w.Invite(t.Context(), owner, "x@example.com", tenants.Owner)
	want(t, fault.Conflict, err) // ownership is offered
	w.role(t, owner, "closer", "tenant.suspend")
	_, err = w.Invite(t.Context(), boss, "x@example.com", "custom:closer")
	want(t, fault.Forbidden, err)
	_, err = w.Invite(t.Context(), boss, "X@example.com", tenants.Viewer)
	want(t, fault.Invalid, err)

	_, first := w.invite(t, boss, "a@example.com", tenants.Admin)
	_, second := w.invite(t, boss, "b@example.com", tenants.Viewer)
	_, third := w.invite(t, owner, "c@example.com", "custom:closer")
	_, err = w.SetRole(t.Context(), owner, admin.User, tenants.Viewer)
	must(t, err)
	_, err = w.Join(t.Context(), first, person(), "a@example.com")
	if reason(err) != "invitation.void" {
		t.Errorf("the inviter was demoted: %v", err)
	}
	must(t, w.RemoveMember(t.Context(), owner, admin.User))
	_, err = w.Join(t.Context(), second, person(), "b@example.com")
	if reason(err) != "invitation.void" {
		t.Errorf("the inviter left: %v", err)
	}
	ann := person()
	_, err = w.Join(t.Context(), third, ann, "c@example.com")
	must(t, err)
	if who := w.resolve(t, ann, w.shop); who.Role != "custom:closer" {
		t.Errorf("scope = %+v", who)
	}
}

func TestInvitationsOfAnAddress(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	first, _ := w.invite(t, owner, "ann@example.com", tenants.Editor)
	_, err := w.Invite(t.Context(), owner, "ann@example.com", tenants.Viewer)
	want(t, fault.Conflict, err)
	*w.clock = w.clock.Add(registry.InviteTTL)
	second, link := w.invite(t, owner, "ann@example.com", tenants.Viewer)
	all, err := w.Invitations(t.Context(), owner, "", 10)
	if err != nil || len(all) != 2 || all[0].ID != second.ID || all[1].ID != first.ID || all[1].State != registry.InvitationExpired {
		t.Errorf("%+v, %v", all, err)
	}
	ann := person()
	_, err = w.Join(t.Context(), link, ann, "ann@example.com")
	must(t, err)
	_, err = w.Invitations(t.Context(), w.resolve(t, ann, w.shop), "", 10)
	want(t, fault.Forbidden, err)
	_, err = w.Resend(t.Context(), owner, "inv_none")
	want(t, fault.NotFound, err)
}

func TestSeats(t *testing.T) {
	w := setup(t)
	free := w.resolve(t, w.owner, w.shop)
	free.Tier = tenants.Free
	_, link := w.invite(t, free, "a@example.com", tenants.Editor)
	_, err := w.AddMember(t.Context(), free, person(), tenants.Viewer)
	must(t, err)
	_, err = w.Invite(t.Context(), free, "b@example.com", tenants.Editor)
	want(t, fault.Quota, err) // one is promised
	_, err = w.AddMember(t.Context(), free, person(), tenants.Viewer)
	want(t, fault.Quota, err)
	_, err = w.Join(t.Context(), link, person(), "a@example.com") // who was promised one has it
	must(t, err)
	for tier, n := range map[tenants.Tier]int{tenants.Free: 3, tenants.Creator: 5, tenants.Pro: 15, tenants.Team: 0} {
		if registry.Seats(tier) != n {
			t.Errorf("%s has %d seats", tier, registry.Seats(tier))
		}
	}
}

func TestLetters(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	name := "Win <b>a prize</b> at http://evil.test/now, Ann & Bob's"
	_, err := w.Update(t.Context(), owner, registry.Change{Name: &name})
	must(t, err)
	inv, err := w.Invite(t.Context(), owner, "ann@example.com", tenants.Editor)
	must(t, err)
	b := &box{refuse: 1}
	sent := w.deliver(t, b)
	if len(sent) != 2 || sent[0].ID != sent[1].ID || sent[0].To != "ann@example.com" || sent[0].Kind != "invitation" {
		t.Fatalf("sent = %+v", sent)
	}
	for _, m := range sent {
		if all := m.Subject + m.Text + m.HTML; strings.Contains(all, "evil.test") || strings.Contains(all, "<b>") || !strings.Contains(m.Text, "Ann & Bob's") {
			t.Error(all)
		}
		if _, err := w.Invited(t.Context(), token(t, m)); err != nil {
			t.Errorf("a letter that may have arrived: %v", err)
		}
	}
	c := w.courier(b)
	must(t, errors.Join(
		c.Deliver(t.Context(), w.shop, registry.Letter{Invitation: inv.ID, Number: 7}), // another one followed
		c.Deliver(t.Context(), w.shop, registry.Letter{Invitation: "inv_none", Number: 1}),
		c.Deliver(t.Context(), tenants.NewID(), registry.Letter{Invitation: inv.ID, Number: 1})))
	if len(b.sent) != 0 {
		t.Errorf("sent = %+v", b.sent)
	}
}

func TestForgedLinks(t *testing.T) {
	w := setup(t)
	owner := w.resolve(t, w.owner, w.shop)
	_, link := w.invite(t, owner, "ann@example.com", tenants.Editor)
	good := link.Reveal()
	other := strings.Replace(good, strings.TrimPrefix(string(w.shop), "ten_"), strings.TrimPrefix(string(w.agency), "ten_"), 1)
	for name, bad := range map[string]string{
		"empty": "", "another door's": "cvf_" + good[4:], "cut": good[:len(good)-1], "longer": good + "a", "another tenant's": other,
		"a digit off": good[:len(good)-1] + string(good[len(good)-1]^1), "upper case": strings.ToUpper(good),
	} {
		if _, err := w.Invited(t.Context(), secret.Secret(bad)); reason(err) != "invitation.link" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := fmt.Sprintf("%v %+v", link, link); strings.Contains(s, good) {
		t.Error("a link can be printed")
	}
}

func FuzzLinks(f *testing.F) {
	f.Add("civ_" + strings.Repeat("0", 104))
	f.Add("civ_")
	w := world{Service: registry.New(nothing{}, nil, time.Now)}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := w.Invited(t.Context(), secret.Secret(text)); reason(err) != "invitation.link" {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// nothing is a store in which there is no tenant.
type nothing struct{ registry.Store }

func (nothing) View(context.Context, tenants.ID, func(registry.Tx) error) error {
	return fault.New(fault.NotFound, "tenant.not_found", "No.")
}
