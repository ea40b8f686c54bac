package oidc_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/oidc"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
	"github.com/carillonhq/carillon/ports/secret"
)

// odd is a provider that does what it is told, however odd.
type odd struct {
	*httptest.Server
	metadata map[string]any // besides or instead of what it should say
	info     string         // answer of the user info endpoint; none if empty
	claims   map[string]any
	key      ed25519.PrivateKey
	nonce    string
	asked    []url.Values // of the token endpoint
	basic    bool
}

func newOdd(t *testing.T) *odd {
	t.Helper()
	o := &odd{metadata: map[string]any{}, claims: map[string]any{}}
	_, o.key, _ = ed25519.GenerateKey(nil)
	mux := http.NewServeMux()
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		said := map[string]any{
			"issuer": o.URL, "authorization_endpoint": o.URL + "/authorize", "token_endpoint": o.URL + "/token", "jwks_uri": o.URL + "/keys",
			"userinfo_endpoint": o.URL + "/me", "id_token_signing_alg_values_supported": []string{"none", "HS256", "EdDSA"},
		}
		maps.Copy(said, o.metadata)
		answer(w, said)
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]any{
			"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": b64(o.key.Public().(ed25519.PublicKey)),
		}}})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		o.asked = append(o.asked, r.PostForm)
		_, _, o.basic = r.BasicAuth()
		answer(w, map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": o.token()})
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, o.URL+"/token", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/me", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(o.info))
	})
	return o
}

func (o *odd) token() string {
	claims := map[string]any{
		"iss": o.URL, "sub": "1", "aud": "carillon", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "nonce": o.nonce,
		"email": "ann@example.test", "email_verified": true, "name": "Ann",
	}
	maps.Copy(claims, o.claims)
	signed := b64(encoded(map[string]any{"alg": "EdDSA"})) + "." + b64(encoded(claims))
	return signed + "." + b64(ed25519.Sign(o.key, []byte(signed)))
}

func (o *odd) config() oidc.Config {
	return oidc.Config{Name: "odd", Title: "Odd", Issuer: o.URL, ClientID: "carillon", ClientSecret: "secret"}
}

// signIn goes there and back.
func (o *odd) signIn(t *testing.T, p *oidc.Providers) (identity.Assertion, error) {
	t.Helper()
	trip := identity.Trip{State: "s", Nonce: "n", Verifier: strings.Repeat("v", 43), Redirect: callback + "/odd"}
	o.nonce = trip.Nonce
	if _, err := p.Begin(t.Context(), "odd", trip); err != nil {
		return identity.Assertion{}, err
	}
	return p.Finish(t.Context(), "odd", identity.Return{Provider: "odd", State: "s", Code: "c"}, trip)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encoded(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encoded(v))
}

func TestWhatAProviderSaysOfAnAddress(t *testing.T) {
	for name, tc := range map[string]struct {
		claims   map[string]any
		info     string
		email    string
		verified bool
		reason   string
	}{
		"plainly":                      {nil, "", "ann@example.test", true, ""},
		"in quotes":                    {map[string]any{"email_verified": "true"}, "", "ann@example.test", true, ""},
		"not":                          {map[string]any{"email_verified": false}, "", "ann@example.test", false, ""},
		"nothing":                      {map[string]any{"email_verified": nil}, "", "ann@example.test", false, ""},
		"something else":               {map[string]any{"email_verified": 1}, "", "ann@example.test", false, ""},
		"elsewhere":                    {map[string]any{"email": ""}, `{"sub":"1","email":"bob@example.test","email_verified":true}`, "bob@example.test", true, ""},
		"elsewhere, and not verified":  {map[string]any{"email": ""}, `{"sub":"1","email":"bob@example.test"}`, "bob@example.test", false, ""},
		"elsewhere, of somebody else":  {map[string]any{"email": ""}, `{"sub":"2","email":"bob@example.test","email_verified":true}`, "", false, "provider.unproven"},
		"elsewhere, of nobody":         {map[string]any{"email": ""}, `{"email":"bob@example.test","email_verified":true}`, "", false, "provider.unproven"},
		"elsewhere, in another tongue": {map[string]any{"email": ""}, `<html>`, "", false, "provider.unavailable"},
		"elsewhere, and it is no text": {map[string]any{"email": ""}, `{"sub":"1","email":{"a":1},"name":[]}`, "", false, "provider.unavailable"},
	} {
		o := newOdd(t)
		maps.Copy(o.claims, tc.claims)
		o.info = tc.info
		got, err := o.signIn(t, oidc.New(outside(), []oidc.Config{o.config()}, time.Now))
		if tc.reason != "" {
			want(t, name, err, tc.reason)
			continue
		}
		if err != nil || got.Email != tc.email || got.EmailVerified != tc.verified || got.Subject != "1" || got.Issuer != o.URL {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestAProviderThatIsNotAsItShouldBe(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*odd)
		reason string
	}{
		"it is another":                     {func(o *odd) { o.metadata["issuer"] = "https://accounts.google.com" }, "provider.unavailable"},
		"it says what is no metadata":       {func(o *odd) { o.metadata["token_endpoint"] = 1 }, "provider.unavailable"},
		"its token endpoint sends on":       {func(o *odd) { o.metadata["token_endpoint"] = o.URL + "/elsewhere" }, "provider.unavailable"},
		"its endpoint is our database":      {func(o *odd) { o.metadata["token_endpoint"] = "http://10.0.0.1:5432/" }, "provider.unavailable"},
		"it sends people into a script":     {func(o *odd) { o.metadata["authorization_endpoint"] = "javascript:alert(1)" }, "provider.unavailable"},
		"its keys are a file":               {func(o *odd) { o.metadata["jwks_uri"] = "file:///etc/passwd" }, "provider.unavailable"},
		"its keys are not there":            {func(o *odd) { o.metadata["jwks_uri"] = o.URL + "/none" }, "provider.unproven"},
		"it promised to say who it is":      {func(o *odd) { o.metadata["authorization_response_iss_parameter_supported"] = true }, "provider.unproven"},
		"its subject is longer than may be": {func(o *odd) { o.claims["sub"] = strings.Repeat("s", 256) }, "provider.unproven"},
		"it is away":                        {func(o *odd) { o.Close() }, "provider.unavailable"},
	} {
		o := newOdd(t)
		p := oidc.New(outside(), []oidc.Config{o.config()}, time.Now)
		tc.change(o)
		_, err := o.signIn(t, p)
		want(t, name, err, tc.reason)
	}
}

// A code works once, so how a client proves itself is not found out by trying.
func TestACodeIsTriedOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		methods any
		secret  string
		basic   bool
	}{
		"as the standard has it": {nil, "secret", true},
		"in the body":            {[]string{"client_secret_post"}, "secret", false},
		"either":                 {[]string{"client_secret_post", "client_secret_basic"}, "secret", true},
		"a public client":        {nil, "", false},
	} {
		o := newOdd(t)
		if tc.methods != nil {
			o.metadata["token_endpoint_auth_methods_supported"] = tc.methods
		}
		cfg := o.config()
		cfg.ClientSecret = tc.secret
		_, err := o.signIn(t, oidc.New(outside(), []oidc.Config{cfg}, time.Now))
		if err != nil || len(o.asked) != 1 || o.basic != tc.basic || o.asked[0].Get("code_verifier") == "" {
			t.Errorf("%s: %v, asked %v, basic %v", name, err, o.asked, o.basic)
		}
	}
}

// What is known of a provider outlives its absence, and is asked again in time.
func TestMetadataIsKept(t *testing.T) {
	o := newOdd(t)
	clock := time.Now()
	p := oidc.New(outside(), []oidc.Config{o.config()}, func() time.Time { return clock })
	_, err := o.signIn(t, p)
	must(t, err)
	clock = clock.Add(2 * time.Hour)
	o.metadata["issuer"] = "https://gone.test"
	if _, err := p.Begin(t.Context(), "odd", identity.Trip{Redirect: callback}); err != nil {
		t.Error(err)
	}
	delete(o.metadata, "issuer")
	o.metadata["authorization_endpoint"] = o.URL + "/moved"
	clock = clock.Add(2 * time.Minute)
	at, err := p.Begin(t.Context(), "odd", identity.Trip{Redirect: callback})
	if err != nil || !strings.HasPrefix(at, o.URL+"/moved?") {
		t.Errorf("%s, %v", at, err)
	}
}

// The practice network is one that people can try.
func TestThePracticeNetwork(t *testing.T) {
	n, err := network.Open(network.Options{})
	must(t, err)
	server := httptest.NewServer(n)
	t.Cleanup(func() {
		server.Close()
		_ = n.Close()
	})
	h := newHouse(t, oidc.Config{Name: "practice", Issuer: server.URL, ClientID: network.DefaultClientID})
	h.Federation = identity.NewFederation(h.people, oidc.New(outside(), []oidc.Config{{Name: "practice", Issuer: server.URL, ClientID: network.DefaultClientID}}, h.now),
		identity.FederationConfig{Key: []byte("trip"), Callback: func(string) string { return "http://127.0.0.1:1/sign-in/practice" }})
	d, err := h.Start(t.Context(), identity.Client{}, "practice")
	must(t, err)
	asked, err := url.Parse(d.URL)
	must(t, err)
	form := asked.Query()
	form.Set("account", "harbour")
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.PostForm(server.URL+"/oauth/authorize", form)
	must(t, err)
	must(t, res.Body.Close())
	to, err := res.Location()
	must(t, err)
	back := to.Query()
	in, err := h.SignIn(t.Context(), identity.Client{}, identity.Return{
		Provider: "practice", State: secret.Secret(back.Get("state")), Code: secret.Secret(back.Get("code")), Issuer: back.Get("iss"), Binder: d.Binder,
	})
	must(t, err)
	me, err := h.people.Me(t.Context(), h.who(in.SignedIn))
	must(t, err)
	if me.Email != "harbour@pigeon.example" || me.Name != "Harbour" {
		t.Errorf("%+v", me)
	}
}
