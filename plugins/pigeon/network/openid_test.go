package network_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

// fetch reads JSON from an address of the network.
func (b *bench) fetch(path string) (v map[string]any) {
	b.t.Helper()
	res, err := http.Get(b.url + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		b.t.Fatal(err)
	}
	return v
}

// idTokenOf signs in with more to ask for, and returns the ID token, if any.
func (b *bench) idTokenOf(more url.Values) (back url.Values, idToken string) {
	b.t.Helper()
	form := asked()
	for name := range more {
		form.Set(name, more.Get(name))
	}
	form.Set("account", "harbour")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.PostForm(b.url+"/oauth/authorize", form)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = res.Body.Close()
	to, err := res.Location()
	if err != nil {
		b.t.Fatal(err)
	}
	res, err = http.PostForm(b.url+"/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {network.DefaultClientID}, "redirect_uri": {callback},
		"code": {to.Query().Get("code")}, "code_verifier": {verifier},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body struct {
		IDToken string `json:"id_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		b.t.Fatal(err)
	}
	return to.Query(), body.IDToken
}

func TestOpenID(t *testing.T) {
	b := open(t, network.Options{})
	said := b.fetch("/.well-known/openid-configuration")
	if said["issuer"] != b.url {
		t.Errorf("issuer = %v, want %s", said["issuer"], b.url)
	}
	back, token := b.idTokenOf(url.Values{"scope": {"openid email"}, "nonce": {"n1"}})
	if back.Get("iss") != b.url {
		t.Errorf("iss = %q", back.Get("iss"))
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("ID token %q", token)
	}
	key := b.fetch("/oauth/keys")["keys"].([]any)[0].(map[string]any)
	if !ed25519.Verify(unb64(t, key["x"].(string)), []byte(parts[0]+"."+parts[1]), unb64(t, parts[2])) {
		t.Error("the signature is not by the key that is shown")
	}
	var claims map[string]any
	if err := json.Unmarshal(unb64(t, parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"iss": b.url, "aud": network.DefaultClientID, "nonce": "n1", "sub": "acc_harbour", "email": "harbour@pigeon.example", "email_verified": true} {
		if claims[name] != want {
			t.Errorf("%s = %v, want %v", name, claims[name], want)
		}
	}
	if _, token := b.idTokenOf(url.Values{"scope": {"read write"}}); token != "" {
		t.Error("an ID token for who did not ask for one")
	}
}

func unb64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
