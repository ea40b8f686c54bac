package web_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/social"
)

func TestRequests(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(`{"said":"token-1"}`))
	}))
	t.Cleanup(server.Close)
	client := web.New("demo", "Demo", server.Client())
	cases := map[string]struct {
		req               web.Request
		contentType, want string
	}{
		"JSON":   {web.Request{Method: "POST", JSON: map[string]int{"a": 1}, Commit: true}, "application/json", `{"a":1}`},
		"a form": {web.Request{Method: "POST", Form: url.Values{"a": {"1"}}}, "application/x-www-form-urlencoded", "a=1"},
		"bytes":  {web.Request{Method: "POST", Body: strings.NewReader("xyz"), Length: 3, Header: map[string]string{"Content-Type": "image/png"}}, "image/png", "xyz"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.req.URL, c.req.Token = server.URL, "token-1"
			reply, err := client.Do(t.Context(), c.req)
			if err != nil || reply.OK() || reply.Status != http.StatusTeapot {
				t.Fatalf("reply = %+v, %v", reply, err)
			}
			if got.Header.Get("Content-Type") != c.contentType || string(body) != c.want || got.Header.Get("Authorization") != "Bearer token-1" {
				t.Errorf("sent %q as %q", body, got.Header.Get("Content-Type"))
			}
			if f := client.Fault(social.Permanent, "x", reply, "token-1", "No."); strings.Contains(f.Upstream, "token-1") || f.Key != "demo.x" {
				t.Errorf("fault = %+v", f)
			}
		})
	}
}

func TestABrokenAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("half"))
	}))
	t.Cleanup(server.Close)
	for commit, want := range map[bool]social.Kind{true: social.Ambiguous, false: social.Transient} {
		_, err := web.New("demo", "Demo", server.Client()).Do(t.Context(), web.Request{Method: "POST", URL: server.URL, Commit: commit})
		if f := social.FaultOf(err, false); f.Kind != want {
			t.Errorf("commit %t: %s, want %s", commit, f.Kind, want)
		}
	}
}

func TestTheGatewaysAddressStaysSecret(t *testing.T) {
	_, err := web.New("demo", "Demo", &http.Client{}).Open(t.Context(), social.Media{URL: "http://127.0.0.1:1/media?key=s3cret"})
	f := social.FaultOf(err, false)
	if f.Kind != social.Transient || errors.Unwrap(f) == nil || strings.Contains(f.Err.Error(), "s3cret") {
		t.Errorf("fault = %v because %v", f, f.Err)
	}
}

func TestRetryAfter(t *testing.T) {
	soon := time.Now().Add(90 * time.Second)
	cases := map[string]struct {
		header string
		reset  time.Time
		least  time.Duration
		most   time.Duration
	}{
		"seconds":       {"7", soon, 7 * time.Second, 7 * time.Second},
		"a date":        {soon.UTC().Format(http.TimeFormat), time.Time{}, 80 * time.Second, 91 * time.Second},
		"a reset":       {"", soon, 85 * time.Second, 91 * time.Second},
		"nothing":       {"", time.Time{}, time.Minute, time.Minute},
		"in the past":   {"", time.Now().Add(-time.Hour), time.Second, time.Second},
		"out of reason": {"99999999", time.Time{}, 24 * time.Hour, 24 * time.Hour},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			h.Set("Retry-After", c.header)
			if got := web.RetryAfter(h, c.reset, time.Minute); got < c.least || got > c.most {
				t.Errorf("wait = %s, want %s to %s", got, c.least, c.most)
			}
		})
	}
}
