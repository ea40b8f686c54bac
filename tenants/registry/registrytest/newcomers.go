package registrytest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

func rolesReachDown(t *testing.T, w world) {
	define := func(tenant tenants.ID, name string, acts ...tenants.Action) {
		w.update(t, tenant, func(ctx context.Context, tx registry.Tx) error {
			return tx.SaveRole(ctx, &registry.Role{Name: name, Title: "x", Actions: acts})
		})
	}
	before := w.standing(t, w.us.ID, "").Authz
	define(w.agency.ID, "writer", "post.create")
	define(w.agency.ID, "checker", "post.read")
	define(w.us.ID, "checker", "post.settle")
	far := "far-" + strings.TrimPrefix(id.New("x"), "x_") // the operator's, which may be others' too
	define(w.root, far, "tenant.suspend")
	if after := w.standing(t, w.us.ID, "").Authz; after < before+3 {
		t.Errorf("authz went from %d to %d: an agency's roles changed, and its workspace's version did not", before, after)
	}
	if all, err := registry.CustomRoles(t.Context(), w, w.agency.ID); err != nil || all[tenants.Role("custom:"+far)] != nil {
		t.Errorf("the operator's roles count in an agency: %v, %v", all, err)
	}
	for tenant, want := range map[tenants.ID]map[tenants.Role][]tenants.Action{
		w.us.ID:     {"custom:writer": {"post.create"}, "custom:checker": {"post.settle"}},
		w.them.ID:   {"custom:writer": {"post.create"}, "custom:checker": {"post.read"}},
		w.agency.ID: {"custom:writer": {"post.create"}, "custom:checker": {"post.read"}},
	} {
		got, err := registry.CustomRoles(t.Context(), w, tenant)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in %s:\n%s", tenant, diff)
		}
	}
	all, err := w.RolesFor(t.Context(), w.us.ID)
	must(t, err)
	if len(all) != 2 || all[0].Name != "checker" || all[0].Inherited || !all[1].Inherited {
		t.Errorf("roles = %+v", all)
	}
}

func rolesGoEverywhere(t *testing.T, w world) {
	holder, own := person(), person()
	for _, tenant := range []tenants.ID{w.agency.ID, w.them.ID} {
		w.update(t, tenant, func(ctx context.Context, tx registry.Tx) error {
			return tx.SaveRole(ctx, &registry.Role{Name: "writer", Title: "x", Actions: []tenants.Action{"post.read"}})
		})
	}
	give := func(tenant tenants.ID, user tenants.UserID) {
		w.update(t, tenant, func(ctx context.Context, tx registry.Tx) error {
			return tx.SaveMember(ctx, &registry.Member{User: user, Role: "custom:writer", GrantedBy: "system"})
		})
	}
	give(w.us.ID, holder)
	give(w.them.ID, own) // of their own role, which has the same name
	inv := invitation("a@example.com")
	inv.Role = "custom:writer"
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error { return tx.SaveInvitation(ctx, inv) })
	before := w.standing(t, w.us.ID, holder)
	want(t, fault.Conflict, w.RemoveRole(t.Context(), w.agency.ID, "writer", "", done))
	must(t, w.RemoveRole(t.Context(), w.agency.ID, "writer", tenants.Editor, done))
	if st := w.standing(t, w.us.ID, holder); st.Role != tenants.Editor || st.Authz <= before.Authz {
		t.Errorf("below: %+v", st)
	}
	if st := w.standing(t, w.them.ID, own); st.Role != "custom:writer" {
		t.Errorf("a role of the same name went too: %+v", st)
	}
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		got, err := tx.Invitation(t.Context(), inv.ID)
		if err == nil && got.Role != tenants.Editor {
			t.Errorf("invited as %s", got.Role)
		}
		return err
	}))
	want(t, fault.NotFound, w.RemoveRole(t.Context(), w.agency.ID, "writer", tenants.Editor, done))
	want(t, fault.NotFound, w.RemoveRole(t.Context(), w.us.ID, "writer", tenants.Editor, done))
}

func invitation(email string) *registry.Invitation {
	return &registry.Invitation{
		ID: registry.InvitationID(id.New("inv")), Email: email, Role: tenants.Editor, State: registry.InvitationPending, InvitedBy: "usr_1", Actor: "key_1",
		Hashes: []registry.Hash{{1}, {2}}, Sent: 1, SentAt: noon, ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Second), CreatedAt: noon, UpdatedAt: noon,
	}
}

func invitationsComeAndGo(t *testing.T, w world) {
	first, second := invitation("a@example.com"), invitation("b@example.com")
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		return errors.Join(tx.SaveInvitation(ctx, first), tx.SaveInvitation(ctx, second), tx.Send(ctx, registry.Letter{Invitation: first.ID, Number: 1}))
	})
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		got, err := tx.Invitation(ctx, first.ID)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(first, got); diff != "" || got.Version != 1 {
			t.Error(diff)
		}
		members, waiting, err := tx.Seats(ctx, time.Now())
		if members != 1 || waiting != 2 {
			t.Errorf("%d members, %d waiting", members, waiting)
		}
		_, late, lateErr := tx.Seats(ctx, time.Now().Add(2*time.Hour))
		if late != 0 {
			t.Errorf("%d wait that have run out", late)
		}
		all, listErr := tx.Invitations(ctx, "", 10)
		rest, restErr := tx.Invitations(ctx, second.ID, 10)
		if len(all) != 2 || all[0].ID != second.ID || len(rest) != 1 || rest[0].ID != first.ID {
			t.Errorf("lists = %+v, %+v", all, rest)
		}
		got.State, got.Hashes, got.ClosedAt, got.AcceptedBy = registry.InvitationAccepted, nil, noon, "usr_2"
		return errors.Join(err, lateErr, listErr, restErr, tx.SaveInvitation(ctx, got))
	})
	want(t, fault.Conflict, w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error { return tx.SaveInvitation(t.Context(), first) })) // stale
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		got, err := tx.Invitation(t.Context(), first.ID)
		if err == nil && (got.State != registry.InvitationAccepted || len(got.Hashes) != 0 || !got.ClosedAt.Equal(noon) || got.AcceptedBy != "usr_2") {
			t.Errorf("accepted = %+v", got)
		}
		return err
	}))
	must(t, w.View(t.Context(), w.them.ID, func(tx registry.Tx) error {
		_, err := tx.Invitation(t.Context(), first.ID)
		want(t, fault.NotFound, err)
		all, err := tx.Invitations(t.Context(), "", 10)
		if len(all) != 0 {
			t.Errorf("a neighbour sees %+v", all)
		}
		return err
	}))
}

func oneOpenInvitation(t *testing.T, w world) {
	one, two := invitation("a@example.com"), invitation("a@example.com")
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error { return tx.SaveInvitation(ctx, one) })
	w.update(t, w.them.ID, func(ctx context.Context, tx registry.Tx) error {
		return tx.SaveInvitation(ctx, invitation("a@example.com"))
	})
	want(t, fault.Conflict, w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error { return tx.SaveInvitation(t.Context(), two) }))
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		open, err := tx.OpenInvitation(ctx, "a@example.com")
		if err != nil {
			return err
		}
		if open.ID != one.ID {
			t.Errorf("open = %+v", open)
		}
		open.State = registry.InvitationRevoked
		two.Version = 0
		return errors.Join(tx.SaveInvitation(ctx, open), tx.SaveInvitation(ctx, two))
	})
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		_, err := tx.OpenInvitation(t.Context(), "b@example.com")
		want(t, fault.NotFound, err)
		return nil
	}))
	for name, broken := range map[string]*registry.Invitation{"an owner": {ID: "inv_x", Email: "a@b.example", Role: tenants.Owner}, "no address": {ID: "inv_x", Role: tenants.Viewer}} {
		if err := w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error { return tx.SaveInvitation(t.Context(), broken) }); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func oneOfferWaits(t *testing.T, w world) {
	heir := person()
	offer := &registry.Offer{To: heir, From: w.us.owner, Keeps: tenants.Admin, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		_, err := tx.Offer(ctx)
		want(t, fault.NotFound, err)
		other := *offer
		other.To, other.Keeps = person(), registry.Gone
		return errors.Join(tx.SaveMember(ctx, &registry.Member{User: heir, Role: tenants.Viewer, GrantedBy: "system"}), tx.SaveOffer(ctx, &other), tx.SaveOffer(ctx, offer))
	})
	must(t, w.View(t.Context(), w.us.ID, func(tx registry.Tx) error {
		got, err := tx.Offer(t.Context())
		if diff := cmp.Diff(offer, got); diff != "" {
			t.Error(diff)
		}
		return err
	}))
	must(t, w.View(t.Context(), w.them.ID, func(tx registry.Tx) error {
		_, err := tx.Offer(t.Context())
		want(t, fault.NotFound, err)
		return nil
	}))
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error { return tx.RemoveMember(ctx, heir) })
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		_, err := tx.Offer(ctx)
		want(t, fault.NotFound, err) // it went with them
		return errors.Join(tx.SaveOffer(ctx, offer), tx.DropOffer(ctx))
	})
	want(t, fault.Invalid, w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error {
		return tx.SaveOffer(t.Context(), &registry.Offer{Keeps: "custom:x"})
	}))
}

func access(w world) *registry.Access {
	return &registry.Access{
		ID: registry.AccessID(id.New("acg")), To: w.agency.ID, Role: tenants.Editor, Reason: "help", Hours: 1,
		State: registry.AccessRequested, CreatedAt: time.Now().UTC().Truncate(time.Second),
	}
}

func grantsLetIn(t *testing.T, w world) {
	now := time.Now().UTC().Truncate(time.Second)
	a := access(w)
	a.State, a.Until, a.DecidedAt, a.DecidedBy = registry.AccessGranted, now.Add(time.Hour), now, w.us.owner
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error { return tx.SaveAccess(ctx, a) })
	if st := w.standing(t, w.us.ID, w.agency.owner); st.Role != "" || st.Grant != a.ID || st.GrantRole != tenants.Editor || st.Home != tenants.Owner {
		t.Errorf("of the parent: %+v", st)
	}
	for name, user := range map[string]tenants.UserID{"a stranger": person(), "nobody": "", "a sibling's owner": w.them.owner} {
		if st := w.standing(t, w.us.ID, user); st.Grant != "" || st.Home != "" {
			t.Errorf("%s: %+v", name, st)
		}
	}
	if st := w.standing(t, w.them.ID, w.agency.owner); st.Grant != "" {
		t.Errorf("at a sibling: %+v", st)
	}
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		return tx.SaveMember(ctx, &registry.Member{User: w.agency.owner, Role: tenants.Viewer, GrantedBy: "system"})
	})
	if st := w.standing(t, w.us.ID, w.agency.owner); st.Role != tenants.Viewer || st.Grant != "" {
		t.Errorf("a member needs no grant: %+v", st)
	}
	w.update(t, w.us.ID, func(ctx context.Context, tx registry.Tx) error {
		got, err := tx.Access(ctx, a.ID)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(a, got); diff != "" {
			t.Error(diff)
		}
		n, err := tx.OpenAccess(ctx, now)
		gone, goneErr := tx.OpenAccess(ctx, now.Add(2*time.Hour))
		if n != 1 || gone != 0 {
			t.Errorf("%d open, %d later", n, gone)
		}
		got.Until = now.Add(-time.Second)
		return errors.Join(err, goneErr, tx.SaveAccess(ctx, got), tx.RemoveMember(ctx, w.agency.owner))
	})
	if st := w.standing(t, w.us.ID, w.agency.owner); st.Grant != "" {
		t.Errorf("it has ended: %+v", st)
	}
	want(t, fault.Conflict, w.Update(t.Context(), w.us.ID, func(tx registry.Tx) error { return tx.SaveAccess(t.Context(), a) })) // stale
}

func parentsAsk(t *testing.T, w world) {
	a := access(w)
	a.AskedBy = w.agency.owner
	before := w.standing(t, w.us.ID, "").Authz
	must(t, w.AskAccess(t.Context(), w.us.ID, a, done))
	if w.standing(t, w.us.ID, "").Authz == before || a.Version != 1 {
		t.Error("the child did not notice")
	}
	want(t, fault.Conflict, w.AskAccess(t.Context(), w.us.ID, access(w), done))
	for name, child := range map[string]tenants.ID{"itself": w.agency.ID, "nothing": tenants.NewID(), "no name": "", "above": w.root} {
		if err := w.AskAccess(t.Context(), child, access(w), done); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	far := access(w)
	far.To = w.root
	want(t, fault.NotFound, w.AskAccess(t.Context(), w.us.ID, far, done))
	if st := w.standing(t, w.us.ID, w.agency.owner); st.Grant != "" {
		t.Errorf("asking opens nothing: %+v", st)
	}
	b := access(w)
	must(t, w.AskAccess(t.Context(), w.them.ID, b, done))
	got, err := w.Received(t.Context(), w.agency.ID, "", 10)
	must(t, err)
	if len(got) != 2 || got[0].ID != b.ID || got[1].Child.ID != w.us.ID || got[1].Child.Name != w.us.Name || got[1].AskedBy != w.agency.owner || !got[1].Until.IsZero() {
		t.Errorf("received = %+v", got)
	}
	rest, err := w.Received(t.Context(), w.agency.ID, b.ID, 1)
	must(t, err)
	none, err := w.Received(t.Context(), w.us.ID, "", 10)
	if err != nil || len(rest) != 1 || rest[0].ID != a.ID || len(none) != 0 {
		t.Errorf("after %+v, of the child %+v, %v", rest, none, err)
	}
	must(t, w.View(t.Context(), w.them.ID, func(tx registry.Tx) error {
		all, err := tx.Accesses(t.Context(), "", 10)
		if len(all) != 1 || all[0].ID != b.ID {
			t.Errorf("theirs = %+v", all)
		}
		_, missing := tx.Access(t.Context(), a.ID)
		want(t, fault.NotFound, missing)
		return err
	}))
}
