package identity_test

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
)

func TestGuessingSlowsDown(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	w.person(t, "ann@example.test")
	guess := func(email string) error {
		_, err := w.Login(ctx, thief, email, other)
		return err
	}
	for _, email := range []string{"ann@example.test", "nobody@example.test"} { // alike
		for range 5 {
			want(t, "a free guess", guess(email), fault.Unauthenticated, "login.failed")
		}
		before := w.hasher.compares
		err := guess(email)
		want(t, "the next", err, fault.RateLimited, "auth.slow_down")
		if f := fault.Of(err); f.RetryAfter != time.Second || w.hasher.compares != before {
			t.Errorf("wait %v, %d compares", f.RetryAfter, w.hasher.compares-before)
		}
		w.pass(time.Second)
		want(t, "after the wait", guess(email), fault.Unauthenticated, "login.failed")
		want(t, "twice as long", guess(email), fault.RateLimited, "auth.slow_down")
		if f := fault.Of(guess(email)); f.RetryAfter != 2*time.Second {
			t.Errorf("wait %v", f.RetryAfter)
		}
	}
	w.pass(2 * time.Second)
	w.login(t, "ann@example.test", good)
	want(t, "after a success", guess("ann@example.test"), fault.Unauthenticated, "login.failed")
}

func TestAnAttackerGetsFewGuessesADay(t *testing.T) {
	w, tries := newWorld(), 0
	w.person(t, "ann@example.test")
	for end := w.clock.Add(24 * time.Hour); w.clock.Before(end); {
		_, err := w.Login(t.Context(), thief, "ann@example.test", other)
		if f := fault.Of(err); f.Code == fault.RateLimited {
			w.pass(f.RetryAfter)
		} else {
			tries++
		}
	}
	if tries > 120 {
		t.Errorf("%d guesses in a day", tries)
	}
}

// Guesses made at once are counted before any of them is looked at.
func TestParallelGuessesCount(t *testing.T) {
	w := newWorld()
	w.person(t, "ann@example.test")
	before := w.hasher.compares
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() { _, _ = w.Login(t.Context(), thief, "ann@example.test", other) })
	}
	wg.Wait()
	if n := w.hasher.compares - before; n != 5 {
		t.Errorf("%d guesses went through, want 5", n)
	}
}

// When hashing is busy a try is not a guess.
func TestBeingBusyCostsNoTry(t *testing.T) {
	w := newWorld()
	w.person(t, "ann@example.test")
	w.hasher.err = fault.New(fault.RateLimited, "auth.busy", "Busy.")
	for range 20 {
		_, err := w.Login(t.Context(), laptop, "ann@example.test", good)
		want(t, "busy", err, fault.RateLimited, "auth.busy")
	}
	w.hasher.err = nil
	w.login(t, "ann@example.test", good)
}

func TestLoginRenewsAnOldHash(t *testing.T) {
	w := newWorld()
	w.person(t, "ann@example.test")
	w.hasher.stale = true
	before := w.hasher.hashes
	w.login(t, "ann@example.test", good)
	if w.hasher.hashes != before+1 {
		t.Errorf("%d hashes", w.hasher.hashes-before)
	}
	w.login(t, "ann@example.test", good)
}

func TestALongPasswordIsNotHashed(t *testing.T) {
	w := newWorld()
	_, err := w.Login(t.Context(), thief, "ann@example.test", secret.Secret(strings.Repeat("x", 1<<20)))
	want(t, "a megabyte", err, fault.Unauthenticated, "login.failed")
	if w.hasher.compares != 0 {
		t.Error("it was hashed")
	}
}

func TestRefreshRotates(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	in := w.person(t, "ann@example.test")
	for range 5 {
		w.pass(time.Hour)
		next, err := w.Refresh(ctx, laptop, in.Refresh)
		must(t, err)
		if next.Refresh == in.Refresh || next.Session != in.Session || !next.RefreshExpires.After(in.RefreshExpires) {
			t.Fatalf("%+v after %+v", next, in)
		}
		w.who(t, next)
		in = next
	}
}

// A token shown a second time: by whom and when decides.
func TestReuse(t *testing.T) {
	nearby := laptop
	nearby.Address = netip.MustParseAddr("192.0.2.2")
	phone := laptop
	phone.Agent = "phone"
	for name, tc := range map[string]struct {
		from  identity.Client
		after time.Duration
		ok    bool
	}{
		"the same client at once":       {laptop, 0, true},
		"the same client in ten":        {laptop, 10 * time.Second, true},
		"the same client later":         {laptop, 10*time.Second + 1, false},
		"another agent at once":         {phone, 0, false},
		"another address at once":       {nearby, 0, false},
		"somebody else, months later":   {thief, 29 * 24 * time.Hour, false},
		"a thief who says he is laptop": {thief, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, ctx := newWorld(), t.Context()
			in := w.person(t, "ann@example.test")
			elsewhere := w.login(t, "ann@example.test", good)
			next, err := w.Refresh(ctx, laptop, in.Refresh)
			must(t, err)
			w.pass(tc.after)
			again, err := w.Refresh(ctx, tc.from, in.Refresh)
			if tc.ok {
				must(t, err)
				if again.Refresh != next.Refresh {
					t.Error("the chain forked")
				}
				w.who(t, again)
				return
			}
			want(t, "reuse", err, fault.Unauthenticated, "session.reused")
			_, err = w.Refresh(ctx, laptop, next.Refresh)
			want(t, "the living end", err, fault.Unauthenticated, "session.ended")
			if tc.after < identity.AccessTTL {
				_, err = w.Authenticate(ctx, next.Access.Reveal())
				want(t, "its access token", err, fault.Unauthenticated, "session.ended")
			}
			_, err = w.Refresh(ctx, laptop, elsewhere.Refresh)
			must(t, err) // another sign-in is another chain
		})
	}
}

func TestAddressesInOneIPv6NetworkAreOneClient(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	a := identity.Client{Address: netip.MustParseAddr("2001:db8:1:2::1"), Agent: "laptop"}
	b := identity.Client{Address: netip.MustParseAddr("2001:db8:1:2:ffff::9%eth0"), Agent: "laptop"}
	c := identity.Client{Address: netip.MustParseAddr("2001:db8:1:3::1"), Agent: "laptop"}
	in := w.person(t, "ann@example.test")
	_, err := w.Refresh(ctx, a, in.Refresh)
	must(t, err)
	_, err = w.Refresh(ctx, b, in.Refresh)
	must(t, err)
	_, err = w.Refresh(ctx, c, in.Refresh)
	want(t, "another network", err, fault.Unauthenticated, "session.reused")
}

// Two tabs refresh at the same moment: both get in, with the same next token.
func TestParallelRefreshes(t *testing.T) {
	w := newWorld()
	in := w.person(t, "ann@example.test")
	var wg sync.WaitGroup
	got := make([]*identity.SignedIn, 8)
	errs := make([]error, len(got))
	for i := range got {
		wg.Go(func() { got[i], errs[i] = w.Refresh(t.Context(), laptop, in.Refresh) })
	}
	wg.Wait()
	for i := range got {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if got[i].Refresh != got[0].Refresh {
			t.Error("the chain forked")
		}
	}
	if _, err := w.Refresh(t.Context(), laptop, got[0].Refresh); err != nil {
		t.Error(err)
	}
}

func TestSessionsEnd(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	in := w.person(t, "ann@example.test")

	w.pass(identity.AccessTTL)
	_, err := w.Authenticate(ctx, in.Access.Reveal())
	want(t, "an old access token", err, fault.Unauthenticated, "token.invalid")

	idle := w.login(t, "ann@example.test", good)
	w.pass(identity.IdleTTL)
	_, err = w.Refresh(ctx, laptop, idle.Refresh)
	want(t, "an idle session", err, fault.Unauthenticated, "session.ended")

	busy := w.login(t, "ann@example.test", good)
	for range 3 {
		w.pass(identity.SessionTTL/3 - time.Minute)
		busy, err = w.Refresh(ctx, laptop, busy.Refresh)
		must(t, err)
	}
	w.pass(3 * time.Minute)
	_, err = w.Refresh(ctx, laptop, busy.Refresh)
	want(t, "after ninety days", err, fault.Unauthenticated, "session.ended")
	_, err = w.Authenticate(ctx, busy.Access.Reveal()) // itself good for minutes yet
	want(t, "its access token", err, fault.Unauthenticated, "session.ended")

	must(t, w.people.Sweep(ctx))
	out := w.login(t, "ann@example.test", good)
	who := w.who(t, out)
	must(t, w.Logout(ctx, who))
	_, err = w.Authenticate(ctx, out.Access.Reveal())
	want(t, "signed out", err, fault.Unauthenticated, "session.ended")
}

func TestSessionsAreListedAndRevoked(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	first := w.person(t, "ann@example.test")
	second := w.login(t, "ann@example.test", good)
	bob := w.person(t, "bob@example.test")
	who := w.who(t, first)
	list, err := w.Sessions(ctx, who)
	if err != nil || len(list) != 2 || list[0].Agent != "laptop" || list[0].Address != "192.0.2.1" {
		t.Fatalf("%+v, %v", list, err)
	}
	want(t, "another person's", w.RevokeSession(ctx, who, bob.Session), fault.NotFound, "not_found")
	want(t, "nobody's", w.RevokeSession(ctx, who, identity.SessionID(id.New("ses"))), fault.NotFound, "not_found")
	must(t, w.RevokeSession(ctx, who, second.Session))
	_, err = w.Authenticate(ctx, second.Access.Reveal())
	want(t, "revoked", err, fault.Unauthenticated, "session.ended")
	third := w.login(t, "ann@example.test", good)
	must(t, w.RevokeOtherSessions(ctx, who))
	_, err = w.Authenticate(ctx, third.Access.Reveal())
	want(t, "the others", err, fault.Unauthenticated, "session.ended")
	w.who(t, first)
	w.who(t, bob)
}

func TestNobodyAndKeysAreNoPersons(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	for name, tc := range map[string]struct {
		who    identity.Principal
		code   fault.Code
		reason string
	}{
		"nobody": {identity.Principal{}, fault.Unauthenticated, "auth.required"},
		"a key":  {keyPrincipal(), fault.Forbidden, "key.not_a_person"},
	} {
		for what, err := range map[string]error{
			"logout": w.Logout(ctx, tc.who), "revoke": w.RevokeSession(ctx, tc.who, "ses_1"), "others": w.RevokeOtherSessions(ctx, tc.who),
			"change": w.ChangePassword(ctx, tc.who, good, other),
			"me":     func() error { _, err := w.Me(ctx, tc.who); return err }(),
			"list":   func() error { _, err := w.Sessions(ctx, tc.who); return err }(),
		} {
			want(t, name+" "+what, err, tc.code, tc.reason)
		}
	}
}
