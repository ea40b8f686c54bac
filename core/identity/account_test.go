package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

func TestFromNobodyToSignedIn(t *testing.T) {
	w := newWorld()
	in := w.person(t, "Ann@Example.test")
	me, err := w.Me(t.Context(), w.who(t, in))
	must(t, err)
	if me.Email != "ann@example.test" || me.Home == "" || me.Home != w.homes[me.ID] || in.User != me.ID {
		t.Errorf("%+v", me)
	}
	if in.AccessExpires.Sub(w.clock) > 15*time.Minute || !in.RefreshExpires.After(in.AccessExpires) {
		t.Errorf("access until %v, refresh until %v", in.AccessExpires, in.RefreshExpires)
	}
}

// Same answer, same hashes, same letters: a stranger learns nothing. Work is
// counted, because a clock on a shared machine proves nothing.
func TestAStrangerLearnsNothing(t *testing.T) {
	const known, waiting, unknown = "known@example.test", "waiting@example.test", "unknown@example.test"
	w := newWorld()
	w.person(t, known)
	must(t, w.Register(t.Context(), laptop, identity.Registration{Email: waiting, Name: "Bob", Password: good}))
	w.deliver(t)

	for name, ask := range map[string]func(address string) error{
		"register": func(a string) error {
			return w.Register(t.Context(), thief, identity.Registration{Email: a, Name: "Eve", Password: other})
		},
		"resend": func(a string) error { return w.ResendVerify(t.Context(), thief, a) },
		"forgot": func(a string) error { return w.ForgotPassword(t.Context(), thief, a) },
		"login": func(a string) error {
			_, err := w.Login(t.Context(), thief, a, other+"!")
			return err
		},
	} {
		seen := map[string][]string{}
		for _, address := range []string{known, waiting, unknown} {
			hashes, compares, letters := w.hasher.hashes, w.hasher.compares, len(w.store.Letters())
			err := ask(address)
			answer := fmt.Sprintf("%v, %d hashes, %d compares, %d letters", err,
				w.hasher.hashes-hashes, w.hasher.compares-compares, len(w.store.Letters())-letters)
			seen[answer] = append(seen[answer], address)
		}
		if len(seen) != 1 {
			t.Errorf("%s: the answers differ: %v", name, seen)
		}
	}
}

func TestOnlyTheOwnerOfTheAddressIsTold(t *testing.T) {
	w := newWorld()
	w.person(t, "ann@example.test")
	w.deliver(t)
	must(t, w.Register(t.Context(), thief, identity.Registration{Email: "ann@example.test", Name: "Eve", Password: other}))
	got := w.deliver(t)
	if len(got) != 1 || got[0].Subject != "You already have an account" || strings.Contains(got[0].Text, "#token=") {
		t.Errorf("mail = %+v", got)
	}
	must(t, w.ForgotPassword(t.Context(), thief, "nobody@example.test"))
	if got := w.deliver(t); len(got) != 0 {
		t.Errorf("mail to nobody: %+v", got)
	}
	w.login(t, "ann@example.test", good)
}

// A stranger who types somebody's address, before them or after, does not
// choose the password of their account.
func TestALinkBringsItsOwnPassword(t *testing.T) {
	for name, order := range map[string][]secret.Secret{"stranger first": {other, good}, "stranger last": {good, other}} {
		t.Run(name, func(t *testing.T) {
			w, ctx := newWorld(), t.Context()
			links := map[secret.Secret]secret.Secret{}
			for _, password := range order {
				must(t, w.Register(ctx, laptop, identity.Registration{Email: "ann@example.test", Name: "Ann", Password: password}))
				links[password] = w.token(t)
			}
			must(t, w.Verify(ctx, laptop, links[good], good))
			w.login(t, "ann@example.test", good)
			_, err := w.Login(ctx, thief, "ann@example.test", other)
			want(t, "the stranger's password", err, fault.Unauthenticated, "login.failed")
			want(t, "the stranger's link", w.Verify(ctx, thief, links[other], other), fault.Invalid, "link.invalid")
			if strings.Contains(fmt.Sprint(w.store.Rows()), digest(other)) {
				t.Error("the stranger's registration is still there")
			}
		})
	}
}

// The owner of an address follows the link of a stranger's registration: that
// confirms nothing, for they do not know its password, and the stranger never
// sees the link.
func TestAStrangersLinkConfirmsNothing(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	must(t, w.Register(ctx, thief, identity.Registration{Email: "ann@example.test", Name: "Eve", Password: other}))
	theirs := w.token(t)
	must(t, w.Register(ctx, laptop, identity.Registration{Email: "ann@example.test", Name: "Ann", Password: good}))
	mine := w.token(t)

	for name, tc := range map[string]struct {
		password secret.Secret
		reason   string
	}{
		"her own password": {good, "registration.password"},
		"none":             {"", "registration.password"},
		"a megabyte":       {secret.Secret(strings.Repeat("x", 1<<20)), "registration.password"},
	} {
		err := w.Verify(ctx, laptop, theirs, tc.password)
		want(t, name, err, fault.Invalid, tc.reason)
		if f := fault.Of(err); f.Field != "/password" {
			t.Errorf("%s: at %s", name, f.Field)
		}
	}
	_, err := w.Login(ctx, laptop, "ann@example.test", good)
	want(t, "before her link, though the latest registration or not", err, fault.Unauthenticated, "login.failed")
	must(t, w.Verify(ctx, laptop, mine, good))
	if me, err := w.Me(ctx, w.who(t, w.login(t, "ann@example.test", good))); err != nil || me.Name != "Ann" {
		t.Errorf("%+v, %v", me, err)
	}
	want(t, "the stranger's link afterwards", w.Verify(ctx, thief, theirs, other), fault.Invalid, "link.invalid")
}

// With rivals, the password of any registration is as wrong as any other, and
// every answer costs one computation.
func TestRivalsTellNothing(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	for _, password := range []secret.Secret{good, other, "harbour violet bicycle stone"} {
		must(t, w.Register(ctx, laptop, identity.Registration{Email: "ann@example.test", Name: "Ann", Password: password}))
		w.pass(time.Minute)
	}
	for password, reason := range map[secret.Secret]string{good: "login.failed", other: "login.failed", "something else entirely": "login.failed"} {
		before := w.hasher.compares
		_, err := w.Login(ctx, laptop, "ann@example.test", password)
		if f := fault.Of(err); f == nil || f.Reason != reason || w.hasher.compares != before+1 {
			t.Errorf("%s: %v, %d computations", password.Reveal(), err, w.hasher.compares-before)
		}
	}
}

// Who reads the mail may not guess the password at leisure.
func TestGuessesAtARegistrationAreSlowedDown(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	must(t, w.Register(ctx, thief, identity.Registration{Email: "ann@example.test", Name: "Eve", Password: other}))
	link := w.token(t)
	var err error
	for range 10 {
		if err = w.Verify(ctx, laptop, link, good); fault.Is(err, fault.RateLimited) {
			break
		}
	}
	want(t, "guess after guess", err, fault.RateLimited, "auth.slow_down")
	w.pass(time.Hour)
	must(t, w.Verify(ctx, laptop, link, other))
}

func TestUnverified(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	must(t, w.Register(ctx, laptop, identity.Registration{Email: "ann@example.test", Name: "Ann", Password: good}))
	_, err := w.Login(ctx, laptop, "ann@example.test", good)
	want(t, "the right password", err, fault.Unauthenticated, "login.failed")
	_, err = w.Login(ctx, laptop, "ann@example.test", other)
	want(t, "the wrong password", err, fault.Unauthenticated, "login.failed")

	first := w.token(t)
	must(t, w.ResendVerify(ctx, laptop, "ann@example.test"))
	second := w.token(t)
	if first == second {
		t.Error("the same link twice")
	}
	must(t, w.Verify(ctx, laptop, first, good)) // both may have arrived
	want(t, "after verification", w.Verify(ctx, laptop, second, good), fault.Invalid, "link.invalid")
	w.login(t, "ann@example.test", good)
}

func TestALinkWorksOnceAndForAWhile(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	in := w.person(t, "ann@example.test")
	must(t, w.ForgotPassword(ctx, laptop, "ann@example.test"))
	link := w.token(t)
	want(t, "a bad password", w.ResetPassword(ctx, laptop, link, "short"), fault.Invalid, "password.too_short")
	must(t, w.ResetPassword(ctx, laptop, link, other))
	want(t, "twice", w.ResetPassword(ctx, laptop, link, other), fault.Invalid, "link.invalid")
	_, err := w.Authenticate(ctx, in.Access.Reveal())
	want(t, "a session from before", err, fault.Unauthenticated, "session.ended")
	_, err = w.Refresh(ctx, laptop, in.Refresh)
	want(t, "its refresh token", err, fault.Unauthenticated, "session.ended")
	w.login(t, "ann@example.test", other)
	if got := w.deliver(t); len(got) != 1 || got[0].Kind != string(identity.LetterChanged) {
		t.Errorf("mail = %+v, want a note", got)
	}

	must(t, w.ForgotPassword(ctx, laptop, "ann@example.test"))
	late := w.token(t)
	w.pass(identity.ResetTTL)
	want(t, "too late", w.ResetPassword(ctx, laptop, late, good), fault.Invalid, "link.invalid")

	must(t, w.Register(ctx, laptop, identity.Registration{Email: "bob@example.test", Name: "Bob", Password: good}))
	late = w.token(t)
	w.pass(identity.VerifyTTL)
	want(t, "too late", w.Verify(ctx, laptop, late, good), fault.Invalid, "link.invalid")
}

// Each kind of token at each door: only its own opens.
func TestTokensOpenOneDoor(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	in := w.person(t, "ann@example.test")
	must(t, w.ForgotPassword(ctx, laptop, "ann@example.test"))
	reset := w.token(t)
	must(t, w.Register(ctx, laptop, identity.Registration{Email: "bob@example.test", Name: "Bob", Password: good}))
	verify := w.token(t)
	home := w.homes[in.User]
	w.members[in.User] = tenants.Scope{Tenant: home, User: in.User, Role: tenants.Owner, Tier: tenants.Pro}
	key, err := w.keys.Create(ctx, w.members[in.User], identity.NewKey{Name: "CI", Scopes: []tenants.Action{"post.read"}})
	must(t, err)

	tokens := map[string]secret.Secret{
		"access": in.Access, "refresh": in.Refresh, "verify": verify, "reset": reset, "key": key.Secret,
		"nothing": "", "garbage": "crt_", "a name": secret.Secret(in.Session),
	}
	// The right prefix on another's digits is no better.
	for _, prefix := range []string{"cvf_", "crs_", "crt_"} {
		for name, token := range map[string]secret.Secret{"refresh": in.Refresh, "verify": verify, "reset": reset} {
			if !strings.HasPrefix(token.Reveal(), prefix) {
				tokens[prefix+" on "+name] = secret.Secret(prefix + token.Reveal()[4:])
			}
		}
	}
	doors := w.doors(t.Context())
	for door, try := range doors {
		for name, token := range tokens {
			if name == door {
				continue
			}
			if err := try(token); !fault.Is(err, fault.Unauthenticated) && !fault.Is(err, fault.Invalid) {
				t.Errorf("%s at the door of %s: err = %v", name, door, err)
			}
		}
	}
	for _, door := range []string{"access", "key", "refresh", "verify", "reset"} { // the last ends sessions
		if err := doors[door](tokens[door]); err != nil {
			t.Errorf("%s at its own door: err = %v", door, err)
		}
	}
}

// doors are what tokens open. A key does not count as a person, nor a person
// as a key.
func (w *world) doors(ctx context.Context) map[string]func(secret.Secret) error {
	return map[string]func(secret.Secret) error{
		"access": func(s secret.Secret) error {
			p, err := w.Authenticate(ctx, s.Reveal())
			if err == nil && p.Scope != nil {
				return fault.New(fault.Unauthenticated, "a.key", "Not a person.")
			}
			return err
		},
		"key": func(s secret.Secret) error {
			p, err := w.Authenticate(ctx, s.Reveal())
			if err == nil && p.Scope == nil {
				return fault.New(fault.Unauthenticated, "a.person", "Not a key.")
			}
			return err
		},
		"refresh": func(s secret.Secret) error { _, err := w.Refresh(ctx, laptop, s); return err },
		"verify":  func(s secret.Secret) error { return w.Verify(ctx, laptop, s, good) },
		"reset":   func(s secret.Secret) error { return w.ResetPassword(ctx, laptop, s, other) },
	}
}

func TestChangePassword(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	mine, elsewhere := w.person(t, "ann@example.test"), w.login(t, "ann@example.test", good)
	who := w.who(t, mine)
	want(t, "the wrong one", w.ChangePassword(ctx, who, other, other), fault.Invalid, "password.wrong")
	want(t, "a common one", w.ChangePassword(ctx, who, good, "passwordpassword"), fault.Invalid, "password.common")
	must(t, w.ChangePassword(ctx, who, good, other))
	w.who(t, mine)
	_, err := w.Authenticate(ctx, elsewhere.Access.Reveal())
	want(t, "the other session", err, fault.Unauthenticated, "session.ended")
	w.login(t, "ann@example.test", other)
}

// A verified person without a home gets it when they next sign in.
func TestAHomeIsMadeInTheEnd(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	w.homeErr = errors.New("down")
	must(t, w.Register(ctx, laptop, identity.Registration{Email: "ann@example.test", Name: "Ann", Password: good}))
	if err := w.Verify(ctx, laptop, w.token(t), good); !errors.Is(err, w.homeErr) {
		t.Errorf("err = %v", err)
	}
	w.homeErr = nil
	me, err := w.Me(ctx, w.who(t, w.login(t, "ann@example.test", good)))
	if err != nil || me.Home == "" {
		t.Errorf("%+v, %v", me, err)
	}
}

func TestRegisterRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		r      identity.Registration
		reason string
		field  string
	}{
		"no address":  {identity.Registration{Name: "Ann", Password: good}, "email.invalid", "/email"},
		"no name":     {identity.Registration{Email: "a@b.test", Name: " \t ", Password: good}, "name.empty", "/name"},
		"a long name": {identity.Registration{Email: "a@b.test", Name: strings.Repeat("é", 101), Password: good}, "name.too_long", "/name"},
		"two lines":   {identity.Registration{Email: "a@b.test", Name: "Ann\nBob", Password: good}, "name.characters", "/name"},
		"no password": {identity.Registration{Email: "a@b.test", Name: "Ann"}, "password.too_short", "/password"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			err := w.Register(t.Context(), laptop, tc.r)
			want(t, name, err, fault.Invalid, tc.reason)
			if f := fault.Of(err); f.Field != tc.field || len(w.store.Letters()) != 0 || w.hasher.hashes != 0 {
				t.Errorf("field %s, %d letters, %d hashes", f.Field, len(w.store.Letters()), w.hasher.hashes)
			}
		})
	}
}
