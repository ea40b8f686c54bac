package identitytest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// Noon is the time in the tests of this package; stores must not ask a clock.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// RunStore holds a Store to its contract. s may hold other rows already.
func RunStore(t *testing.T, s identity.Store) {
	c := contract{s}
	t.Run("people", c.people)
	t.Run("a registration signs in until there is a user", c.credentials)
	t.Run("sessions", c.sessions)
	t.Run("a chain of refresh tokens", c.refreshes)
	t.Run("a one-time token works once and at one door", c.oneTime)
	t.Run("authenticator apps", c.apps)
	t.Run("recovery codes work once", c.recovery)
	t.Run("passkeys", c.passkeys)
	t.Run("a question is answered once and at one door", c.challenges)
	t.Run("devices", c.devices)
	t.Run("guards", c.guards)
	t.Run("a guard is one at a time", c.guardsTakeTurns)
	t.Run("a failed update leaves nothing", c.rollback)
	t.Run("accounts elsewhere", c.externals)
	t.Run("the last but one is one at a time", c.externalsTakeTurns)
	t.Run("an attempt works once", c.attempts)
	t.Run("sweeping", c.sweep)
}

type contract struct{ store identity.Store }

func (c contract) update(t *testing.T, fn func(context.Context, identity.Tx) error) {
	t.Helper()
	if err := c.try(t, fn); err != nil {
		t.Fatal(err)
	}
}

func (c contract) try(t *testing.T, fn func(context.Context, identity.Tx) error) error {
	t.Helper()
	return c.store.Update(t.Context(), func(tx identity.Tx) error { return fn(t.Context(), tx) })
}

func want(t *testing.T, what string, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("%s: err = %v, want %s", what, err, code)
	}
}

func newUser() *identity.User {
	name := id.New("usr")
	return &identity.User{ID: tenants.UserID(name), Email: name + "@example.test", Name: "Ann", CreatedAt: Noon}
}

func (c contract) people(t *testing.T) {
	u := newUser()
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddUser(ctx, u, "hash") })
	twin := newUser()
	twin.Email = u.Email
	want(t, "the same address twice", c.try(t, func(ctx context.Context, tx identity.Tx) error {
		return tx.AddUser(ctx, twin, "other")
	}), fault.Conflict)

	home := tenants.NewID()
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if err := tx.SetHome(ctx, u.ID, home); err != nil {
			return err
		}
		return tx.SetPassword(ctx, u.ID, "next")
	})
	u.Home = home
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		got, err := tx.User(ctx, u.ID)
		if diff := cmp.Diff(u, got); diff != "" {
			t.Errorf("user:\n%s", diff)
		}
		cred, err2 := tx.Credential(ctx, u.Email, Noon)
		if want := (identity.Credential{User: u.ID, Hashes: []string{"next"}, Verified: true}); !cmp.Equal(cred, want) || err2 != nil {
			t.Errorf("credential = %+v, %v", cred, err2)
		}
		list, err3 := tx.Users(ctx, []tenants.UserID{u.ID, "usr_unknown"})
		if len(list) != 1 || err3 != nil {
			t.Errorf("users = %v, %v", list, err3)
		}
		return err
	})
	want(t, "an unknown user", c.try(t, func(ctx context.Context, tx identity.Tx) error {
		_, err := tx.User(ctx, "usr_unknown")
		return err
	}), fault.NotFound)
}

func pending(address string, at time.Time) *identity.Pending {
	return &identity.Pending{
		ID: identity.PendingID(id.At("reg", at)), User: tenants.UserID(id.New("usr")), Email: address, Name: "Ann",
		Hash: "hash " + at.String(), CreatedAt: at, ExpiresAt: at.Add(identity.VerifyTTL),
	}
}

func (c contract) credentials(t *testing.T) {
	u := newUser()
	first, second := pending(u.Email, Noon), pending(u.Email, Noon.Add(time.Minute))
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if cred, err := tx.Credential(ctx, u.Email, Noon); !cmp.Equal(cred, identity.Credential{}) || err != nil {
			t.Errorf("nobody's credential = %+v, %v", cred, err)
		}
		if err := tx.AddPending(ctx, second); err != nil {
			return err
		}
		cred, err := tx.Credential(ctx, u.Email, Noon)
		if want := (identity.Credential{User: second.User, Hashes: []string{second.Hash}, Pending: second.ID}); !cmp.Equal(cred, want) || err != nil {
			t.Errorf("credential = %+v, %v, want the registration's", cred, err)
		}
		return tx.AddPending(ctx, first)
	})
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		cred, err := tx.Credential(ctx, u.Email, Noon)
		if want := (identity.Credential{User: second.User, Hashes: []string{second.Hash, first.Hash}}); !cmp.Equal(cred, want) {
			t.Errorf("credential = %+v, want those of both registrations, latest first", cred)
		}
		if cred, _ := tx.Credential(ctx, u.Email, Noon.Add(25*time.Hour)); cred.User != "" {
			t.Errorf("an expired registration answers: %+v", cred)
		}
		got, err2 := tx.Pending(ctx, first.ID)
		if diff := cmp.Diff(first, got); diff != "" || err2 != nil {
			t.Errorf("registration: %v\n%s", err2, diff)
		}
		return err
	})
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if err := tx.AddUser(ctx, u, "real"); err != nil {
			return err
		}
		if cred, _ := tx.Credential(ctx, u.Email, Noon); !slices.Equal(cred.Hashes, []string{"real"}) || !cred.Verified {
			t.Errorf("credential = %+v, want the user's", cred)
		}
		return tx.ForgetPending(ctx, u.Email)
	})
	want(t, "a forgotten registration", c.try(t, func(ctx context.Context, tx identity.Tx) error {
		_, err := tx.Pending(ctx, second.ID)
		return err
	}), fault.NotFound)
}

func (c contract) oneTime(t *testing.T) {
	subject := id.New("usr")
	one := &identity.OneTime{Hash: hashOf(subject), Purpose: identity.ForReset, Subject: subject, ExpiresAt: Noon.Add(time.Minute)}
	take := func(p identity.Purpose, at time.Time) error {
		return c.try(t, func(ctx context.Context, tx identity.Tx) error {
			got, err := tx.TakeOneTime(ctx, p, one.Hash, at)
			if diff := cmp.Diff(one, got); err == nil && diff != "" {
				t.Error(diff)
			}
			return err
		})
	}
	add := func(ctx context.Context, tx identity.Tx) error { return tx.AddOneTime(ctx, one) }
	c.update(t, add)
	want(t, "another door", take(identity.ForVerify, Noon), fault.NotFound)
	want(t, "too late", take(identity.ForReset, Noon.Add(time.Minute)), fault.NotFound)
	if err := take(identity.ForReset, Noon); err != nil {
		t.Error(err)
	}
	want(t, "twice", take(identity.ForReset, Noon), fault.NotFound)
	c.update(t, add)
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if err := tx.ForgetOneTime(ctx, identity.ForVerify, subject); err != nil {
			return err
		}
		return tx.ForgetOneTime(ctx, identity.ForReset, subject)
	})
	want(t, "forgotten", take(identity.ForReset, Noon), fault.NotFound)
}

func (c contract) guards(t *testing.T) {
	key := id.New("grd")
	g := identity.Guard{Count: 3, At: Noon, Until: Noon.Add(time.Second)}
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		if got, err := tx.Guard(ctx, key); got != (identity.Guard{}) || err != nil {
			t.Errorf("a fresh guard = %+v, %v", got, err)
		}
		return tx.SaveGuard(ctx, key, g)
	})
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		got, err := tx.Guard(ctx, key)
		if diff := cmp.Diff(g, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		return tx.SaveGuard(ctx, key, identity.Guard{})
	})
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		got, err := tx.Guard(ctx, key)
		if got != (identity.Guard{}) {
			t.Errorf("a guard that was cleared = %+v", got)
		}
		return err
	})
}

// Tries that come at once are counted one after the other, the first included.
func (c contract) guardsTakeTurns(t *testing.T) {
	key := id.New("grd")
	const tries = 8
	var wg sync.WaitGroup
	errs := make([]error, tries)
	for i := range tries {
		wg.Go(func() {
			errs[i] = c.store.Update(t.Context(), func(tx identity.Tx) error {
				g, err := tx.Guard(t.Context(), key)
				if err != nil {
					return err
				}
				g.Count++
				g.At = Noon
				return tx.SaveGuard(t.Context(), key, g)
			})
		})
	}
	wg.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		t.Fatal(errs[i])
	}
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		g, err := tx.Guard(ctx, key)
		if g.Count != tries {
			t.Errorf("counted %d of %d tries", g.Count, tries)
		}
		return err
	})
}

func (c contract) rollback(t *testing.T) {
	u, boom := newUser(), fmt.Errorf("boom")
	err := c.try(t, func(ctx context.Context, tx identity.Tx) error {
		if err := tx.AddUser(ctx, u, "hash"); err != nil {
			return err
		}
		if err := tx.Send(ctx, identity.Letter{ID: id.New("let"), Kind: identity.LetterReset, Email: u.Email}); err != nil {
			return err
		}
		return boom
	})
	if err == nil {
		t.Error("the error was swallowed")
	}
	want(t, "a user of a failed update", c.try(t, func(ctx context.Context, tx identity.Tx) error {
		_, err := tx.User(ctx, u.ID)
		return err
	}), fault.NotFound)
}

func (c contract) sweep(t *testing.T) {
	u := newUser()
	old, fresh := session(u.ID, Noon.Add(-2*time.Hour)), session(u.ID, Noon)
	late := pending(u.Email, Noon.Add(-25*time.Hour))
	one := &identity.OneTime{Hash: hashOf(string(u.ID)), Purpose: identity.ForReset, Subject: string(u.ID), ExpiresAt: Noon.Add(-time.Second)}
	key := id.New("grd")
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		for _, err := range []error{
			tx.AddUser(ctx, u, "hash"), tx.AddSession(ctx, old), tx.AddSession(ctx, fresh), tx.AddPending(ctx, late),
			tx.AddOneTime(ctx, one), tx.SaveGuard(ctx, key, identity.Guard{Count: 1, At: Noon.Add(-25 * time.Hour)}),
		} {
			if err != nil {
				return err
			}
		}
		return tx.Sweep(ctx, Noon, Noon.Add(-24*time.Hour))
	})
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		_, err := tx.Session(ctx, old.ID)
		want(t, "an expired session", err, fault.NotFound)
		_, err = tx.Pending(ctx, late.ID)
		want(t, "an expired registration", err, fault.NotFound)
		_, err = tx.TakeOneTime(ctx, identity.ForReset, one.Hash, Noon.Add(-time.Hour))
		want(t, "an expired token", err, fault.NotFound)
		if g, err := tx.Guard(ctx, key); g.Count != 0 || err != nil {
			t.Errorf("an old guard = %+v, %v", g, err)
		}
		_, err = tx.Session(ctx, fresh.ID)
		return err
	})
}
