package egress_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
)

type tracedKey struct{}

// log keeps what a proxy tells of.
type log struct {
	mu   sync.Mutex
	seen []egress.Request
	ctx  []any
	more chan struct{}
}

func newLog() *log { return &log{more: make(chan struct{}, 100)} }

func (l *log) observe(ctx context.Context, r egress.Request) {
	l.mu.Lock()
	l.seen, l.ctx = append(l.seen, r), append(l.ctx, ctx.Value(tracedKey{}))
	l.mu.Unlock()
	l.more <- struct{}{}
}

// after waits for n requests and returns them by operation.
func (l *log) after(t *testing.T, n int) map[string][]egress.Request {
	t.Helper()
	for range n {
		select {
		case <-l.more:
		case <-time.After(10 * time.Second):
			t.Fatal("the proxy told of nothing more")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string][]egress.Request{}
	for _, r := range l.seen {
		out[r.Call.Operation] = append(out[r.Call.Operation], r)
	}
	return out
}

// Calls that run at once are told apart, whichever way their requests go, and
// what belongs to none is the plugin's.
func TestEachRequestIsOfItsCall(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	plain, secure := httptest.NewServer(echo), httptest.NewTLSServer(echo)
	defer plain.Close()
	defer secure.Close()
	heard := newLog()
	g := listen(t, local(), egress.Limits{Observe: heard.observe}).Grant("pigeon", []string{"127.0.0.1"})

	var both sync.WaitGroup
	for _, tenant := range []string{"a", "b"} {
		call := egress.Call{Method: "commit", Operation: "op-" + tenant, Tenant: tenant, Account: "acc-" + tenant}
		both.Go(func() {
			url, end := g.Begin(context.WithValue(t.Context(), tracedKey{}, tenant), call)
			defer end()
			client := through(t, url, secure)
			for _, at := range []string{plain.URL, secure.URL, secure.URL} {
				if body, err := post(t, client, at, "hello "+tenant); err != nil || body != "hello "+tenant {
					t.Errorf("%s: %q, %v", at, body, err)
				}
			}
		})
	}
	both.Wait()
	if _, err := post(t, through(t, g.URL(), nil), plain.URL, "nobody's"); err != nil {
		t.Fatal(err)
	}
	seen := heard.after(t, 5) // a tunnel is used twice
	for _, tenant := range []string{"a", "b"} {
		want := egress.Call{Method: "commit", Operation: "op-" + tenant, Tenant: tenant, Account: "acc-" + tenant}
		if len(seen["op-"+tenant]) != 2 {
			t.Errorf("tenant %s: %+v", tenant, seen["op-"+tenant])
		}
		for _, r := range seen["op-"+tenant] {
			if r.Call != want || r.Plugin != "pigeon" || r.Failed != "" || r.Sent == 0 || r.Received == 0 || !strings.HasPrefix(r.Host, "127.0.0.1:") {
				t.Errorf("%+v", r)
			}
		}
	}
	if own := seen[""]; len(own) != 1 || own[0].Call != (egress.Call{}) {
		t.Errorf("of no call: %+v", own)
	}
	if u := g.Usage(); u.Unattributed != 1 || u.Requests != 5 {
		t.Errorf("usage = %+v", u)
	}
	for i, r := range heard.seen {
		if got, _ := heard.ctx[i].(string); got != r.Call.Tenant {
			t.Errorf("told of %+v with the context of %q", r, got)
		}
	}
}

// What a call opened ends with it: its tunnels, its token and the host of its
// account.
func TestACallsWayEndsWithIt(t *testing.T) {
	started := make(chan struct{})
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		close(started)
		<-r.Context().Done()
	}))
	defer srv.Close()
	g := listen(t, local(), egress.Limits{}).Grant("mastodon", nil)
	url, end := g.Begin(t.Context(), egress.Call{Method: "publish"}, "127.0.0.1")
	done := make(chan error, 1)
	go func() {
		_, err := post(t, through(t, url, srv), srv.URL, "")
		done <- err
	}()
	<-started
	end()
	end() // twice is once
	if err := <-done; err == nil {
		t.Error("a tunnel outlived its call")
	}
	for name, way := range map[string]string{"the call's token": url, "the plugin's own": g.URL()} {
		if _, err := post(t, through(t, way, srv), srv.URL, ""); err == nil {
			t.Errorf("%s opens the host when the call is over", name)
		}
	}
}

// Where every request has to say which call it is of, one that does not is
// refused, and a host that a call opened is that call's alone.
func TestUnattributedRequestsAreRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer srv.Close()
	heard := newLog()
	g := listen(t, local(), egress.Limits{Attributed: true, Observe: heard.observe}).Grant("mastodon", nil)
	mine, end := g.Begin(t.Context(), egress.Call{Operation: "mine"}, "127.0.0.1")
	defer end()
	other, over := g.Begin(t.Context(), egress.Call{Operation: "other"})
	defer over()
	got := map[string]int{}
	for name, way := range map[string]string{"mine": mine, "other": other, "none": g.URL()} {
		res, err := through(t, way, nil).Get(srv.URL)
		if err != nil {
			t.Fatal(name, err)
		}
		res.Body.Close()
		got[name] = res.StatusCode
		if name != "mine" && res.Header.Get("Proxy-Status") != "carillon; error=http_request_denied" {
			t.Errorf("%s: %q does not say that nothing left", name, res.Header.Get("Proxy-Status"))
		}
	}
	if got["mine"] != http.StatusNoContent || got["other"] != http.StatusForbidden || got["none"] != http.StatusProxyAuthRequired {
		t.Errorf("answered %v", got)
	}
	seen := heard.after(t, 3)
	if one := seen[""]; len(one) != 1 || one[0].Failed != "call_required" {
		t.Errorf("%+v", one)
	}
	if u := g.Usage(); u.Refused != 2 || u.Unattributed != 1 {
		t.Errorf("usage = %+v", u)
	}
	if !slices.ContainsFunc(seen["other"], func(r egress.Request) bool { return r.Failed == "http_request_denied" }) {
		t.Errorf("%+v", seen["other"])
	}
}
