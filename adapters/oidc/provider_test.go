package oidc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/oidc"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/secret"
)

// Everything here happens with a real provider, npm oidc-provider, and a person
// who signs in there.
func TestARealProvider(t *testing.T) {
	two := rigs(t)
	h := newHouse(t, two[0].config(), two[1].config())
	for name, test := range map[string]func(*testing.T, *house, [2]rig){
		"people come and come back": comeAndComeBack, "addresses": addresses, "what comes back twice": twice,
		"two providers": mixUp, "who answered": whoAnswered, "tokens that prove nothing": forgeries,
		"a token from another sign-in": replay, "a token that is over": expired, "a new key": rotation, "linking": linking,
		"a code of somebody else's": injection, "once more who one is": anew,
	} {
		t.Run(name, func(t *testing.T) {
			own := *h
			own.t = t
			test(t, &own, two)
		})
	}
}

func comeAndComeBack(t *testing.T, h *house, two [2]rig) {
	first, err := h.signIn(two[0].Name, "ann")
	must(t, err)
	again, err := h.signIn(two[0].Name, "ann")
	must(t, err)
	if again.User != first.User {
		t.Errorf("%s, then %s", first.User, again.User)
	}
	me, err := h.people.Me(t.Context(), h.who(again))
	must(t, err)
	if me.Email != "ann@example.test" || me.Name != "Ann" {
		t.Errorf("%+v", me)
	}
	_, err = h.signIn(two[1].Name, "ann") // the same address, and even the same subject
	want(t, "ann of the other provider", err, "identity.link_required")
}

func addresses(t *testing.T, h *house, two [2]rig) {
	for _, login := range []string{"unverified-eve", "nobody-eve"} {
		_, err := h.signIn(two[0].Name, login)
		want(t, login, err, "identity.email_unverified")
	}
}

func twice(t *testing.T, h *house, two [2]rig) {
	back := h.leave(two[0].Name, "dora")
	_, err := h.SignIn(t.Context(), identity.Client{}, back)
	must(t, err)
	_, err = h.SignIn(t.Context(), identity.Client{}, back)
	want(t, "the same state and code", err, "sign_in.stale")
	fresh := h.leave(two[0].Name, "dora")
	fresh.Code = back.Code
	_, err = h.SignIn(t.Context(), identity.Client{}, fresh)
	want(t, "the same code with a new state", err, "provider.code")
	other := h.leave(two[0].Name, "dora")
	other.Binder = h.leave(two[0].Name, "dora").Binder
	_, err = h.SignIn(t.Context(), identity.Client{}, other)
	want(t, "the state of another browser", err, "sign_in.stale")
}

// One provider must not collect what another gave (RFC 9207, RFC 9700 4.4).
func mixUp(t *testing.T, h *house, two [2]rig) {
	back := h.leave(two[0].Name, "mia")
	back.Provider = two[1].Name
	_, err := h.SignIn(t.Context(), identity.Client{}, back)
	want(t, "delivered at the other's address", err, "sign_in.stale")

	// The second one sends people on to the first, and has its answer delivered
	// as its own, with the state of a sign-in that was meant for it.
	d, err := h.Start(t.Context(), identity.Client{}, two[1].Name)
	must(t, err)
	mixed := h.leave(two[0].Name, "mia")
	mixed.Provider, mixed.State, mixed.Binder = two[1].Name, d.State, d.Binder
	_, err = h.SignIn(t.Context(), identity.Client{}, mixed)
	want(t, "the other's answer", err, "provider.unproven")
}

func whoAnswered(t *testing.T, h *house, two [2]rig) {
	for name, iss := range map[string]string{
		"another issuer": two[1].Issuer, "no issuer": "", "almost": two[0].Issuer + "/", "a stranger": "https://accounts.google.com",
	} {
		back := h.leave(two[0].Name, "ida")
		back.Issuer = iss
		_, err := h.SignIn(t.Context(), identity.Client{}, back)
		want(t, name, err, "provider.unproven")
	}
	d, err := h.Start(t.Context(), identity.Client{}, two[0].Name)
	must(t, err)
	refused := identity.Return{Provider: two[0].Name, State: d.State, Binder: d.Binder, Error: "access_denied", Issuer: two[0].Issuer}
	_, err = h.SignIn(t.Context(), identity.Client{}, refused)
	want(t, "a person who did not agree", err, "provider.denied")
}

func forgeries(t *testing.T, h *house, two [2]rig) {
	_, err := h.signIn(two[0].Name, "fay")
	must(t, err)
	for name, change := range map[string]string{
		"signed by nobody":          `{"key":"none"}`,
		"signed with our secret":    `{"key":"secret"}`,
		"signed by a stranger":      `{"key":"stranger"}`,
		"for another client":        `{"claims":{"aud":"somebody-else"}}`,
		"for another client, too":   `{"claims":{"aud":["carillon","somebody-else"]}}`,
		"by another client's hand":  `{"claims":{"aud":["carillon","somebody-else"],"azp":"somebody-else"}}`,
		"by another client for us":  `{"claims":{"azp":"somebody-else"}}`,
		"by another issuer":         `{"claims":{"iss":` + fmt.Sprintf("%q", two[1].Issuer) + `}}`,
		"with another nonce":        `{"claims":{"nonce":"another"}}`,
		"with no nonce":             `{"claims":{"nonce":null}}`,
		"that is over":              `{"claims":{"exp":` + stamp(-time.Minute) + `}}`,
		"that never ends":           `{"claims":{"exp":null}}`,
		"of the future":             `{"claims":{"iat":` + stamp(time.Hour) + `}}`,
		"not yet good":              `{"claims":{"nbf":` + stamp(time.Hour) + `}}`,
		"about nobody":              `{"claims":{"sub":""}}`,
		"with another access token": `{"claims":{"at_hash":"AAAAAAAAAAAAAAAAAAAAAA"}}`,
	} {
		two[0].next(t, change)
		_, err := h.signIn(two[0].Name, "fay")
		want(t, name, err, "provider.unproven")
	}
	two[0].next(t, `{"claims":{"azp":"carillon","aud":["carillon"]}}`) // the forger's signature is good otherwise
	_, err = h.signIn(two[0].Name, "fay")
	must(t, err)
}

func stamp(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }

func replay(t *testing.T, h *house, two [2]rig) {
	_, err := h.signIn(two[0].Name, "rita")
	must(t, err)
	two[0].next(t, `{"replay":true}`)
	_, err = h.signIn(two[0].Name, "mallory")
	want(t, "rita's token of before, for mallory", err, "provider.unproven")
}

// Where the clock is hours ahead, a token that the provider gave just now is over.
func expired(t *testing.T, _ *house, two [2]rig) {
	late := newHouse(t, two[0].config())
	back := late.leave(two[0].Name, "eli")
	late.clock = 5 * time.Minute // the attempt is good for longer
	_, err := late.SignIn(t.Context(), identity.Client{}, back)
	must(t, err)
	slow := newHouse(t, two[0].config())
	slow.clock = 3 * time.Hour
	_, err = slow.signIn(two[0].Name, "eli")
	want(t, "a token of three hours ago", err, "provider.unproven")
}

func rotation(t *testing.T, h *house, two [2]rig) {
	before, err := h.signIn(two[0].Name, "ron")
	must(t, err)
	two[0].tell(t, "/-/rotate", "")
	after, err := h.signIn(two[0].Name, "ron")
	must(t, err)
	if after.User != before.User {
		t.Error("a new key made a new person")
	}
}

func linking(t *testing.T, h *house, two [2]rig) {
	in, err := h.signIn(two[0].Name, "lea")
	must(t, err)
	d, err := h.StartLink(t.Context(), h.who(in), two[1].Name)
	must(t, err)
	_, err = h.Link(t.Context(), h.who(in), h.visit(d, two[1].Name, "unverified-lea")) // whose address need not be hers
	must(t, err)
	there, err := h.signIn(two[1].Name, "unverified-lea")
	must(t, err)
	if there.User != in.User {
		t.Errorf("%s signs in as %s", in.User, there.User)
	}
	list, err := h.Linked(t.Context(), h.who(there))
	must(t, err)
	if len(list) != 2 || list[0].Issuer != two[0].Issuer || list[1].Issuer != two[1].Issuer {
		t.Fatalf("linked: %+v", list)
	}
	must(t, h.Unlink(t.Context(), h.who(there), list[0].ID))
	_, err = h.signIn(two[0].Name, "lea")
	want(t, "the account that was unlinked", err, "identity.link_required")
}

// A code that was stolen from another's browser does not fit one's own trip:
// PKCE and the nonce are of the trip that it was given on.
func injection(t *testing.T, h *house, two [2]rig) {
	victim, thief := h.leave(two[0].Name, "vera"), h.leave(two[0].Name, "theo")
	thief.Code = victim.Code
	_, err := h.SignIn(t.Context(), identity.Client{}, thief)
	want(t, "vera's code in theo's browser", err, "provider.code")
}

// Whoever has to prove once more who they are is asked at the provider, and
// the provider says when.
func anew(t *testing.T, _ *house, two [2]rig) {
	p := oidc.New(outside(), []oidc.Config{two[0].config()}, time.Now)
	for name, tc := range map[string]struct {
		since  time.Duration // before now
		change string
		reason string
	}{
		"asked just now":           {0, "", ""},
		"asked long ago":           {0, `{"claims":{"auth_time":` + stamp(-time.Hour) + `}}`, "provider.unproven"},
		"asked, but not said when": {0, `{"claims":{"auth_time":null}}`, "provider.unproven"},
		"asked before we asked":    {-time.Hour, "", "provider.unproven"},
	} {
		trip := identity.Trip{State: "s", Nonce: "n", Verifier: strings.Repeat("v", 43), Redirect: callback + "/" + two[0].Name, Since: time.Now().Add(-tc.since)}
		at, err := p.Begin(t.Context(), two[0].Name, trip)
		must(t, err)
		if !strings.Contains(at, "prompt=login") || !strings.Contains(at, "max_age=0") {
			t.Errorf("%s: %s", name, at)
		}
		back := walk(t, at, "ann").Query()
		if tc.change != "" {
			two[0].next(t, tc.change)
		}
		who, err := p.Finish(t.Context(), two[0].Name, identity.Return{
			Provider: two[0].Name, State: "s", Code: secret.Secret(back.Get("code")), Issuer: back.Get("iss"),
		}, trip)
		if tc.reason != "" {
			want(t, name, err, tc.reason)
		} else if err != nil || who.Subject != "ann" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}
