package httpapi

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// tap is a stream whose frames the test sends.
type tap struct {
	frames chan string
	closed chan bool
	last   events.Cursor
	who    tenants.Scope
}

func (s *tap) Subscribe(_ context.Context, who tenants.Scope, last events.Cursor, check func(context.Context) error) (Stream, error) {
	s.last, s.who = last, who
	return s, check(context.Background())
}

func (s *tap) Frame(ctx context.Context) ([]byte, error) {
	select {
	case f := <-s.frames:
		return []byte(f), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *tap) Close() { close(s.closed) }

// A stream sends each frame at once, outlives the deadline of other requests,
// and ends when its reader has left.
func TestStreamEvents(t *testing.T) {
	cfg := testConfig()
	cfg.Timeout = 50 * time.Millisecond
	s := &tap{frames: make(chan string), closed: make(chan bool)}
	app, err := New(cfg, &Server{Streams: s})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", listen(t, app))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET /api/v1/events/stream HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer key\r\nLast-Event-ID: evt_1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	go func() { s.frames <- "data: 1\n\n" }()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%v %v", res, err)
	}
	read := func() string {
		buf := make([]byte, 64)
		n, err := res.Body.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	if got := read(); got != "data: 1\n\n" {
		t.Errorf("%q", got)
	}
	select { // the deadline of other requests passes
	case <-s.closed:
		t.Fatal("the stream ended with the request's deadline")
	case <-time.After(3 * cfg.Timeout):
	}
	long := "data: " + strings.Repeat("x", 3) + "\n\n"
	s.frames <- long
	if got := read(); got != long {
		t.Errorf("%q", got)
	}
	if s.last != "evt_1" || s.who.Tenant != home {
		t.Errorf("resumed after %q in %s", s.last, s.who.Tenant)
	}
	_ = conn.Close()
	for {
		select {
		case <-s.closed:
			return
		case s.frames <- ":\n\n": // a heartbeat finds out
		case <-time.After(5 * time.Second):
			t.Fatal("nobody noticed that the reader has left")
		}
	}
}

// evicting has signed everybody out.
type evicting struct{ doorman }

func (evicting) StillSignedIn(context.Context, identity.Principal) error {
	return fault.New(fault.Unauthenticated, "session.ended", "Please sign in again.")
}

// A stream is open for as long as its reader could open it again.
func TestAStreamEndsWithItsSession(t *testing.T) {
	person, key := identity.Principal{User: alice, Session: "ses_x"}, identity.Principal{User: alice, Scope: &tenants.Scope{Tenant: home}}
	for name, tc := range map[string]struct {
		auth   Authenticator
		who    identity.Principal
		bearer string
		where  tenants.ID
		want   fault.Code
	}{
		"a person":      {doorman{}, person, "", home, ""},
		"signed out":    {evicting{}, person, "", home, fault.Unauthenticated},
		"no member":     {doorman{}, person, "", foreign, fault.NotFound},
		"a key":         {evicting{}, key, "Bearer key", home, ""},
		"a revoked key": {evicting{}, key, "Bearer gone", home, fault.Unauthenticated},
	} {
		cfg := testConfig()
		cfg.Auth = tc.auth
		err := testSurface(t, cfg).still(tc.who, tc.bearer, tenants.Scope{Tenant: tc.where})(t.Context())
		if tc.want == "" && err != nil || tc.want != "" && !fault.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
