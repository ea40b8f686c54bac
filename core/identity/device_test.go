package identity_test

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// on is a client on a device that has the token of a session.
func on(c identity.Client, in *identity.SignedIn) identity.Client {
	c.Device = in.Device
	return c
}

// A stranger who keeps guessing holds up strangers, and nobody who has been in.
func TestAStrangerLocksNobodyOut(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	ann := w.person(t, "ann@example.test")
	bob := w.person(t, "bob@example.test")
	for range 40 {
		_, _ = w.Login(ctx, thief, "ann@example.test", other)
	}
	_, err := w.Login(ctx, laptop, "ann@example.test", good)
	want(t, "a device that is not known", err, fault.RateLimited, "auth.slow_down")
	_, err = w.Login(ctx, on(laptop, bob), "ann@example.test", good)
	want(t, "another person's device", err, fault.RateLimited, "auth.slow_down")
	in, err := w.Login(ctx, on(laptop, ann), "ann@example.test", good)
	must(t, err)
	if in.Device != ann.Device {
		t.Error("the device got another token")
	}
	for range 5 {
		_, err = w.Login(ctx, on(laptop, ann), "ann@example.test", other)
		want(t, "a mistake of her own", err, fault.Unauthenticated, "login.failed")
	}
	_, err = w.Login(ctx, on(laptop, ann), "ann@example.test", good)
	want(t, "her own tries", err, fault.RateLimited, "auth.slow_down")
}

// One address that tries one password at many accounts slows down as well; the
// others there who are known do not.
func TestANetworkSlowsDown(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	in := w.person(t, "ann@example.test")
	crowd := thief
	for i := range 60 {
		crowd.Address = netip.MustParseAddr("2001:db8:1:2::1")
		_, err := w.Login(ctx, crowd, strings.Repeat("x", i+1)+"@example.test", other)
		if refused := fault.Is(err, fault.RateLimited); refused != (i >= 50) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	neighbour := crowd
	neighbour.Address = netip.MustParseAddr("2001:db8:1:2:ffff::9")
	_, err := w.Login(ctx, neighbour, "ann@example.test", good)
	want(t, "the same network", err, fault.RateLimited, "auth.slow_down")
	_, err = w.Login(ctx, on(neighbour, in), "ann@example.test", good)
	must(t, err)
}

// Signing in rightly uses up nothing that others there need.
func TestANetworkOfManyPeopleIsNotSlowedDown(t *testing.T) {
	w := newWorld()
	w.person(t, "ann@example.test")
	for range 120 {
		w.login(t, "ann@example.test", good)
	}
}

func TestANewDeviceIsToldOf(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	first := w.person(t, "ann@example.test")
	if mail := w.deliver(t); len(mail) != 0 {
		t.Errorf("told of the device she registered with: %q", mail[0].Subject)
	}
	_, err := w.Login(ctx, on(laptop, first), "ann@example.test", good)
	must(t, err)
	if mail := w.deliver(t); len(mail) != 0 {
		t.Errorf("told of a known device: %q", mail[0].Subject)
	}
	stranger := thief
	stranger.Agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0 <b>buy now</b>"
	in, err := w.Login(ctx, stranger, "ann@example.test", good)
	must(t, err)
	token := w.token(t)
	mail := w.mail[len(w.mail)-1]
	if !strings.Contains(mail.Text, "Firefox on Windows, in the network 198.51.100.0/24") || strings.Contains(mail.HTML, "buy now") {
		t.Errorf("%s", mail.Text)
	}
	want(t, "the link at another door", w.ResetPassword(ctx, laptop, token, other), fault.Invalid, "link.invalid")
	must(t, w.DisownSession(ctx, laptop, token))
	_, err = w.Authenticate(ctx, in.Access.Reveal())
	want(t, "the stranger's session", err, fault.Unauthenticated, "session.ended")
	want(t, "the link again", w.DisownSession(ctx, laptop, token), fault.Invalid, "link.invalid")
	before := len(w.mail)
	_, err = w.Login(ctx, on(stranger, in.SignedIn), "ann@example.test", good)
	must(t, err)
	if w.deliver(t); len(w.mail) != before+1 {
		t.Error("the device is still known")
	}
}

// An account of months ago that nobody signed in to lately has no known device,
// and its owner hears of the first.
func TestTheFirstDeviceOfAnOldAccountIsToldOf(t *testing.T) {
	w := newWorld()
	w.person(t, "ann@example.test")
	w.deliver(t)
	w.pass(identity.DeviceTTL + time.Hour)
	must(t, w.people.Sweep(t.Context()))
	w.login(t, "ann@example.test", good)
	if mail := w.deliver(t); len(mail) != 1 {
		t.Errorf("%d letters", len(mail))
	}
}

func TestSessionsHaveNames(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	in, bob := w.person(t, "ann@example.test"), w.person(t, "bob@example.test")
	who := w.who(t, in)
	s, err := w.RenameSession(ctx, who, in.Session, " Desk ")
	if err != nil || s.Name != "Desk" {
		t.Errorf("%+v, %v", s, err)
	}
	list, err := w.Sessions(ctx, who)
	if err != nil || list[0].Name != "Desk" || list[0].Network() != "192.0.2.0/24" || !slices.Equal(list[0].Methods, []identity.Method{identity.ByPassword}) {
		t.Errorf("%+v, %v", list, err)
	}
	want(t, "another's", second(w.RenameSession(ctx, who, bob.Session, "x")), fault.NotFound, "not_found")
	want(t, "unprintable", second(w.RenameSession(ctx, who, in.Session, "a\x00b")), fault.Invalid, "name.characters")
	_, err = w.RenameSession(ctx, who, in.Session, "")
	must(t, err)
}

// Ending a session makes its device a stranger; signing out does not.
func TestWhatIsRevokedIsNotKnown(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	here := w.person(t, "ann@example.test")
	there, gone := w.login(t, "ann@example.test", good), w.login(t, "ann@example.test", good)
	must(t, w.Logout(ctx, w.who(t, gone)))
	must(t, w.RevokeSession(ctx, w.who(t, here), there.Session))
	for name, tc := range map[string]struct {
		in    *identity.SignedIn
		known bool
	}{"here": {here, true}, "signed out": {gone, true}, "revoked": {there, false}} {
		in, err := w.Login(ctx, on(laptop, tc.in), "ann@example.test", good)
		must(t, err)
		if known := in.Device == tc.in.Device; known != tc.known {
			t.Errorf("%s: known %v", name, known)
		}
	}
	must(t, w.RevokeOtherSessions(ctx, w.who(t, here)))
	in, err := w.Login(ctx, on(laptop, gone), "ann@example.test", good)
	must(t, err)
	if in.Device == gone.Device {
		t.Error("revoking all others leaves a device known")
	}
}

func TestDeviceNames(t *testing.T) {
	for agent, want := range map[string]string{
		"": "an unknown program", "laptop": "an unknown program",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15":                  "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0":          "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36":                  "Chrome on Android",
		"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0":                                                                 "Firefox on Linux",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36":                         "Chrome on ChromeOS",
		"curl/8.10.1": "curl", "carillon/0.4": "Carillon's command line", "Something/1.0 (Windows)": "a browser on Windows",
	} {
		if got := (&identity.Session{Agent: agent}).DeviceName(); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
	for address, want := range map[string]string{"192.0.2.77": "192.0.2.0/24", "2001:db8:1:2::": "2001:db8:1::/48", "": "", "invalid IP": ""} {
		if got := (&identity.Session{Address: address}).Network(); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

// watched notes what a store is asked, call by call.
type watched struct {
	identity.Store
	calls []string
}

func (w *watched) View(ctx context.Context, fn func(identity.Tx) error) error {
	w.calls = append(w.calls, "view")
	return w.Store.View(ctx, func(tx identity.Tx) error { return fn(spy{tx, w}) })
}

func (w *watched) Update(ctx context.Context, fn func(identity.Tx) error) error {
	w.calls = append(w.calls, "update")
	return w.Store.Update(ctx, func(tx identity.Tx) error { return fn(spy{tx, w}) })
}

type spy struct {
	identity.Tx
	w *watched
}

func (s spy) note(what string) { s.w.calls = append(s.w.calls, what) }

func (s spy) Credential(ctx context.Context, address string, now time.Time) (identity.Credential, error) {
	s.note("credential")
	return s.Tx.Credential(ctx, address, now)
}

func (s spy) Guard(ctx context.Context, key string) (identity.Guard, error) {
	s.note("guard")
	return s.Tx.Guard(ctx, key)
}

func (s spy) SaveGuard(ctx context.Context, key string, g identity.Guard) error {
	s.note("save guard")
	return s.Tx.SaveGuard(ctx, key, g)
}

func (s spy) Send(ctx context.Context, l identity.Letter) error {
	s.note("send " + string(l.Kind))
	return s.Tx.Send(ctx, l)
}

func (s spy) AddPending(ctx context.Context, p *identity.Pending) error {
	s.note("add pending")
	return s.Tx.AddPending(ctx, p)
}

func (s spy) User(ctx context.Context, id tenants.UserID) (*identity.User, error) {
	s.note("user")
	return s.Tx.User(ctx, id)
}

func (s spy) TOTP(ctx context.Context, user tenants.UserID, confirmed bool) (*identity.TOTP, error) {
	s.note("totp")
	return s.Tx.TOTP(ctx, user, confirmed)
}

func (s spy) Passkeys(ctx context.Context, user tenants.UserID) ([]identity.Passkey, error) {
	s.note("passkeys")
	return s.Tx.Passkeys(ctx, user)
}

func (s spy) Device(ctx context.Context, hash identity.Hash, user tenants.UserID) (*identity.Device, error) {
	s.note("device")
	return s.Tx.Device(ctx, hash, user)
}

// A stranger learns nothing about an address from what is answered, nor from
// what it costs: the same hashes are computed, the same questions asked of the
// database in the same order, and the same letters posted, whether nobody has
// the address, somebody has, or somebody who has two factors. Counted, not timed.
func TestNoAddressIsToldFromAnother(t *testing.T) {
	w := newWorld()
	store := &watched{Store: &w.store}
	w.open(store, identity.Config{RefreshKey: []byte("refresh"), AddressKey: []byte("address")})
	w.person(t, "ann@example.test")
	w.withApp(t, "strong@example.test")
	stranger := thief
	stranger.Device = w.person(t, "thief@example.test").Device
	addresses := []string{"nobody@example.test", "ann@example.test", "strong@example.test"}
	type work struct {
		Answer           string
		Hashes, Compares int
		Calls            []string
	}
	for what, try := range map[string]func(address string) error{
		"login with what one registered": func(a string) error {
			_ = w.Register(t.Context(), thief, identity.Registration{Email: a, Name: "X", Password: short + other})
			_, err := w.Login(t.Context(), thief, a, short+other)
			return err
		},
		"login":              func(a string) error { _, err := w.Login(t.Context(), stranger, a, other); return err },
		"login from nowhere": func(a string) error { _, err := w.Login(t.Context(), thief, a, other); return err },
		"register": func(a string) error {
			return w.Register(t.Context(), thief, identity.Registration{Email: a, Name: "X", Password: other})
		},
		"resend": func(a string) error { return w.ResendVerify(t.Context(), thief, a) },
		"forgot": func(a string) error { return w.ForgotPassword(t.Context(), thief, a) },
	} {
		var first work
		w.pass(25 * time.Hour) // what was tried before is forgotten
		for i, a := range addresses {
			hashes, compares := w.hasher.hashes, w.hasher.compares
			store.calls = nil
			err := try(a)
			got := work{dump(fault.Of(err)), w.hasher.hashes - hashes, w.hasher.compares - compares, store.calls}
			if i == 0 {
				first = got
			} else if !reflect.DeepEqual(got, first) {
				t.Errorf("%s: for %s %+v\nfor %s %+v", what, a, got, addresses[0], first)
			}
		}
		if len(first.Calls) == 0 || strings.HasPrefix(what, "login") && first.Compares != 1 {
			t.Errorf("%s: %+v: nothing was watched", what, first)
		}
	}
}
