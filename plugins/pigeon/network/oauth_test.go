package network_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

const (
	callback = "http://127.0.0.1:9999/callback"
	verifier = "a-verifier-that-is-long-enough-for-the-specification"
)

func asked() url.Values {
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{
		"response_type": {"code"}, "client_id": {network.DefaultClientID}, "redirect_uri": {callback}, "state": {"s1"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
}

// click chooses an account and returns what the application gets.
func (b *bench) click(handle string) url.Values {
	b.t.Helper()
	form := asked()
	form.Set("account", handle)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.PostForm(b.url+"/oauth/authorize", form)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = res.Body.Close()
	to, err := res.Location()
	if err != nil || !strings.HasPrefix(to.String(), callback+"?") {
		b.t.Fatalf("sent to %v (%v), status %d", to, err, res.StatusCode)
	}
	return to.Query()
}

func (b *bench) grant(form url.Values) (int, network.Tokens) {
	b.t.Helper()
	form.Set("client_id", network.DefaultClientID)
	res, err := http.PostForm(b.url+"/oauth/token", form)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, network.Tokens{Access: body.Access, Refresh: body.Refresh}
}

func (b *bench) trade(code, proof string) (int, network.Tokens) {
	return b.grant(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {proof}})
}

func (b *bench) renew(refresh string) (int, network.Tokens) {
	return b.grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
}

func (b *bench) works(access string) bool {
	b.token = access
	status, _, _ := b.do("GET", "/api/v1/me", "")
	return status == 200
}

func TestSignIn(t *testing.T) {
	b := open(t, network.Options{AccessLife: time.Minute})
	if page := b.page("/oauth/authorize?" + asked().Encode()); !strings.Contains(page, "@harbour") {
		t.Error("the chooser offers nobody")
	}
	back := b.click("newcomer")
	if back.Get("state") != "s1" {
		t.Errorf("state = %q", back.Get("state"))
	}
	status, tokens := b.trade(back.Get("code"), verifier)
	if status != 200 || !b.works(tokens.Access) {
		t.Fatalf("status %d, access does not work", status)
	}
	b.clock.advance(time.Minute)
	if b.works(tokens.Access) {
		t.Error("an expired token works")
	}
	status, second := b.renew(tokens.Refresh)
	if status != 200 || !b.works(second.Access) {
		t.Fatalf("refresh = %d", status)
	}
	if status, _ := b.renew(tokens.Refresh); status != 400 || b.works(second.Access) {
		t.Errorf("a refresh token used twice: status %d, and the family must end", status)
	}
}

func TestACodeWorksOnce(t *testing.T) {
	b := open(t, network.Options{})
	code := b.click("harbour").Get("code")
	_, tokens := b.trade(code, verifier)
	if status, _ := b.trade(code, verifier); status != 400 || b.works(tokens.Access) {
		t.Errorf("second use = %d, and what the first gave must end", status)
	}
}

func TestSignInRefusals(t *testing.T) {
	b := open(t, network.Options{})
	if status, _ := b.trade(b.click("harbour").Get("code"), "another verifier"); status != 400 {
		t.Errorf("wrong verifier = %d", status)
	}
	late := b.click("harbour").Get("code")
	b.clock.advance(2 * time.Minute)
	if status, _ := b.trade(late, verifier); status != 400 {
		t.Errorf("late code = %d", status)
	}
	if got := b.click("").Get("error"); got != "access_denied" {
		t.Errorf("cancel = %q", got)
	}
	for name, change := range map[string][2]string{
		"another site": {"redirect_uri", "https://evil.example/callback"}, "no proof": {"code_challenge", ""},
		"plain proof": {"code_challenge_method", "plain"}, "unknown application": {"client_id", "else"},
	} {
		query := asked()
		query.Set(change[0], change[1])
		if status, _, _ := b.do("GET", "/oauth/authorize?"+query.Encode(), ""); status != 400 {
			t.Errorf("%s = %d", name, status)
		}
	}
}

func TestRevoke(t *testing.T) {
	b := open(t, network.Options{})
	tokens := b.signIn()
	res, err := http.PostForm(b.url+"/oauth/revoke", url.Values{"token": {tokens.Refresh}})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if b.works(tokens.Access) {
		t.Error("a revoked sign-in works")
	}
}
