package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// backdoor is the part of channels that a returning person meets.
type backdoor struct{ Channels }

func (backdoor) Start(context.Context, tenants.Scope, channels.StartRequest) (channels.Connection, error) {
	return channels.Connection{
		ID: channels.NewConnectionID(), Stage: channels.AwaitsRedirect, Redirect: "https://example.com/authorize", Binding: "b1nding", ExpiresAt: time.Now().Add(time.Minute),
	}, nil
}

func (backdoor) Callback(_ context.Context, binding, state string, query map[string]string) (channels.Connection, error) {
	switch {
	case binding != "b1nding" || query["code"] == "":
		return channels.Connection{}, fault.New(fault.Invalid, "connection.unknown_state", "Please start again.")
	case state == "back":
		return channels.Connection{Stage: channels.Done, Channels: []channels.ID{"chn_x"}, ReturnURL: "https://app.example.com/channels"}, nil
	}
	return channels.Connection{Stage: channels.Failed, Message: "<b>The platform</b> said no."}, nil
}

func TestCallback(t *testing.T) {
	app, err := New(testConfig(), &Server{Channels: backdoor{}})
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, app)
	body := `{"platform":"test.platform"}`
	res, got := raw(t, addr, "POST /api/v1/connections HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer key\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n"+body)
	cookie := res.Header.Get("Set-Cookie")
	if res.StatusCode != http.StatusCreated || strings.Contains(got, "b1nding") {
		t.Fatalf("%d %s", res.StatusCode, got)
	}
	for _, flag := range []string{"carillon_connect=b1nding", "HttpOnly", "secure", "SameSite=Lax", "path=/oauth"} {
		if !strings.Contains(cookie, flag) {
			t.Errorf("cookie %q lacks %s", cookie, flag)
		}
	}
	for name, tc := range map[string]struct {
		query, cookie string
		status        int
		has, hasNot   string
	}{
		"comes back":      {"state=back&code=1", "b1nding", 303, "", ""},
		"other browser":   {"state=back&code=1", "", 422, "connection.unknown_state", ""},
		"platform denied": {"state=x&code=1", "b1nding", 200, "&lt;b&gt;The platform", "<b>"},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := raw(t, addr, "GET /oauth/callback?"+tc.query+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\nCookie: carillon_connect="+tc.cookie+"\r\n\r\n")
			if res.StatusCode != tc.status || !strings.Contains(body, tc.has) || tc.hasNot != "" && strings.Contains(body, tc.hasNot) {
				t.Errorf("%d %s", res.StatusCode, body)
			}
			checkEnvelope(t, res, body)
			if tc.status == 303 && (res.Header.Get("Location") != "https://app.example.com/channels" || !strings.Contains(res.Header.Get("Set-Cookie"), "carillon_connect=;")) {
				t.Errorf("to %q with %q", res.Header.Get("Location"), res.Header.Get("Set-Cookie"))
			}
		})
	}
}

// A person in a browser gets a page, whoever asks for anything gets a problem.
func TestCallbackRefusesAPersonWithAPage(t *testing.T) {
	app, err := New(testConfig(), &Server{Channels: backdoor{}})
	if err != nil {
		t.Fatal(err)
	}
	res, body := raw(t, listen(t, app), "GET /oauth/callback?state=back&code=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\r\n")
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	for _, says := range []string{"Please start again.", "carillon_connect", ":continue", "connection.unknown_state"} {
		if !strings.Contains(body, says) {
			t.Errorf("it does not say %q: %s", says, body)
		}
	}
}
