package egress_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
)

func TestProxy(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "" {
			t.Error("the token left the machine")
		}
		_, _ = io.Copy(w, r.Body)
	}))
	defer plain.Close()
	secure := httptest.NewTLSServer(plain.Config.Handler)
	defer secure.Close()
	p := listen(t, local(), egress.Limits{})
	g := p.Grant("pigeon", []string{"127.0.0.1", "{instance}"})

	for _, target := range []string{plain.URL, secure.URL} {
		body, err := post(t, through(t, g.URL(), secure), target, "hello")
		if err != nil || body != "hello" {
			t.Errorf("%s: %q, %v", target, body, err)
		}
	}
	if u := g.Usage(); u.Plugin != "pigeon" || u.Requests != 2 || u.Sent < 10 || u.Received < 10 || u.Refused != 0 {
		t.Errorf("usage = %+v", u)
	}
	if all := p.Usage(); len(all) != 1 {
		t.Errorf("usage of all = %v", all)
	}
}

func TestProxyRefuses(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	port := srv.URL[strings.LastIndex(srv.URL, ":")+1:]
	p := listen(t, local(), egress.Limits{})
	g := p.Grant("pigeon", []string{"example.com", "10.0.0.1", "127.0.0.1:1"})
	stranger, _ := url.Parse(g.URL())
	stranger.User = url.UserPassword("pigeon", "guessed")
	other, _ := url.Parse(g.URL())
	token, _ := other.User.Password()
	other.User = url.UserPassword("mastodon", token)

	for name, tc := range map[string]struct{ proxy, target, want string }{
		"no such host":        {g.URL(), "https://localhost:" + port, "Forbidden"},
		"another port":        {g.URL(), "https://127.0.0.1:" + port, "Forbidden"},
		"a private address":   {g.URL(), "https://10.0.0.1", "Forbidden"},
		"a guessed token":     {stranger.String(), "https://example.com", "Proxy Authentication Required"},
		"another plugin name": {other.String(), "https://example.com", "Proxy Authentication Required"},
	} {
		if _, err := post(t, through(t, tc.proxy, srv), tc.target, ""); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: err = %v, want %s", name, err, tc.want)
		}
	}
	if u := g.Usage(); u.Refused != 3 || u.Sent != 0 {
		t.Errorf("usage = %+v", u)
	}
}

// A host that is not in a manifest is told to the operator, once for all that
// ask for it.
func TestProxyTellsOfRefusedHosts(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	told := make(chan string, 10)
	p := listen(t, local(), egress.Limits{Refused: func(plugin, host string) { told <- plugin + " " + host }})
	g := p.Grant("pigeon", []string{"example.com", "10.0.0.1"})
	for _, target := range []string{"https://Perch.example", "https://perch.example", "https://10.0.0.1"} {
		if _, err := post(t, through(t, g.URL(), srv), target, ""); err == nil {
			t.Errorf("%s was reached", target)
		}
	}
	close(told)
	var all []string
	for one := range told {
		all = append(all, one)
	}
	if len(all) != 1 || all[0] != "pigeon perch.example:443" {
		t.Errorf("told of %q", all)
	}
}

// The account's own instance is open for as long as a call about it lasts.
func TestProxyAllow(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer srv.Close()
	g := listen(t, local(), egress.Limits{}).Grant("mastodon", nil)
	get := func() int {
		res, err := through(t, g.URL(), nil).Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	first, second := g.Allow("127.0.0.1"), g.Allow("127.0.0.1")
	first()
	first() // releasing twice counts once
	if got := get(); got != http.StatusNoContent {
		t.Errorf("while one call is on: %d", got)
	}
	second()
	if got := get(); got != http.StatusForbidden {
		t.Errorf("after both: %d", got)
	}
}

func TestProxyHostPatterns(t *testing.T) {
	resolver := resolverFunc(func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.9.9.9")} })
	p := listen(t, egress.New(egress.Options{Resolver: resolver}), egress.Limits{})
	g := p.Grant("x", []string{"api.x.com", "*.Googleapis.com", "files.example:8443", "*", "{instance}"})
	g.Allow("*.com", "*.com:443", "*.com.", "a*.example", "*.*.example", "*:443")
	for target, named := range map[string]bool{
		"api.x.com:443": true, "API.X.COM:443": true, "api.x.com.:443": true, "x.com:443": false, "evilapi.x.com:443": false,
		"a.googleapis.com:443": true, "a.b.googleapis.com:443": true, "googleapis.com:443": false, "evilgoogleapis.com:443": false,
		"files.example:8443": true, "files.example:443": false, "anything.example:443": false, "api.x.com.evil.example:443": false,
	} {
		before := g.Usage().Requests // counted once the name has passed
		_, err := post(t, through(t, g.URL(), nil), "https://"+target, "")
		if err == nil || g.Usage().Requests-before != map[bool]int64{true: 1}[named] {
			t.Errorf("%s: err = %v, named = %v", target, err, !named)
		}
	}
}

func TestProxyLimits(t *testing.T) {
	echo := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/idle":
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case "/big":
			_, _ = w.Write(make([]byte, 1<<20))
		}
	}))
	defer echo.Close()
	p := listen(t, local(), egress.Limits{Conns: 1, Bytes: 64 << 10, Idle: 100 * time.Millisecond})
	g := p.Grant("pigeon", []string{"127.0.0.1"})
	for _, path := range []string{"/big", "/idle"} {
		if body, err := post(t, through(t, g.URL(), echo), echo.URL+path, ""); err == nil {
			t.Errorf("%s: %d bytes and no error", path, len(body))
		}
	}
	if u := g.Usage(); u.Received > 2*64<<10 {
		t.Errorf("received %d", u.Received)
	}
}

func TestProxyRevoke(t *testing.T) {
	started := make(chan struct{})
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		close(started)
		<-r.Context().Done()
	}))
	defer srv.Close()
	g := listen(t, local(), egress.Limits{}).Grant("pigeon", []string{"127.0.0.1"})
	client := through(t, g.URL(), srv)
	done := make(chan error, 1)
	go func() {
		_, err := post(t, client, srv.URL, "")
		done <- err
	}()
	<-started
	g.Revoke()
	select {
	case err := <-done:
		if err == nil {
			t.Error("the call ended well")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a revoked tunnel goes on")
	}
	if _, err := post(t, through(t, g.URL(), srv), srv.URL, ""); err == nil {
		t.Error("a revoked token opens tunnels")
	}
}

// A request that could not be sent says so, and is not mistaken for one that was lost.
func TestProxySaysUnsent(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	g := listen(t, local(), egress.Limits{}).Grant("pigeon", []string{"127.0.0.1"})
	res, err := through(t, g.URL(), nil).Get("http://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Proxy-Status"); res.StatusCode != http.StatusBadGateway || got != "carillon; error=destination_unavailable" {
		t.Errorf("%d %q", res.StatusCode, got)
	}
}

func listen(t *testing.T, e *egress.Egress, l egress.Limits) *egress.Proxy {
	t.Helper()
	p, err := egress.ListenProxy(e, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// through is a client behind the proxy at raw that trusts srv.
func through(t *testing.T, raw string, srv *httptest.Server) *http.Client {
	t.Helper()
	proxy, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if srv != nil && srv.Certificate() != nil {
		roots.AddCert(srv.Certificate())
	}
	tr := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 5 * time.Second}
}

func post(t *testing.T, c *http.Client, target, body string) (string, error) {
	t.Helper()
	res, err := c.Post(target, "text/plain", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusProxyAuthRequired {
		return "", errors.New(res.Status)
	}
	got, err := io.ReadAll(res.Body)
	return string(got), err
}
