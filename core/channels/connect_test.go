package channels_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/channels/channelstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

func TestSignInByOAuth(t *testing.T) {
	w := setup(t)
	w.auth.scopes = []string{"read", "write"}
	c, state := w.start(w.who)
	u, err := url.Parse(c.Redirect)
	w.must(err)
	if u.Host != "example.org" || u.Query().Get("scope") != "read write" || len(state) < 22 || u.Query().Get("code_challenge_method") != "S256" {
		t.Errorf("redirect: %s", c.Redirect)
	}
	done, err := w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "abc"})
	w.must(err)
	if done.Stage != channels.Done || done.ReturnURL != "/channels" || done.Sealed != nil || done.StateHash != nil {
		t.Fatalf("connection: %+v", done)
	}
	code, verifier, _ := strings.Cut(w.auth.exchanged[0], " ")
	sum := sha256.Sum256([]byte(verifier))
	if code != "abc" || base64.RawURLEncoding.EncodeToString(sum[:]) != u.Query().Get("code_challenge") {
		t.Errorf("exchanged %q for challenge %s", w.auth.exchanged[0], u.Query().Get("code_challenge"))
	}
	target, err := w.Describe(t.Context(), w.who, done.Channels[0])
	w.must(err)
	if target.Channel.State != channels.Connected || target.Channel.Name != "@ann" || target.Channel.Instance != "example.org" {
		t.Errorf("target: %+v", target)
	}
	if d := cmp.Diff([]channels.MissingScopes{{Format: "story", Scopes: []string{"stories"}}}, target.Missing); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"post"}, target.Account.Formats); d != "" {
		t.Error(d)
	}
	want := []channelstest.Event{{Type: channels.EventConnected, Subject: string(done.Channels[0]), Data: `{"platform":"test.network","state":"connected"}`}}
	if d := cmp.Diff(want, w.store.Events(w.who.Tenant)); d != "" {
		t.Error(d)
	}
}

func TestAStateWorksOnceForOnePersonInOneBrowser(t *testing.T) {
	for name, tc := range map[string]struct {
		callback func(w *world, c channels.Connection, state string) error
	}{
		"another browser": {func(w *world, c channels.Connection, state string) error {
			_, err := w.Callback(w.t.Context(), "other", state, map[string]string{"code": "c"})
			return err
		}},
		"no browser": {func(w *world, c channels.Connection, state string) error {
			_, err := w.Callback(w.t.Context(), "", state, map[string]string{"code": "c"})
			return err
		}},
		"no state": {func(w *world, c channels.Connection, state string) error {
			_, err := w.Callback(w.t.Context(), c.Binding, "", map[string]string{"code": "c"})
			return err
		}},
		"another state": {func(w *world, c channels.Connection, state string) error {
			_, err := w.Callback(w.t.Context(), c.Binding, state+"x", map[string]string{"code": "c"})
			return err
		}},
		"the state of another tenant": {func(w *world, c channels.Connection, state string) error {
			_, err := w.Continue(w.t.Context(), w.person(), c.ID, map[string]string{"state": state, "code": "c"})
			return err
		}},
		"a colleague": {func(w *world, c channels.Connection, state string) error {
			colleague := w.who
			colleague.User = "usr_colleague"
			_, err := w.Continue(w.t.Context(), colleague, c.ID, map[string]string{"state": state, "code": "c"})
			return err
		}},
		"the state of another attempt": {func(w *world, c channels.Connection, state string) error {
			other, _ := w.start(w.who)
			_, err := w.Callback(w.t.Context(), other.Binding, state, map[string]string{"code": "c"})
			return err
		}},
		"too late": {func(w *world, c channels.Connection, state string) error {
			w.clock.pass(channels.ConnectionLife)
			_, err := w.Callback(w.t.Context(), c.Binding, state, map[string]string{"code": "c"})
			return err
		}},
		"again": {func(w *world, c channels.Connection, state string) error {
			_, err := w.Callback(w.t.Context(), c.Binding, state, map[string]string{"code": "c"})
			w.must(err)
			_, err = w.Callback(w.t.Context(), c.Binding, state, map[string]string{"code": "c"})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			c, state := w.start(w.who)
			before := len(w.auth.exchanged)
			if name == "again" {
				before = 1
			}
			err := tc.callback(w, c, state)
			if f := fault.Of(err); f == nil || f.Code != fault.Invalid && f.Code != fault.NotFound && f.Code != fault.Conflict {
				t.Errorf("err = %v", err)
			}
			if len(w.auth.exchanged) != before {
				t.Error("the code was exchanged")
			}
		})
	}
}

func TestTheOwnSessionMayDeliverTheAnswer(t *testing.T) {
	w := setup(t)
	c, state := w.start(w.who)
	done, err := w.Continue(t.Context(), w.who, c.ID, map[string]string{"state": state, "code": "c"})
	w.must(err)
	if done.Stage != channels.Done {
		t.Errorf("stage = %s", done.Stage)
	}
}

func TestAKeyDeliversTheAnswerItself(t *testing.T) {
	w := setup(t)
	w.who.Key = "key_1"
	c, state := w.start(w.who)
	if _, err := w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "c"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("callback: %v", err)
	}
	person := w.who
	person.Key = ""
	if _, err := w.Continue(t.Context(), person, c.ID, map[string]string{"state": state, "code": "c"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("another session: %v", err)
	}
	done, err := w.Continue(t.Context(), w.who, c.ID, map[string]string{"state": state, "code": "c"})
	w.must(err)
	if done.Stage != channels.Done {
		t.Errorf("stage = %s", done.Stage)
	}
}

func TestARemovedMemberConnectsNothing(t *testing.T) {
	w := setup(t)
	w.who.User = removed
	c, state := w.start(w.who)
	if _, err := w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "c"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("err = %v", err)
	}
}

func TestAFailedSignInSaysWhy(t *testing.T) {
	for name, tc := range map[string]struct {
		query  map[string]string
		fail   error
		none   bool
		reason string
	}{
		"denied":         {query: map[string]string{"error": "access_denied"}, reason: "connection.denied"},
		"refused":        {query: map[string]string{"error": "server_error"}, reason: "connection.refused"},
		"no code":        {query: map[string]string{}, reason: "connection.no_code"},
		"wrong issuer":   {query: map[string]string{"code": "c", "iss": "https://evil.example"}, reason: "connection.wrong_issuer"},
		"no account":     {query: map[string]string{"code": "c", "iss": "https://example.org"}, none: true, reason: "connection.no_account"},
		"code refused":   {query: map[string]string{"code": "c"}, fail: social.Fail(social.AuthRevoked, "oauth.invalid_grant", "No."), reason: "oauth.invalid_grant"},
		"out of service": {query: map[string]string{"code": "c"}, fail: social.Fail(social.Transient, "oauth.unavailable", "No."), reason: "oauth.unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			w.auth.fail = tc.fail
			if tc.none {
				w.net.accounts = nil
			}
			c, state := w.start(w.who)
			got, err := w.Callback(t.Context(), c.Binding, state, tc.query)
			w.must(err)
			if got.Stage != channels.Failed || got.Reason != tc.reason || got.Message == "" {
				t.Errorf("connection: %+v", got)
			}
			if again, err := w.Connection(t.Context(), w.who, c.ID); err != nil || again.Reason != tc.reason {
				t.Errorf("kept: %+v, %v", again, err)
			}
		})
	}
}

func TestSeveralAccountsAreChosenFrom(t *testing.T) {
	w := setup(t)
	w.net.accounts = []social.Account{{ID: "1", Name: "One"}, {ID: "2", Name: "Two"}, {ID: "3", Name: "Three"}}
	c, state := w.start(w.who)
	c, err := w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "c"})
	w.must(err)
	if c.Stage != channels.AwaitsChoice || len(c.Choices) != 3 {
		t.Fatalf("connection: %+v", c)
	}
	for name, ids := range map[string][]string{"none": nil, "unknown": {"4"}, "twice": {"1", "1"}} {
		if _, err := w.Choose(t.Context(), w.who, c.ID, ids); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Choose(t.Context(), w.person(), c.ID, []string{"1"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("someone else chose: %v", err)
	}
	done, err := w.Choose(t.Context(), w.who, c.ID, []string{"3", "1"})
	w.must(err)
	list, more, err := w.List(t.Context(), w.who, channels.Query{})
	w.must(err)
	if len(done.Channels) != 2 || len(list) != 2 || more || list[0].Grant != list[1].Grant {
		t.Errorf("done %+v, list %+v", done, list)
	}
}

func TestConnectingAgainUpdatesTheChannel(t *testing.T) {
	w := setup(t)
	first := w.connected(w.who)
	w.net.accounts[0].Handle = "@renamed"
	second := w.connected(w.who)
	if first.ID != second.ID || second.Account.Handle != "@renamed" || second.Name != "@ann" || second.Grant == first.Grant {
		t.Errorf("%+v became %+v", first, second)
	}
	if w.auth.registered != 1 {
		t.Errorf("registered %d clients", w.auth.registered)
	}
	theirs := w.connected(w.person())
	if theirs.ID == first.ID || w.auth.registered != 1 {
		t.Errorf("another tenant: %+v, %d clients", theirs, w.auth.registered)
	}
}

func TestRepairingNeedsTheSameAccount(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	w.net.accounts = []social.Account{{ID: "2"}}
	start := func() (channels.Connection, string) {
		c, err := w.Start(t.Context(), w.who, channels.StartRequest{Platform: "test.network", Channel: ch.ID})
		w.must(err)
		u, err := url.Parse(c.Redirect)
		w.must(err)
		return c, u.Query().Get("state")
	}
	c, state := start()
	c, err := w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "c"})
	w.must(err)
	if c.Reason != "connection.other_account" {
		t.Errorf("connection: %+v", c)
	}
	w.net.accounts = []social.Account{{ID: "2"}, {ID: "1"}}
	c, state = start()
	c, err = w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "c"})
	w.must(err)
	if c.Stage != channels.Done || c.Channels[0] != ch.ID {
		t.Errorf("connection: %+v", c)
	}
}

func TestStartRefusesBadInput(t *testing.T) {
	for name, tc := range map[string]struct {
		req   channels.StartRequest
		code  fault.Code
		field string
	}{
		"unknown platform": {channels.StartRequest{Platform: "other"}, fault.NotFound, "/platform"},
		"bad instance":     {channels.StartRequest{Platform: "test.network", Input: map[string]string{"instance": "127.0.0.1"}}, fault.Invalid, "/input/instance"},
		"elsewhere":        {channels.StartRequest{Platform: "test.network", ReturnURL: "https://evil.example/"}, fault.Invalid, "/return_url"},
		"double slash":     {channels.StartRequest{Platform: "test.network", ReturnURL: "//evil.example/"}, fault.Invalid, "/return_url"},
		"backslash":        {channels.StartRequest{Platform: "test.network", ReturnURL: "/\\evil.example/"}, fault.Invalid, "/return_url"},
		"script":           {channels.StartRequest{Platform: "test.network", ReturnURL: "javascript:alert(1)"}, fault.Invalid, "/return_url"},
		"their channel":    {channels.StartRequest{Platform: "test.network", Channel: channels.NewID()}, fault.NotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			_, err := w.Start(t.Context(), w.who, tc.req)
			if f := fault.Of(err); f == nil || f.Code != tc.code || f.Field != tc.field {
				t.Errorf("err = %v, want %s at %s", err, tc.code, tc.field)
			}
		})
	}
}
