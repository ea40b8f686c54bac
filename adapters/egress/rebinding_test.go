package egress_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/ports/fault"
)

// nameserver is a DNS server on this machine that answers each question about a
// name with the next of its addresses, the last one for ever. Nothing may be
// kept of what it says.
type nameserver struct {
	net.PacketConn
	mu    sync.Mutex
	next  map[string][][]netip.Addr
	asked map[string]int
}

func serveNames(t *testing.T, names map[string][][]netip.Addr) (*nameserver, *net.Resolver) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameserver{PacketConn: conn, next: names, asked: map[string]int{}}
	done := make(chan struct{})
	go func() { defer close(done); s.serve() }()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return s, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (s *nameserver) serve() {
	for buf := make([]byte, 1500); ; {
		n, from, err := s.ReadFrom(buf)
		if err != nil {
			return
		}
		var q dnsmessage.Message
		if q.Unpack(buf[:n]) != nil || len(q.Questions) != 1 {
			continue
		}
		q.Response, q.Authoritative, q.Additionals = true, true, nil
		q.Answers = s.answer(q.Questions[0])
		if out, err := q.Pack(); err == nil {
			_, _ = s.WriteTo(out, from)
		}
	}
}

func (s *nameserver) answer(q dnsmessage.Question) (out []dnsmessage.Resource) {
	if q.Type != dnsmessage.TypeA {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	s.asked[name]++
	all := s.next[name]
	if len(all) == 0 {
		return nil
	}
	for _, a := range all[0] {
		out = append(out, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: a.As4()},
		})
	}
	if len(all) > 1 {
		s.next[name] = all[1:]
	}
	return out
}

func (s *nameserver) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

// Two servers share a port: 127.0.0.2 stands for a stranger's, 127.0.0.1 is ours.
func neighbours(t *testing.T) (port string, told func() []string) {
	t.Helper()
	var mu sync.Mutex
	var heard []string
	answer := func(as string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			heard = append(heard, as)
			mu.Unlock()
			w.Header().Set("Connection", "close")
			if to := r.URL.Query().Get("to"); to != "" {
				http.Redirect(w, r, to, http.StatusFound)
				return
			}
			_, _ = io.WriteString(w, as)
		})
	}
	for range 50 {
		ours, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(ours.Addr().String())
		theirs, err := net.Listen("tcp", "127.0.0.2:"+port)
		if err != nil {
			_ = ours.Close()
			continue // somebody has that port there
		}
		for as, ln := range map[string]net.Listener{"ours": ours, "theirs": theirs} {
			s := &httptest.Server{Listener: ln, Config: &http.Server{Handler: answer(as), ReadHeaderTimeout: time.Second}}
			s.Start()
			t.Cleanup(s.Close)
		}
		return port, func() []string { mu.Lock(); defer mu.Unlock(); return heard }
	}
	t.Fatal("no port is free on both")
	return "", nil
}

var (
	stranger = netip.MustParseAddr("127.0.0.2")
	inside   = netip.MustParseAddr("127.0.0.1")
)

// A name that is a stranger's while it is checked and ours a moment later is
// asked for once per connection, and the connection goes to what was checked.
func TestTheCheckedAddressIsDialled(t *testing.T) {
	port, told := neighbours(t)
	const rounds = 30
	dns, resolver := serveNames(t, map[string][][]netip.Addr{"flips.example": flips(rounds)})
	e := egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.PrefixFrom(stranger, 32)}, Resolver: resolver})
	client := e.Client(5*time.Second, 100)
	for i := range 2 * rounds {
		res, err := client.Get("http://flips.example:" + port + "/")
		switch {
		case i%2 == 0 && err != nil:
			t.Fatalf("%d, when it is a stranger's: %v", i, err)
		case i%2 == 0:
			_ = res.Body.Close()
		case !fault.Is(err, fault.Invalid):
			t.Fatalf("%d, when it is ours: %v", i, err)
		}
	}
	if n := dns.count("flips.example"); n != 2*rounds {
		t.Errorf("asked %d times for %d connections", n, 2*rounds)
	}
	for _, as := range told() {
		if as != "theirs" {
			t.Fatal("a connection came to our own address")
		}
	}
}

func flips(n int) (out [][]netip.Addr) {
	for range n {
		out = append(out, []netip.Addr{stranger}, []netip.Addr{inside})
	}
	return out
}

// One address of ours among a stranger's closes the name, in any order, and so
// does a redirect to a name that is ours alone.
func TestMixedAnswersAreRefused(t *testing.T) {
	port, told := neighbours(t)
	_, resolver := serveNames(t, map[string][][]netip.Addr{
		"last.example": {{stranger, inside}}, "first.example": {{inside, stranger}}, "ours.example": {{inside}}, "theirs.example": {{stranger}},
		"many.example": {{stranger, stranger, stranger, stranger, inside}},
	})
	e := egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.PrefixFrom(stranger, 32)}, Resolver: resolver})
	client := e.Client(5*time.Second, 100)
	for _, target := range []string{
		"last.example", "first.example", "ours.example", "many.example", "OURS.example", "ours.example.",
		"theirs.example:" + port + "/?to=http://ours.example", "theirs.example:" + port + "/?to=//ours.example",
	} {
		url := "http://" + target + ":" + port + "/"
		if _, err := client.Get(url); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, as := range told() {
		if as == "ours" {
			t.Fatal("a connection came to our own address")
		}
	}
}
