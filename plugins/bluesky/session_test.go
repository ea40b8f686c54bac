package bluesky_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/bluesky/blueskyfake"
	"github.com/carillonhq/carillon/ports/social"
)

func TestConnect(t *testing.T) {
	b := open(t)
	got := b.signIn(t)
	for name, want := range map[string]string{"did": blueskyfake.DID, "handle": blueskyfake.Handle, "pds": b.url, "instance": strings.TrimPrefix(b.url, "http://")} {
		if got.Public[name] != want {
			t.Errorf("%s = %q, want %q", name, got.Public[name], want)
		}
	}
	if got.Secrets["refresh"] == "" || time.Until(got.ExpiresAt) < time.Hour {
		t.Errorf("refresh %t, expires %s", got.Secrets["refresh"] != "", got.ExpiresAt)
	}
}

func TestConnectAsksForTheForm(t *testing.T) {
	step, err := open(t).plugin.Connect(t.Context(), social.ConnectRequest{})
	if err != nil || step.Form == nil || step.Done != nil {
		t.Errorf("step = %+v, %v", step, err)
	}
}

func TestConnectWithASecondFactor(t *testing.T) {
	b := open(t)
	b.fake.Code = "ABCDE-12345"
	first, err := b.plugin.Connect(t.Context(), social.ConnectRequest{
		Input: map[string]string{"identifier": blueskyfake.Handle, "password": blueskyfake.Password},
	})
	if err != nil || first.Form == nil || first.State == nil {
		t.Fatalf("first = %+v, %v", first, err)
	}
	second, err := b.plugin.Connect(t.Context(), social.ConnectRequest{State: first.State, Input: map[string]string{"code": b.fake.Code}})
	if err != nil || second.Done == nil {
		t.Errorf("second = %+v, %v", second, err)
	}
}

func TestConnectWithAWrongPassword(t *testing.T) {
	_, err := open(t).plugin.Connect(t.Context(), social.ConnectRequest{
		Input: map[string]string{"identifier": blueskyfake.Handle, "password": "my-real-password"},
	})
	f := social.FaultOf(err, false)
	if f.Kind != social.Invalid || len(f.Violations) != 1 || f.Violations[0].Field != "/input/password" {
		t.Errorf("fault = %+v", f)
	}
	if strings.Contains(f.Error()+f.Upstream, "my-real-password") {
		t.Error("the fault carries the password")
	}
}

func TestRefresh(t *testing.T) {
	b := open(t)
	old := b.signIn(t)
	fresh, err := b.plugin.Refresh(t.Context(), social.Call{Credential: old})
	if err != nil {
		t.Fatal(err)
	}
	if fresh.AccessToken == old.AccessToken || fresh.Secrets["refresh"] == "" || fresh.Public["pds"] != b.url {
		t.Errorf("fresh = %v, public %v", fresh, fresh.Public)
	}
	again, err := b.plugin.Refresh(t.Context(), social.Call{Credential: old})
	if err != nil || again.AccessToken == "" {
		t.Errorf("the answer was lost, the same refresh token again: %v", err)
	}
	old.Secrets = map[string]string{"refresh": "gone"}
	_, err = b.plugin.Refresh(t.Context(), social.Call{Credential: old})
	if f := social.FaultOf(err, false); f.Kind != social.AuthRevoked {
		t.Errorf("kind = %s, want %s", f.Kind, social.AuthRevoked)
	}
}

const callback = "http://127.0.0.1:9/callback"

// begin starts an OAuth sign-in and lets the person say yes. It returns what
// the host keeps and what the browser brings back.
func (b bench) begin(t *testing.T) (state []byte, query map[string]string) {
	t.Helper()
	step, err := b.plugin.Connect(t.Context(), social.ConnectRequest{
		Input: map[string]string{"identifier": "@" + blueskyfake.Handle, "state": "s1"}, RedirectURI: callback,
	})
	if err != nil || step.Redirect == "" {
		t.Fatalf("step = %+v, %v", step, err)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(step.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil || !strings.HasPrefix(back.String(), callback+"?") || back.Query().Get("state") != "s1" {
		t.Fatalf("back to %v, %v", back, err)
	}
	return step.State, map[string]string{"code": back.Query().Get("code"), "iss": back.Query().Get("iss")}
}

func (b bench) authorize(t *testing.T) social.Credential {
	t.Helper()
	state, query := b.begin(t)
	done, err := b.plugin.Connect(t.Context(), social.ConnectRequest{State: state, Input: query, RedirectURI: callback})
	if err != nil || done.Done == nil {
		t.Fatalf("done = %+v, %v", done, err)
	}
	return *done.Done
}

func TestOAuth(t *testing.T) {
	b := open(t)
	first := b.authorize(t)
	if first.Public["did"] != blueskyfake.DID || first.Public["instance"] != strings.TrimPrefix(b.url, "http://") {
		t.Errorf("public = %v", first.Public)
	}
	b.clock.advance(20 * time.Minute)
	if _, err := b.plugin.Accounts(t.Context(), social.Call{Credential: first}); social.FaultOf(err, false).Kind != social.AuthExpired {
		t.Errorf("an expired token: %v", err)
	}
	second, err := b.plugin.Refresh(t.Context(), social.Call{Credential: first})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.plugin.Accounts(t.Context(), social.Call{Credential: second}); err != nil {
		t.Error(err)
	}
	if _, err := b.plugin.Refresh(t.Context(), social.Call{Credential: first}); social.FaultOf(err, false).Kind != social.AuthRevoked {
		t.Errorf("a refresh token used twice: %v", err)
	}
}

func TestAStolenTokenAloneOpensNothing(t *testing.T) {
	b := open(t)
	victim, thief := b.authorize(t), b.authorize(t)
	thief.AccessToken = victim.AccessToken
	if _, err := b.plugin.Accounts(t.Context(), social.Call{Credential: thief}); err == nil {
		t.Error("another key opened the account")
	}
}

func TestOAuthRefusals(t *testing.T) {
	cases := map[string]func(query map[string]string){
		"denied":         func(q map[string]string) { q["error"] = "access_denied" },
		"another server": func(q map[string]string) { q["iss"] = "https://evil.example" },
		"another code":   func(q map[string]string) { q["code"] = "x" },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			state, query := b.begin(t)
			change(query)
			step, err := b.plugin.Connect(t.Context(), social.ConnectRequest{State: state, Input: query, RedirectURI: callback})
			if err == nil || step.Done != nil {
				t.Errorf("step = %+v", step)
			}
		})
	}
	t.Run("nobody by that handle", func(t *testing.T) {
		_, err := open(t).plugin.Connect(t.Context(), social.ConnectRequest{Input: map[string]string{"identifier": "gone.test"}, RedirectURI: callback})
		if f := social.FaultOf(err, false); f.Kind != social.Invalid || f.Violations[0].Field != "/input/identifier" {
			t.Errorf("fault = %+v", f)
		}
	})
	t.Run("an installation without a client", func(t *testing.T) {
		_, err := open(t).plugin.Connect(t.Context(), social.ConnectRequest{
			Input: map[string]string{"identifier": blueskyfake.Handle}, RedirectURI: "https://carillon.example/callback",
		})
		if f := social.FaultOf(err, false); f.Kind != social.Unsupported {
			t.Errorf("fault = %+v", f)
		}
	})
}
