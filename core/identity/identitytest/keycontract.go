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

// RunKeys holds a KeyStore to its contract; us and them are two tenants.
func RunKeys(t *testing.T, s identity.KeyStore, us, them tenants.ID) {
	ctx := context.Background()
	one, two := newKey(Noon), newKey(Noon.Add(time.Minute))
	two.ExpiresAt = Noon.Add(time.Hour)
	if err := s.Update(ctx, us, func(tx identity.KeyTx) error {
		if err := tx.AddKey(ctx, one, hashOf(string(one.ID))); err != nil {
			return err
		}
		return tx.AddKey(ctx, two, hashOf(string(two.ID)))
	}); err != nil {
		t.Fatal(err)
	}
	list := func(who tenants.ID) (keys []identity.Key) {
		if err := s.View(ctx, who, func(tx identity.KeyTx) (err error) {
			keys, err = tx.Keys(ctx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return keys
	}

	t.Run("keys are listed, latest first", func(t *testing.T) {
		if diff := cmp.Diff([]identity.Key{*two, *one}, list(us)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("another tenant's keys do not exist", func(t *testing.T) {
		if keys := list(them); len(keys) != 0 {
			t.Errorf("sees %v", keys)
		}
		want(t, "reading", s.View(ctx, them, func(tx identity.KeyTx) error {
			_, err := tx.Key(ctx, one.ID)
			return err
		}), fault.NotFound)
		want(t, "ending", s.Update(ctx, them, func(tx identity.KeyTx) error { return tx.EndKey(ctx, one) }), fault.NotFound)
		want(t, "revoking", s.Update(ctx, them, func(tx identity.KeyTx) error { return tx.RevokeKey(ctx, one) }), fault.NotFound)
	})
	t.Run("a key's end moves", func(t *testing.T) {
		sooner := *two
		sooner.ExpiresAt = Noon.Add(time.Minute)
		if err := s.Update(ctx, us, func(tx identity.KeyTx) error { return tx.EndKey(ctx, &sooner) }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]identity.Key{sooner, *one}, list(us)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a holder is found wherever it is", func(t *testing.T) {
		h, err := s.Holder(ctx, one.ID)
		if err != nil || h.Tenant != us || h.Hash != hashOf(string(one.ID)) || h.ID != one.ID {
			t.Errorf("%+v, %v", h, err)
		}
		_, err = s.Holder(ctx, identity.KeyID(id.New("key")))
		want(t, "no such key", err, fault.NotFound)
	})
	t.Run("what happens to a key is recorded", func(t *testing.T) { keyHistory(t, s, us, one) })
}

// keyHistory uses and revokes a key of us.
func keyHistory(t *testing.T, s identity.KeyStore, us tenants.ID, k *identity.Key) {
	ctx := context.Background()
	if err := s.Touch(ctx, us, k.ID, Noon); err != nil {
		t.Fatal(err)
	}
	if h, err := s.Holder(ctx, k.ID); err != nil || !h.LastUsedAt.Equal(Noon) {
		t.Errorf("used: %+v, %v", h, err)
	}
	k.RevokedAt = Noon
	if err := s.Update(ctx, us, func(tx identity.KeyTx) error { return tx.RevokeKey(ctx, k) }); err != nil {
		t.Fatal(err)
	}
	if h, err := s.Holder(ctx, k.ID); err != nil || !h.RevokedAt.Equal(Noon) {
		t.Errorf("revoked, and still on record: %+v, %v", h, err)
	}
}

func newKey(at time.Time) *identity.Key {
	return &identity.Key{
		ID: identity.KeyID(id.At("key", at)), Name: "CI", Scopes: []tenants.Action{"post.create", "post.read"},
		CreatedBy: tenants.UserID(id.New("usr")), Role: tenants.Editor, APIVersion: "2026-11-01", CreatedAt: at,
	}
}
