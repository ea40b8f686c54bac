package oidc_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/jwt"
	"github.com/carillonhq/carillon/adapters/oidc"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/identity/identitytest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

const callback = "https://app.test/sign-in"

// rig is one of the providers of tools/providers.
type rig struct {
	Name         string `json:"name"`
	Issuer       string `json:"issuer"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

func (r rig) config() oidc.Config {
	return oidc.Config{Name: r.Name, Title: r.Name, Issuer: r.Issuer, ClientID: r.ClientID, ClientSecret: r.ClientSecret}
}

// rigs starts two of them; they end with the test.
func rigs(t *testing.T) [2]rig {
	t.Helper()
	const dir = "../../tools/providers"
	if _, err := os.Stat(dir + "/node_modules/.installed"); err != nil {
		t.Fatal("the OpenID provider of the tests is not installed; run: make providers")
	}
	cmd := exec.Command("node", "provider.mjs", "2", callback)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	must(t, err)
	var two [2]rig
	must(t, json.Unmarshal(line, &two))
	return two
}

// next has the provider change its next ID token.
func (r rig) next(t *testing.T, change string) { r.tell(t, "/-/next", change) }

func (r rig) tell(t *testing.T, path, body string) {
	t.Helper()
	res, err := http.Post(r.Issuer+path, "application/json", strings.NewReader(body))
	must(t, err)
	must(t, res.Body.Close())
}

// house is an installation that people sign in to, with its own clock.
type house struct {
	t *testing.T
	*identity.Federation
	people *identity.Service
	clock  time.Duration // how far ahead it goes
}

func (h *house) now() time.Time { return time.Now().Add(h.clock) }

// outside is the way out that the product takes, opened for this machine.
func outside() *http.Client {
	return egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}).Client(20*time.Second, 1<<20)
}

func newHouse(t *testing.T, configs ...oidc.Config) *house {
	t.Helper()
	h := &house{t: t}
	h.people = identity.New(new(identitytest.Store), new(identitytest.Keys), noPasswords{}, jwt.New(bytes.Repeat([]byte{1}, 32), h.now), homes{}, everywhere{},
		identity.Proofs{}, identity.Config{RefreshKey: []byte("refresh"), AddressKey: []byte("address")}, h.now)
	h.Federation = identity.NewFederation(h.people, oidc.New(outside(), configs, h.now), identity.FederationConfig{
		Key: []byte("trip"), Callback: func(name string) string { return callback + "/" + name },
	})
	return h
}

// leave begins a sign-in and goes through with it at the provider.
func (h *house) leave(provider, login string) identity.Return {
	h.t.Helper()
	d, err := h.Start(h.t.Context(), identity.Client{}, provider)
	must(h.t, err)
	return h.visit(d, provider, login)
}

func (h *house) visit(d *identity.Departure, provider, login string) identity.Return {
	h.t.Helper()
	back := walk(h.t, d.URL, login).Query()
	return identity.Return{
		Provider: provider, State: secret.Secret(back.Get("state")), Binder: d.Binder,
		Code: secret.Secret(back.Get("code")), Issuer: back.Get("iss"), Error: back.Get("error"),
	}
}

func (h *house) signIn(provider, login string) (*identity.SignedIn, error) {
	h.t.Helper()
	in, err := h.SignIn(h.t.Context(), identity.Client{}, h.leave(provider, login))
	if err != nil {
		return nil, err
	}
	return in.SignedIn, nil
}

func (h *house) who(in *identity.SignedIn) identity.Principal {
	return identity.Principal{User: in.User, Session: in.Session}
}

var formAction = regexp.MustCompile(`action="([^"]+)"`)

// walk is a person in a browser of their own: they follow every redirect, sign
// in as login and agree, until they are sent back to us.
func walk(t *testing.T, at, login string) *url.URL {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answers := []url.Values{{"prompt": {"login"}, "login": {login}, "password": {"x"}}, {"prompt": {"consent"}}}
	res, err := browser.Get(at)
	for range 20 {
		must(t, err)
		var page bytes.Buffer
		_, err = page.ReadFrom(res.Body)
		must(t, err)
		must(t, res.Body.Close())
		if to, err := res.Location(); err == nil {
			if strings.HasPrefix(to.String(), callback) {
				return to
			}
			res, err = browser.Get(to.String())
			must(t, err)
			continue
		}
		form := formAction.FindStringSubmatch(page.String())
		if form == nil || len(answers) == 0 {
			t.Fatalf("%s: %d %s", res.Request.URL, res.StatusCode, page.String())
		}
		to, err := res.Request.URL.Parse(form[1])
		must(t, err)
		res, err = browser.PostForm(to.String(), answers[0])
		must(t, err)
		answers = answers[1:]
	}
	t.Fatal("no end of redirects")
	return nil
}

type noPasswords struct{}

func (noPasswords) Hash(context.Context, secret.Secret) (string, error) { return "none", nil }

func (noPasswords) HashSalted(context.Context, secret.Secret, []byte) (string, error) {
	return "none", nil
}

func (noPasswords) Verify(context.Context, secret.Secret, ...string) (bool, bool, error) {
	return false, false, nil
}

type homes struct{}

func (homes) Provision(context.Context, tenants.UserID, string) (tenants.ID, error) {
	return "ten_home", nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, what string, err error, reason string) {
	t.Helper()
	if f := fault.Of(err); f == nil || f.Reason != reason {
		t.Errorf("%s: err = %v (%v), want %s", what, err, causeOf(f), reason)
	}
}

func causeOf(f *fault.Error) error {
	if f == nil {
		return nil
	}
	return f.Unwrap()
}

// everywhere is where everybody is a member.
type everywhere struct{}

func (everywhere) Resolve(_ context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Scope, error) {
	return tenants.Scope{Tenant: tenant, User: user}, nil
}
