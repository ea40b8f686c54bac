package sdk_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

func post(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("text=hi"))
	if err != nil {
		t.Fatal(err)
	}
	// With this header net/http thinks that it may send a request twice.
	req.Header.Set("Idempotency-Key", "k")
	return req
}

// raw serves each connection by hand.
func raw(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go handle(c)
		}
	}()
	return "http://" + l.Addr().String()
}

// read takes one small request off c.
func read(c net.Conn) {
	b := make([]byte, 4<<10)
	_, _ = c.Read(b)
}

func answering(s string) func(net.Conn) {
	return func(c net.Conn) {
		read(c)
		_, _ = io.WriteString(c, s)
		_ = c.Close()
	}
}

func TestWhatAFailedCommitProves(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	secure := httptest.NewTLSServer(nil) // with a certificate that nobody trusts
	t.Cleanup(secure.Close)
	for name, tt := range map[string]struct {
		url  string
		want social.Kind
	}{
		"nobody listens":            {closed.URL, social.Transient},
		"no such host":              {"http://host.invalid:1", social.Transient},
		"the certificate is wrong":  {secure.URL, social.Transient},
		"closed at once":            {raw(t, func(c net.Conn) { _ = c.Close() }), social.Ambiguous},
		"closed after the request":  {raw(t, func(c net.Conn) { read(c); _ = c.Close() }), social.Ambiguous},
		"reset after the request":   {raw(t, func(c net.Conn) { read(c); _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }), social.Ambiguous},
		"no answer in time":         {raw(t, func(net.Conn) {}), social.Ambiguous},
		"not HTTP":                  {raw(t, answering("hello\r\n\r\n")), social.Ambiguous},
		"cut in the body":           {raw(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")), social.Ambiguous},
		"cut in a chunk":            {raw(t, answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{")), social.Ambiguous},
		"an answer over the limit":  {raw(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"+strings.Repeat("x", 5_000_000))), social.Ambiguous},
		"the query is not repeated": {closed.URL + "/?secret=1", social.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			res, err := sdk.Commit(ctx, sdk.HTTPClient(), post(t, tt.url))
			f := social.FaultOf(err, true)
			if err == nil || res != nil || f.Kind != tt.want || f.Source != social.FromNetwork {
				t.Fatalf("%v, %+v, want %s", res, err, tt.want)
			}
			if strings.Contains(f.Err.Error(), "secret") {
				t.Errorf("the address is in %v", f.Err)
			}
		})
	}
}

func TestACallThatIsOverWasNotSent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sdk.Commit(ctx, sdk.HTTPClient(), post(t, raw(t, answering(""))))
	if f := social.FaultOf(err, true); f.Kind != social.Transient {
		t.Error(err)
	}
}

func TestACommitReturnsEveryAnswer(t *testing.T) {
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		b, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		case "/broken":
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = w.Write(b)
		}
	}))
	t.Cleanup(s.Close)
	for path, want := range map[string]int{"/": 200, "/moved": 307, "/broken": 502} {
		for name, client := range map[string]*http.Client{"ours": sdk.HTTPClient(), "the test server's": s.Client(), "the default": http.DefaultClient} {
			calls.Store(0)
			res, err := sdk.Commit(t.Context(), client, post(t, s.URL+path))
			if err != nil || res.StatusCode != want || calls.Load() != 1 {
				t.Fatalf("%s with %s client: %v, %v, %d requests", path, name, res, err, calls.Load())
			}
			if b, err := io.ReadAll(res.Body); path == "/" && (err != nil || string(b) != "text=hi") {
				t.Errorf("body %q, %v", b, err)
			}
		}
	}
}

// A server that keeps a connection open, takes a second request on it and
// closes without an answer: the moment in which net/http sends it again.
func staleServer(t *testing.T) (url string, posts *atomic.Int32) {
	t.Helper()
	posts = new(atomic.Int32)
	return raw(t, func(c net.Conn) {
		b := make([]byte, 4<<10)
		for first := true; ; first = false {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if strings.HasPrefix(string(b[:n]), "POST") {
				posts.Add(1)
			}
			if !first {
				_ = c.Close()
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	}), posts
}

func TestACommitIsNeverRepeatedBeneath(t *testing.T) {
	warm := func(t *testing.T, client *http.Client, url string) {
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	t.Run("commit", func(t *testing.T) {
		url, posts := staleServer(t)
		client := sdk.HTTPClient()
		warm(t, client, url)
		if _, err := sdk.Commit(t.Context(), client, post(t, url)); err != nil || posts.Load() != 1 {
			t.Errorf("%d requests, %v", posts.Load(), err)
		}
	})
	// The control: without Commit the same request does go out twice, so this
	// test would see it.
	t.Run("control", func(t *testing.T) {
		url, posts := staleServer(t)
		client := sdk.HTTPClient()
		warm(t, client, url)
		res, err := client.Do(post(t, url))
		if err == nil {
			_ = res.Body.Close()
		}
		if posts.Load() != 2 {
			t.Errorf("%d requests", posts.Load())
		}
	})
}

func TestOnlyReadsFollowRedirects(t *testing.T) {
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1); r.URL.Path == "/" {
			http.Redirect(w, r, "/there", http.StatusPermanentRedirect)
		}
	}))
	t.Cleanup(s.Close)
	res, err := sdk.HTTPClient().Do(post(t, s.URL))
	if err != nil || res.StatusCode != http.StatusPermanentRedirect || calls.Load() != 1 {
		t.Errorf("POST: %v, %v, %d requests", res, err, calls.Load())
	}
	res, err = sdk.HTTPClient().Get(s.URL)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("GET: %v, %v", res, err)
	}
}

func TestTheEgressProxyIsUsedEvenForLoopback(t *testing.T) {
	var proxied atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	direct := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(proxy.Close)
	t.Cleanup(direct.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", strings.TrimPrefix(direct.URL, "http://"))
	client := sdk.HTTPClient()
	if res, err := client.Get("http://127.0.0.1:1/"); err != nil || res.StatusCode != http.StatusOK || proxied.Load() != 1 {
		t.Errorf("around the proxy: %v, %v", res, err)
	}
	if res, err := client.Get(direct.URL); err != nil || res.StatusCode != http.StatusTeapot || proxied.Load() != 1 {
		t.Errorf("not direct: %v, %v", res, err)
	}
	if _, err := sdk.Commit(t.Context(), client, post(t, "http://127.0.0.1:1/")); err != nil || proxied.Load() != 2 {
		t.Errorf("a commit went around the proxy: %v", err)
	}
}

func TestWhatTheProxyStoppedWasNotSent(t *testing.T) {
	for reason, want := range map[string]social.Kind{
		"connection_limit_reached": social.Transient,
		"destination_unavailable":  social.Transient,
		"http_request_denied":      social.Transient,
		"connection_terminated":    "", // it may have been sent: the plugin judges the 503
		"something_new":            "",
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Proxy-Status", "carillon; error="+reason)
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		t.Cleanup(proxy.Close)
		t.Setenv("HTTPS_PROXY", proxy.URL)
		res, err := sdk.Commit(t.Context(), sdk.HTTPClient(), post(t, "http://platform.example/post"))
		if want == "" && (err != nil || res.StatusCode != http.StatusServiceUnavailable) || want != "" && (err == nil || social.FaultOf(err, true).Kind != want) {
			t.Errorf("%s: %v, %v", reason, res, err)
		}
		// Without a proxy it is the platform that says so, and anybody can say so.
		t.Setenv("HTTPS_PROXY", "")
		if res, err := sdk.Commit(t.Context(), sdk.HTTPClient(), post(t, proxy.URL)); err != nil || res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s from the platform itself: %v, %v", reason, res, err)
		}
	}
}

func TestRefusal(t *testing.T) {
	for status, want := range map[int][2]social.Kind{ // before a commit, in it
		302: {social.Transient, social.Ambiguous},
		400: {social.Invalid, social.Invalid},
		401: {social.AuthExpired, social.AuthExpired},
		403: {social.Permission, social.Permission},
		404: {social.NotFound, social.NotFound},
		408: {social.Transient, social.Ambiguous},
		409: {social.Duplicate, social.Duplicate},
		422: {social.Invalid, social.Invalid},
		429: {social.RateLimited, social.RateLimited},
		500: {social.Transient, social.Ambiguous},
		501: {social.Unsupported, social.Unsupported},
		503: {social.Transient, social.Ambiguous},
	} {
		for i, commit := range []bool{false, true} {
			rec := httptest.NewRecorder()
			rec.Header().Set("Retry-After", "7")
			rec.WriteHeader(status)
			_, _ = rec.WriteString(strings.Repeat("é", 3000) + "\xff")
			f := sdk.Refusal(rec.Result(), commit, "test.refused")
			if f.Kind != want[i] || f.RetryAfter != 7*time.Second || f.HTTPStatus != status || len(f.Upstream) > 2<<10 {
				t.Errorf("%d, commit %t: %+v", status, commit, f)
			}
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "Wed, 21 Oct 2099 07:28:00 GMT", "-1", "99999999999", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		res := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {s}}, Body: http.NoBody}
		if d := sdk.Refusal(res, true, "k").RetryAfter; d < 0 || d > 24*time.Hour {
			t.Errorf("%q became %s", s, d)
		}
	})
}

// A process that is suspended while it connects must not send when it wakes up.
func TestNothingIsSentAfterTheDeadline(t *testing.T) {
	var got atomic.Int64
	url := raw(t, func(c net.Conn) {
		n, _ := io.Copy(io.Discard, c)
		got.Add(n)
	})
	slow := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		<-time.After(200 * time.Millisecond)
		return c, err
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := sdk.Commit(ctx, &http.Client{Transport: slow}, post(t, url))
	<-time.After(300 * time.Millisecond)
	if err == nil || got.Load() != 0 {
		t.Errorf("%v, and %d bytes arrived", err, got.Load())
	}
}
