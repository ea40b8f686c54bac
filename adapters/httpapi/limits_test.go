package httpapi

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func TestMasked(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::1": "2001:db8:1:2::/64",
	} {
		if got := masked(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestLimitsAnnounceThemselves(t *testing.T) {
	addr := serve(t, testConfig(), api.Route{Method: "POST", Path: "/test/login", Public: "test", Rate: "sign_in", Handler: echo})
	login := func() (int, string, string, string) {
		res, body := raw(t, addr, "POST /api/v1/test/login HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Forwarded-For: "+time.Now().String()+"\r\n\r\n")
		return res.StatusCode, res.Header.Get("RateLimit"), res.Header.Get("Retry-After"), body
	}
	for i := range 60 {
		if code, left, _, body := login(); code != 200 || !strings.HasPrefix(left, fmt.Sprintf(`"sign_in";r=%d;t=`, 59-i)) {
			t.Fatalf("%d: %d %s %s", i, code, left, body)
		}
	}
	if code, _, wait, body := login(); code != 429 || wait == "" || !strings.Contains(body, `"retryable":true`) {
		t.Errorf("%d %q %s", code, wait, body)
	}
}

// An office is one address: what one route of sign-in used up is its own alone,
// and the address is not held back below what identity lets strangers try.
func TestSignInCountsByRoute(t *testing.T) {
	cfg := testConfig()
	cfg.Limits = NewLimits(nil)
	addr := serve(t, cfg,
		api.Route{Method: "POST", Path: "/test/login", Public: "test", Rate: "sign_in", Handler: echo},
		api.Route{Method: "POST", Path: "/test/register", Public: "test", Rate: "sign_in", Handler: echo})
	post := func(path string) int {
		res, _ := raw(t, addr, "POST /api/v1/test/"+path+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		return res.StatusCode
	}
	for i := range 60 {
		if code := post("login"); code != 200 {
			t.Fatalf("%d: %d", i, code)
		}
	}
	if code := post("login"); code != 429 {
		t.Errorf("the 61st: %d", code)
	}
	if code := post("register"); code != 200 {
		t.Errorf("another route: %d", code)
	}
}

// crowd is people who are all known, each by a name of their own, or none is.
type crowd struct {
	doorman
	known *bool
}

func (c crowd) Authenticate(context.Context, string) (identity.Principal, error) {
	if !*c.known {
		return identity.Principal{}, fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
	}
	return identity.Principal{User: tenants.UserID(id.New("usr"))}, nil
}

// Requests of people who are known do not use up what an address may do, and
// credentials that are none do, until no more of them are looked at.
func TestAddressesAreForTheUnknown(t *testing.T) {
	known := true
	cfg := testConfig()
	cfg.Auth, cfg.Limits = crowd{known: &known}, NewLimits(nil)
	addr := serve(t, cfg, api.Route{Method: "GET", Path: "/test/own", Session: true, Handler: echo})
	get := func() int {
		res, _ := raw(t, addr, "GET /api/v1/test/own HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer x.y.z\r\n\r\n")
		return res.StatusCode
	}
	for i := range 1300 {
		if code := get(); code != 200 {
			t.Fatalf("known, %d: %d", i, code)
		}
	}
	known = false
	for i := range 1200 {
		if code := get(); code != 401 {
			t.Fatalf("unknown, %d: %d", i, code)
		}
	}
	if code := get(); code != 429 {
		t.Errorf("after 1200 credentials that are none: %d", code)
	}
}

func TestLimitsAreShared(t *testing.T) {
	server := miniredis.RunT(t)
	a, b := NewLimits(dial(t, server.Addr())), NewLimits(dial(t, server.Addr()))
	for i := range 10 {
		l := []*Limits{a, b}[i%2]
		if got := l.take(context.Background(), "sign_in", "x", 10); got.Reached {
			t.Fatalf("%d is refused", i)
		}
	}
	if !a.take(context.Background(), "sign_in", "x", 10).Reached || !b.take(context.Background(), "sign_in", "x", 10).Reached {
		t.Error("two processes count apart")
	}
}

func TestLimitsSurviveRedis(t *testing.T) {
	server := miniredis.RunT(t)
	l := NewLimits(dial(t, server.Addr()))
	if got := l.take(context.Background(), "sign_in", "x", 60); got.Limit != 60 {
		t.Fatalf("%+v", got)
	}
	server.Close()
	began := time.Now()
	var refused int
	for range 60 {
		if l.take(context.Background(), "sign_in", "x", 60).Reached {
			refused++
		}
	}
	if refused != 60-alone {
		t.Errorf("%d of 60 sign-ins refused without Redis, want %d", refused, 60-alone)
	}
	if got := l.take(context.Background(), "read", "x", 300); got.Limit != 300 || got.Reached {
		t.Errorf("reads are held to %d without Redis", got.Limit)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("61 requests waited %s for a Redis that is gone", took)
	}
}

func TestLimitsStartWithoutRedis(t *testing.T) {
	l := NewLimits(dial(t, "127.0.0.1:1"))
	if l.take(context.Background(), "read", "x", 300).Reached {
		t.Error("refused")
	}
}

func TestLimitsComeBackToRedis(t *testing.T) {
	server := miniredis.RunT(t)
	l := NewLimits(dial(t, server.Addr()))
	l.take(context.Background(), "read", "x", 300)
	server.Close()
	l.take(context.Background(), "read", "x", 300)
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	l.retryAt = time.Time{} // the pause is over
	l.mu.Unlock()
	l.take(context.Background(), "read", "back", 300)
	if keys := strings.Join(server.Keys(), " "); !strings.Contains(keys, "back") {
		t.Errorf("keys: %s", keys)
	}
}

func dial(t *testing.T, addr string) redis.UniversalClient {
	t.Helper()
	o, err := RedisOptions("redis://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}
