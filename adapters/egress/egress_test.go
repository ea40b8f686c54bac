package egress_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/ports/fault"
)

// Every way to write an address that is not a stranger's server, and some that are.
var vectors = map[string]bool{ // URL → may be called
	"https://8.8.8.8/":                           true,
	"https://1.1.1.1:8443/":                      true,
	"https://93.184.216.34/":                     true,
	"https://[2606:4700::1111]/":                 true,
	"https://[2a00:1450:4001:81b::200e]/":        true,
	"https://[::ffff:8.8.8.8]/":                  true,
	"https://example.com/hook?a=b#c":             true,
	"https://example.com:8443/":                  true,
	"https://EXAMPLE.com./":                      true,
	"https://xn--bcher-kva.example/":             true,
	"https://0.0.0.0/":                           false,
	"https://0.1.2.3/":                           false,
	"https://10.0.0.1/":                          false,
	"https://10.255.255.255/":                    false,
	"https://100.64.0.1/":                        false,
	"https://100.100.100.200/":                   false, // metadata of one cloud
	"https://127.0.0.1/":                         false,
	"https://127.1.2.3/":                         false,
	"https://169.254.0.1/":                       false,
	"https://169.254.169.254/latest/":            false, // metadata of most clouds
	"https://169.254.170.2/v2/":                  false, // container credentials
	"https://172.16.0.1/":                        false,
	"https://172.31.255.255/":                    false,
	"https://192.0.0.1/":                         false,
	"https://192.0.0.192/":                       false,
	"https://192.0.2.1/":                         false,
	"https://192.31.196.1/":                      false,
	"https://192.52.193.1/":                      false,
	"https://192.88.99.1/":                       false,
	"https://192.168.1.1/":                       false,
	"https://192.175.48.1/":                      false,
	"https://198.18.0.1/":                        false,
	"https://198.19.255.255/":                    false,
	"https://198.51.100.1/":                      false,
	"https://203.0.113.1/":                       false,
	"https://224.0.0.1/":                         false,
	"https://239.255.255.255/":                   false,
	"https://240.0.0.1/":                         false,
	"https://255.255.255.255/":                   false,
	"https://168.63.129.16/":                     false,
	"https://[::]/":                              false,
	"https://[::1]/":                             false,
	"https://[::127.0.0.1]/":                     false, // compatible form
	"https://[::ffff:127.0.0.1]/":                false, // mapped form
	"https://[::ffff:a9fe:a9fe]/":                false,
	"https://[0:0:0:0:0:ffff:10.0.0.1]/":         false,
	"https://[64:ff9b::a9fe:a9fe]/":              false, // NAT64
	"https://[64:ff9b:1::a9fe:a9fe]/":            false,
	"https://[100::1]/":                          false, // discard
	"https://[2001::1]/":                         false, // Teredo
	"https://[2001:db8::1]/":                     false,
	"https://[2002:7f00:1::]/":                   false, // 6to4 of 127.0.0.1
	"https://[3fff::1]/":                         false,
	"https://[2620:4f:8000::1]/":                 false,
	"https://[5f00::1]/":                         false,
	"https://[fc00::1]/":                         false,
	"https://[fd00:ec2::254]/":                   false,
	"https://[fe80::1]/":                         false,
	"https://[fe80::1%25lo]/":                    false,
	"https://[2606:4700::1111%25eth0]/":          false, // a zone on a public address
	"https://[fec0::1]/":                         false,
	"https://[ff02::1]/":                         false,
	"https://8.8.8.8:22/":                        false,
	"https://example.com:6379/":                  false,
	"https://example.com:99999/":                 false,
	"http://example.com/":                        false,
	"ftp://example.com/":                         false,
	"file:///etc/passwd":                         false,
	"gopher://example.com/":                      false,
	"https://user:pass@example.com/":             false,
	"https://example.com@127.0.0.1/":             false,
	"https:///nothing":                           false,
	"https:example.com":                          false,
	"//example.com/":                             false,
	"":                                           false,
	"https://exa mple.com/":                      false,
	"https://" + strings.Repeat("a", 2100) + "/": false,
}

func TestVectors(t *testing.T) {
	e := egress.New(egress.Options{})
	for raw, want := range vectors {
		if err := e.Check(raw); (err == nil) != want || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want ok = %v", raw, err, want)
		}
	}
}

// The same addresses behind a name: only the dial can know.
func TestNamesThatLeadInside(t *testing.T) {
	for _, addr := range []string{
		"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe",
		"fe80::1%lo", "0.0.0.0", "2002:7f00:1::", "192.168.0.1", "100.100.100.200",
	} {
		e := egress.New(egress.Options{Resolver: answers{{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr(addr)}}.next()})
		_, err := e.DialContext(t.Context(), "tcp", "harmless.example:443")
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: err = %v, want refused", addr, err)
		}
	}
}

// A name that answers with a public address first and a private one later is
// asked once per connection, and the connection goes to what was checked.
func TestRebinding(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") }))
	defer inside.Close()
	port := netip.MustParseAddrPort(inside.Listener.Addr().String()).Port()
	var asked atomic.Int32
	resolver := resolverFunc(func() []netip.Addr {
		if asked.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")} // permitted below, never answers
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})
	e := egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Resolver: resolver, Ports: []uint16{port}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	target := net.JoinHostPort("rebind.example", "80")
	if conn, err := e.DialContext(ctx, "tcp", target); err == nil {
		conn.Close()
		t.Fatal("connected to the second answer")
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the name was asked for %d times", n)
	}
	if _, err := e.Client(time.Second, 100).Get("http://rebind.example:" + inside.URL[strings.LastIndex(inside.URL, ":")+1:]); !fault.Is(err, fault.Invalid) {
		t.Errorf("err = %v, want refused", err)
	}
}

func TestClient(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "0123456789") })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "0123456789a") })
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(bytes.Repeat([]byte{0}, 1<<20))
		_ = z.Close()
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/hop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/inside", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	client := local().Client(time.Second, 10)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // never consulted

	for path, want := range map[string]struct {
		code   fault.Code
		reason string
	}{
		"/ok": {}, "/hop": {},
		"/long":   {fault.Unavailable, "egress.too_large"},
		"/bomb":   {fault.Unavailable, "egress.too_large"},
		"/slow":   {fault.Unavailable, "egress.unreachable"},
		"/drip":   {fault.Unavailable, "egress.unreachable"},
		"/loop":   {fault.Invalid, "egress.refused"},
		"/inside": {fault.Invalid, "egress.refused"},
		"/file":   {fault.Invalid, "egress.bad_scheme"},
	} {
		res, err := client.Get(srv.URL + path)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		switch {
		case want.code == "" && (err != nil || string(got) != "0123456789"):
			t.Errorf("%s: %q, %v", path, got, err)
		case want.code != "" && (!fault.Is(err, want.code) || fault.Of(err).Reason != want.reason):
			t.Errorf("%s: err = %v, want %s", path, err, want.reason)
		case len(got) > 10:
			t.Errorf("%s: %d bytes got through", path, len(got))
		}
	}
}

// What a caller may show says nothing about what is there.
func TestMessagesSayNothing(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := closed.Addr().String()
	closed.Close()
	_, err = local().Client(time.Second, 10).Get("http://" + addr)
	if f := fault.Of(err); f.Code != fault.Unavailable || strings.Contains(f.Message, addr) || strings.Contains(f.Message, "refused") {
		t.Errorf("fault = %s %q", f.Code, f.Message)
	}
}

func TestLoopbackPorts(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	port := netip.MustParseAddrPort(srv.Listener.Addr().String()).Port()
	e := egress.New(egress.Options{AllowLoopbackPorts: []uint16{port}})
	if _, err := e.Client(time.Second, 100).Get(srv.URL); err != nil {
		t.Errorf("the open port: %v", err)
	}
	if err := e.Check("http://127.0.0.1:1/"); !fault.Is(err, fault.Invalid) {
		t.Errorf("another port: %v", err)
	}
}

func TestACallerWhoLeftHearsSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1/", nil)
	if _, err := local().Client(time.Second, 10).Do(req); !fault.Is(err, fault.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	for raw := range vectors {
		f.Add(raw)
	}
	e := egress.New(egress.Options{})
	f.Fuzz(func(t *testing.T, raw string) {
		if err := e.Check(raw); err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", raw, err)
		}
	})
}

// local is a policy that opens this machine.
func local() *egress.Egress {
	return egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
}

type answers [][]netip.Addr

func (a answers) next() resolverFunc {
	return func() []netip.Addr { return a[0] }
}

type resolverFunc func() []netip.Addr

func (f resolverFunc) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return f(), nil
}
