package egress_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/ports/fault"
)

// spellings are this machine and its neighbours as resolvers of C libraries read
// them, and as browsers and people write them. To us they are names: whoever
// resolves them to an address of ours does not get there.
var spellings = []string{
	"2130706433", "017700000001", "0x7f000001", "0x7f.0x0.0x0.0x1", "0177.0.0.01", "0177.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "127.000.000.001", "0", "0.0", "00.00.00.00",
	"localhost", "localhost.", "LOCALHOST", "ip6-localhost", "127.0.0.1.nip.example", "metadata.google.internal", "169.254.43518", "0xa9fea9fe", "2852039166", "10.1", "0xa.1", "192.168.257",
	"１２７.0.0.1", "127。0。0。1", "①②⑦.⓪.⓪.①", "ⓛocalhost", "loc\u00adalhost", "127.0.0.1\u200b", "１６９.２５４.１６９.２５４",
	"%31%32%37.0.0.1", "%6cocalhost", "127.0.0.1%2f", "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[::7f00:1]", "[0:0:0:0:0:0:0:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::1]", "[2001:0:7f00:1::]", "[fe80::1%25eth0]", "[::1%25lo]", "[fd12:3456::1]",
}

// libc answers every name with an address of ours, as a resolver would that
// understands all spellings.
type libc struct{ addr netip.Addr }

func (l libc) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{l.addr}, nil
}

func TestEverySpellingOfThisMachineIsRefused(t *testing.T) {
	if len(vectors)+len(spellings) < 100 {
		t.Fatalf("%d vectors", len(vectors)+len(spellings))
	}
	for _, addr := range []string{"127.0.0.1", "169.254.169.254", "0.0.0.0", "10.0.0.1", "100.64.0.1"} {
		e := egress.New(egress.Options{Resolver: libc{netip.MustParseAddr(addr)}})
		for _, host := range spellings {
			for _, raw := range []string{"https://" + host + "/", "https://" + host + ":8443/x", "https://" + host + "?@example.com/"} {
				if _, err := e.Client(time.Second, 10).Get(raw); err == nil || strings.Contains(err.Error(), "connect") {
					t.Errorf("%s, which is %s: %v", raw, addr, err)
				}
			}
		}
	}
}

// hopper redirects to what it is asked to, and n times to itself.
func hopper(t *testing.T) (*httptest.Server, *http.Client) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{r.URL.Query().Get("url")}
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/hops", func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscan(r.URL.Query().Get("n"), &n)
		if n == 0 {
			_, _ = io.WriteString(w, "there")
			return
		}
		http.Redirect(w, r, fmt.Sprint("/hops?n=", n-1), http.StatusFound)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	port := netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
	// Only this port of this machine is open, as the practice network is in dev.
	e := egress.New(egress.Options{AllowLoopbackPorts: []uint16{port}, Resolver: libc{netip.MustParseAddr("169.254.169.254")}})
	return s, e.Client(5*time.Second, 1000)
}

// What may not be called may not be redirected to either: each vector again.
func TestRedirectsPassTheSameDoor(t *testing.T) {
	s, client := hopper(t)
	n := 0
	for raw, open := range vectors {
		if open || raw == "" || strings.HasPrefix(raw, "http://example.com") { // plain HTTP is open here; its name leads to a closed address
			continue
		}
		n++
		res, err := client.Get(s.URL + "/to?url=" + url.QueryEscape(raw))
		if err == nil {
			_ = res.Body.Close()
			if strings.HasPrefix(raw, "//") || res.StatusCode != http.StatusTemporaryRedirect {
				t.Errorf("redirected to %s: %d", raw, res.StatusCode)
			}
			continue
		}
		if f := fault.Of(err); f.Code == fault.Internal && !strings.Contains(err.Error(), "parse") && !strings.Contains(err.Error(), "unsupported protocol") {
			t.Errorf("redirected to %s: %v", raw, err)
		}
	}
	for _, host := range spellings {
		n++
		if _, err := client.Get(s.URL + "/to?url=" + url.QueryEscape("https://"+host+"/")); err == nil {
			t.Errorf("redirected to %s", host)
		}
	}
	if n < 60 {
		t.Errorf("%d redirects", n)
	}
}

func TestRedirectsEnd(t *testing.T) {
	s, client := hopper(t)
	for n, want := range map[int]bool{0: true, 1: true, 3: true, 4: false, 40: false} {
		res, err := client.Get(fmt.Sprint(s.URL, "/hops?n=", n))
		if err == nil {
			_ = res.Body.Close()
		}
		if (err == nil) != want || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%d hops: %v", n, err)
		}
	}
}

// Answers that never end, or hardly begin, take no more than they may.
func TestHostileAnswers(t *testing.T) {
	const most, patience = 64 << 10, 700 * time.Millisecond
	mux := http.NewServeMux()
	endless := func(w io.Writer, r *http.Request, piece []byte) {
		for r.Context().Err() == nil {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	zeros := make([]byte, 32<<10)
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) { endless(w, r, zeros) })
	mux.HandleFunc("/lies", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000000000")
		_, _ = w.Write(zeros)
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) { bombed(w, r, 1) })
	mux.HandleFunc("/gzips", func(w http.ResponseWriter, r *http.Request) { bombed(w, r, 3) })
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		for tick := time.NewTicker(20 * time.Millisecond); r.Context().Err() == nil; <-tick.C {
			_, _ = w.Write([]byte("."))
			_ = http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3000 {
			w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("a", 100))
		}
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil { // 1xx answers without end
			w.WriteHeader(http.StatusEarlyHints)
		}
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	client := local().Client(patience, most)
	for _, path := range []string{"/endless", "/lies", "/gzip", "/gzips", "/drip", "/headers", "/hints"} {
		began := time.Now()
		res, err := client.Get(s.URL + path)
		var n int64
		if err == nil {
			n, err = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		if !fault.Is(err, fault.Unavailable) && path != "/gzips" || n > most {
			t.Errorf("%s: %d bytes, %v", path, n, err)
		}
		if took := time.Since(began); took > 20*patience {
			t.Errorf("%s took %s", path, took)
		}
	}
}

// bombed answers with zeros that were compressed n times over.
func bombed(w http.ResponseWriter, r *http.Request, n int) {
	w.Header().Set("Content-Encoding", strings.TrimPrefix(strings.Repeat(", gzip", n), ", "))
	var out io.Writer = w
	for range n {
		z := gzip.NewWriter(out)
		defer z.Close() // in the opposite order
		out = z
	}
	zeros := make([]byte, 32<<10)
	for range 2000 { // 64 MiB
		if _, err := out.Write(zeros); err != nil || r.Context().Err() != nil {
			return
		}
	}
}
