package identitytest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func external(user tenants.UserID, at time.Time) *identity.External {
	name := id.At("idn", at)
	return &identity.External{
		ID: identity.ExternalID(name), User: user, Provider: "there", Issuer: "https://there.test", Subject: name,
		Email: "ann@there.test", CreatedAt: at,
	}
}

func (c contract) externals(t *testing.T) {
	ann, bob := newUser(), newUser()
	first, second, other := external(ann.ID, Noon), external(ann.ID, Noon.Add(time.Minute)), external(bob.ID, Noon)
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		for _, u := range []*identity.User{ann, bob} {
			if err := tx.AddUser(ctx, u, ""); err != nil {
				return err
			}
		}
		for _, e := range []*identity.External{second, first, other} {
			if err := tx.AddExternal(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	twin := external(bob.ID, Noon)
	twin.Subject = first.Subject
	want(t, "one account for two people", c.try(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddExternal(ctx, twin) }), fault.Conflict)
	twin.Issuer = "https://elsewhere.test"
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddExternal(ctx, twin) })

	first.UsedAt = Noon.Add(time.Hour)
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if err := tx.TouchExternal(ctx, first.ID, first.UsedAt); err != nil {
			return err
		}
		got, err := tx.External(ctx, first.Issuer, first.Subject)
		if diff := cmp.Diff(first, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		list, err := tx.Externals(ctx, ann.ID)
		if diff := cmp.Diff([]identity.External{*first, *second}, list); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		cred, err := tx.Credential(ctx, ann.Email, Noon)
		if want := (identity.Credential{User: ann.ID, Verified: true}); !cmp.Equal(cred, want) {
			t.Errorf("without a password: %+v", cred)
		}
		return err
	})
	c.removeExternals(t, ann.ID, first, other)
}

func (c contract) removeExternals(t *testing.T, ann tenants.UserID, own, other *identity.External) {
	t.Helper()
	want(t, "removing another person's", c.try(t, func(ctx context.Context, tx identity.Tx) error {
		return tx.RemoveExternal(ctx, ann, other.ID)
	}), fault.NotFound)
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.RemoveExternal(ctx, ann, own.ID) })
	want(t, "one that was removed", c.try(t, func(ctx context.Context, tx identity.Tx) error {
		_, err := tx.External(ctx, own.Issuer, own.Subject)
		return err
	}), fault.NotFound)
}

// Two who each see two ways in and take one away must not leave none.
func (c contract) externalsTakeTurns(t *testing.T) {
	u := newUser()
	pair := []*identity.External{external(u.ID, Noon), external(u.ID, Noon.Add(time.Minute))}
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if err := tx.AddUser(ctx, u, ""); err != nil {
			return err
		}
		if err := tx.AddExternal(ctx, pair[0]); err != nil {
			return err
		}
		return tx.AddExternal(ctx, pair[1])
	})
	var removed atomic.Int32
	var wg sync.WaitGroup
	for _, e := range pair {
		wg.Go(func() {
			err := c.store.Update(t.Context(), func(tx identity.Tx) error {
				list, err := tx.Externals(t.Context(), u.ID)
				if err != nil || len(list) < 2 {
					return err
				}
				removed.Add(1)
				return tx.RemoveExternal(t.Context(), u.ID, e.ID)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if removed.Load() != 1 {
		t.Errorf("%d removed the last but one", removed.Load())
	}
}

func (c contract) attempts(t *testing.T) {
	a := &identity.Attempt{
		State: hashOf(id.New("sta")), Binder: hashOf("binder"), Provider: "there", Aim: identity.ToLink, User: "usr_x", Session: "ses_x", ExpiresAt: Noon.Add(time.Minute),
	}
	takeWith := func(binder identity.Hash, at time.Time) (got *identity.Attempt, err error) {
		err = c.try(t, func(ctx context.Context, tx identity.Tx) error {
			got, err = tx.TakeAttempt(ctx, a.State, binder, at)
			return err
		})
		return got, err
	}
	take := func(at time.Time) (*identity.Attempt, error) { return takeWith(a.Binder, at) }
	_, err := take(Noon)
	want(t, "an attempt nobody made", err, fault.NotFound)
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddAttempt(ctx, a) })
	_, err = take(a.ExpiresAt)
	want(t, "an expired attempt", err, fault.NotFound)
	_, err = takeWith(hashOf("another browser's"), Noon)
	want(t, "an attempt of another browser", err, fault.NotFound)
	got, err := take(Noon)
	if diff := cmp.Diff(a, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	_, err = take(Noon)
	want(t, "an attempt that was taken", err, fault.NotFound)

	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddAttempt(ctx, a) })
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		return tx.Sweep(ctx, a.ExpiresAt, Noon.Add(-time.Hour))
	})
	_, err = take(Noon)
	want(t, "an attempt that was swept", err, fault.NotFound)
}
