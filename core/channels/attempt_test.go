package channels_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

func TestAnInstanceIsAskedFor(t *testing.T) {
	w := setup(t)
	c, err := w.Start(t.Context(), w.who, channels.StartRequest{Platform: "test.network", ReturnURL: "https://app.example/x"})
	w.must(err)
	if c.Stage != channels.AwaitsForm || !strings.Contains(string(c.Form), "instance") {
		t.Fatalf("connection: %+v", c)
	}
	c, err = w.Continue(t.Context(), w.who, c.ID, map[string]string{"instance": "@ann@Example.ORG"})
	w.must(err)
	if c.Stage != channels.AwaitsRedirect || !strings.HasPrefix(c.Redirect, "https://example.org/") || c.Binding == "" {
		t.Errorf("connection: %+v", c)
	}
}

func TestSignInByForm(t *testing.T) {
	w := setup(t)
	w.net.manifest.Auth = social.Auth{Kind: social.AuthForm, Form: []byte(`{"type":"object"}`)}
	w.net.connect = func(req social.ConnectRequest) (social.ConnectStep, error) {
		if req.Input["password"] != canary {
			return social.ConnectStep{}, social.Fail(social.AuthRevoked, "test.bad_password", "That password is wrong.")
		}
		return social.ConnectStep{Done: &social.Credential{Secrets: map[string]string{"jwt": canary + " jwt"}, ExpiresAt: w.clock.now().Add(2 * time.Hour)}}, nil
	}
	c, err := w.Start(t.Context(), w.who, channels.StartRequest{Platform: "test.network"})
	w.must(err)
	if c.Stage != channels.AwaitsForm || string(c.Form) != `{"type":"object"}` {
		t.Fatalf("connection: %+v", c)
	}
	_, err = w.Continue(t.Context(), w.who, c.ID, map[string]string{"password": "wrong"})
	if f := fault.Of(err); f == nil || f.Code != fault.Invalid || f.Reason != "test.bad_password" {
		t.Errorf("err = %v", err)
	}
	done, err := w.Continue(t.Context(), w.who, c.ID, map[string]string{"password": canary})
	w.must(err)
	if done.Stage != channels.Done {
		t.Fatalf("connection: %+v", done)
	}
	w.must(w.publish(done.Channels[0], true))
	if got := w.net.last().Credential.Secrets["jwt"]; got != canary+" jwt" {
		t.Errorf("the plugin got %q", got)
	}
	if strings.Contains(w.store.Dump(), canary) {
		t.Error("a secret is stored in the clear")
	}
}

func TestACustomSignInKeepsItsStateSealed(t *testing.T) {
	w := setup(t)
	w.net.manifest.Auth = social.Auth{Kind: social.AuthCustom}
	w.net.connect = func(req social.ConnectRequest) (social.ConnectStep, error) {
		if len(req.State) == 0 {
			to := "https://custom.example/?state=" + url.QueryEscape(req.Input["state"])
			return social.ConnectStep{Redirect: to, State: []byte(canary + " dpop key")}, nil
		}
		if string(req.State) != canary+" dpop key" || req.Input["code"] != "c" {
			t.Errorf("second screen: %+v", req)
		}
		return social.ConnectStep{Done: &social.Credential{AccessToken: canary, Public: map[string]string{"instance": "pds.example.org"}}}, nil
	}
	c, state := w.start(w.who)
	if strings.Contains(w.store.Dump(), canary) {
		t.Error("the plugin's state is stored in the clear")
	}
	done, err := w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "c"})
	w.must(err)
	ch, err := w.Get(t.Context(), w.who, done.Channels[0])
	w.must(err)
	if ch.Instance != "pds.example.org" {
		t.Errorf("channel: %+v", ch)
	}
}

// What a plugin calls its account's server is checked when it signs in, and
// stays: it decides which host is opened.
func TestAPluginDoesNotMoveItsInstance(t *testing.T) {
	for said, lent := range map[string]string{
		"https://PDS.example.org/base": "https://PDS.example.org/base", "pds.example.org": "pds.example.org", "@ann@pds.example.org": "pds.example.org",
		"*.com": "", "https://10.0.0.1": "", "a.example?@b.example": "b.example", "": "",
	} {
		t.Run(said, func(t *testing.T) {
			w := setup(t)
			w.net.manifest.Auth = social.Auth{Kind: social.AuthForm, Form: []byte(`{"type":"object"}`)}
			w.net.manifest.Egress = []string{"{instance}"}
			w.net.connect = func(req social.ConnectRequest) (social.ConnectStep, error) {
				return social.ConnectStep{Done: &social.Credential{
					AccessToken: canary, Public: map[string]string{"instance": said}, ExpiresAt: w.clock.now().Add(time.Hour),
				}}, nil
			}
			c, err := w.Start(t.Context(), w.who, channels.StartRequest{Platform: "test.network"})
			w.must(err)
			c, err = w.Continue(t.Context(), w.who, c.ID, map[string]string{"password": canary})
			if said != "" && lent == "" {
				if fault.Of(err).Reason != "connection.bad_instance" {
					t.Errorf("signed in: %+v, %v", c, err)
				}
				return
			}
			w.must(err)
			w.must(w.publish(c.Channels[0], true))
			if got := w.net.last().Credential.Public["instance"]; got != lent {
				t.Errorf("lent with %q, want %q", got, lent)
			}
			w.net.refresh = func(call social.Call) (social.Credential, error) {
				call.Credential.Public = map[string]string{"instance": "*.com"}
				return call.Credential, nil
			}
			w.clock.pass(59 * time.Minute)
			w.must(w.publish(c.Channels[0], true))
			if got := w.net.last().Credential.Public["instance"]; got != strings.TrimSpace(lent) && got != "pds.example.org" {
				t.Errorf("after a renewal lent with %q", got)
			}
		})
	}
}

func TestAnAppIsFoundUpTheTree(t *testing.T) {
	w := setup(t)
	w.net.manifest.Auth.OAuth2.RegisterURL = ""
	start := channels.StartRequest{Platform: "test.network", Input: map[string]string{"instance": "example.org"}}
	if _, err := w.Start(t.Context(), w.who, start); !fault.Is(err, fault.NotFound) {
		t.Fatalf("without an app: %v", err)
	}
	operator := tenants.Scope{Tenant: w.root, Role: tenants.Manager}
	w.must(w.SetApp(t.Context(), operator, channels.AppSettings{
		Platform: "test.network", Instance: "example.org", ClientID: "root", ClientSecret: canary, Settings: map[string]string{"k": "v"},
	}))
	clientOf := func() string {
		c, err := w.Start(t.Context(), w.who, start)
		w.must(err)
		u, err := url.Parse(c.Redirect)
		w.must(err)
		return u.Query().Get("client_id")
	}
	if got := clientOf(); got != "root" {
		t.Errorf("client %q, want the operator's", got)
	}
	w.must(w.SetApp(t.Context(), w.who, channels.AppSettings{Platform: "test.network", Instance: "example.org", ClientID: "own", ClientSecret: canary}))
	if got := clientOf(); got != "own" {
		t.Errorf("client %q, want the tenant's own", got)
	}
	app, err := w.GetApp(t.Context(), w.who, "test.network", "example.org")
	if err != nil || app.ClientID != "own" || app.Sealed != nil {
		t.Errorf("app %+v, %v", app, err)
	}
	if strings.Contains(w.store.Dump(), canary) {
		t.Error("a client secret is stored in the clear")
	}
}
