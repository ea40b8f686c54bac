package identitytest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func session(user tenants.UserID, at time.Time) *identity.Session {
	return &identity.Session{
		ID: identity.SessionID(id.At("ses", at)), User: user, Agent: "agent", Address: "192.0.2.1",
		CreatedAt: at, SeenAt: at, ExpiresAt: at.Add(time.Hour),
		Device: hashOf("device"), Methods: []identity.Method{identity.ByPassword}, AuthenticatedAt: at,
	}
}

func (c contract) sessions(t *testing.T) {
	ann, bob := newUser(), newUser()
	a1, a2, b := session(ann.ID, Noon), session(ann.ID, Noon.Add(time.Minute)), session(bob.ID, Noon)
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		for _, u := range []*identity.User{ann, bob} {
			if err := tx.AddUser(ctx, u, "hash"); err != nil {
				return err
			}
		}
		for _, s := range []*identity.Session{a1, a2, b} {
			if err := tx.AddSession(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	a1.SeenAt, a1.ExpiresAt, a1.Agent, a1.Name = Noon.Add(time.Second), Noon.Add(2*time.Hour), "other", "Desk"
	a1.Methods, a1.AuthenticatedAt = []identity.Method{identity.ByPassword, identity.ByTOTP}, Noon.Add(time.Minute)
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if err := tx.SaveSession(ctx, a1); err != nil {
			return err
		}
		list, err := tx.Sessions(ctx, ann.ID, Noon)
		if diff := cmp.Diff([]identity.Session{*a2, *a1}, list); diff != "" {
			t.Errorf("sessions:\n%s", diff)
		}
		if list, _ := tx.Sessions(ctx, ann.ID, Noon.Add(90*time.Minute)); len(list) != 1 {
			t.Errorf("%d sessions alive later, want 1", len(list))
		}
		return err
	})
	live, err := c.store.Live(t.Context(), a1.ID)
	if diff := cmp.Diff(a1, live); diff != "" || err != nil {
		t.Errorf("live: %v\n%s", err, diff)
	}
	c.endSessions(t, ann.ID, a1, a2, b)
}

// endSessions ends those of ann, who has a1 and a2, and not b, who is bob's.
func (c contract) endSessions(t *testing.T, ann tenants.UserID, a1, a2, b *identity.Session) {
	t.Helper()
	want(t, "ending another person's session", c.try(t, func(ctx context.Context, tx identity.Tx) error {
		return tx.EndSession(ctx, ann, b.ID)
	}), fault.NotFound)
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if err := tx.EndSessions(ctx, ann, a1.ID); err != nil {
			return err
		}
		list, err := tx.Sessions(ctx, ann, Noon)
		if len(list) != 1 || list[0].ID != a1.ID {
			t.Errorf("kept %v", list)
		}
		return err
	})
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.EndSession(ctx, ann, a1.ID) })
	for _, s := range []*identity.Session{a1, a2} {
		_, err := c.store.Live(t.Context(), s.ID)
		want(t, "an ended session, live", err, fault.NotFound)
		want(t, "an ended session", c.try(t, func(ctx context.Context, tx identity.Tx) error {
			_, err := tx.Session(ctx, s.ID)
			return err
		}), fault.NotFound)
	}
}

func hashOf(s string) (h identity.Hash) {
	copy(h[:], s)
	return h
}

func (c contract) refreshes(t *testing.T) {
	u := newUser()
	s := session(u.ID, Noon)
	r := &identity.RefreshToken{Hash: hashOf(string(s.ID)), Session: s.ID}
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if err := tx.AddUser(ctx, u, "hash"); err != nil {
			return err
		}
		if err := tx.AddSession(ctx, s); err != nil {
			return err
		}
		return tx.AddRefresh(ctx, r)
	})
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		got, err := tx.Refresh(ctx, r.Hash)
		if diff := cmp.Diff(r, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		r.UsedAt, r.UsedBy = Noon, "client"
		if err := tx.SaveRefresh(ctx, r); err != nil {
			return err
		}
		got, err = tx.Refresh(ctx, r.Hash)
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("used:\n%s", diff)
		}
		return err
	})
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.EndSession(ctx, u.ID, s.ID) })
	want(t, "a token of an ended session", c.try(t, func(ctx context.Context, tx identity.Tx) error {
		_, err := tx.Refresh(ctx, r.Hash)
		return err
	}), fault.NotFound)
}
