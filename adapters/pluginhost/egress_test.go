package pluginhost_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/ports/social"
)

// door is a way out that remembers what was opened.
type door struct {
	url string

	mu   sync.Mutex
	open map[string]int
	seen []string

	revoked atomic.Int64
}

func (d *door) Revoke() { d.revoked.Add(1) }

func (d *door) URL() string { return d.url }

func (d *door) Allow(hosts ...string) func() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.open = map[string]int{}
	}
	for _, h := range hosts {
		d.open[h]++
		d.seen = append(d.seen, h)
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, h := range hosts {
			if d.open[h]--; d.open[h] == 0 {
				delete(d.open, h)
			}
		}
	}
}

func (d *door) Begin(_ context.Context, _ egress.Call, hosts ...string) (string, func()) {
	return "", d.Allow(hosts...)
}

func (d *door) now() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.open))
}

func TestAHostIsOpenForAsLongAsItIsNeeded(t *testing.T) {
	t.Parallel()
	d := &door{}
	h := host(t, "finder", "test.finder", func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Egress = func(string) pluginhost.Egress { return d } })
	if open := d.now(); len(open) > 0 {
		t.Errorf("open before the plugin ran: %v", open)
	}
	p := open(t, h, "test.finder")
	want := []string{"api.test", "{instance}"}
	if diff := cmp.Diff(want, d.now()); diff != "" {
		t.Errorf("of the manifest (-want +got):\n%s", diff)
	}
	for instance, host := range map[string]string{
		"one.example": "one.example", "https://two.example/": "two.example", "http://127.0.0.1:3000": "127.0.0.1:3000", " three.example:8443 ": "three.example:8443",
	} {
		req := request("now", false)
		req.Call.Credential.Public = map[string]string{"instance": instance}
		if _, err := p.Publish(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(d.seen, host) {
			t.Errorf("%q did not open %s: %v", instance, host, d.seen)
		}
	}
	before := len(d.seen)
	for _, pattern := range []string{"*", "*.com", "https://*.example.com/", "{instance}"} {
		req := request("now", false)
		req.Call.Credential.Public = map[string]string{"instance": pattern}
		if _, err := p.Publish(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	if opened := strings.Join(d.seen[before:], ""); opened != "" {
		t.Errorf("an account's pattern opened %q", opened)
	}
	if _, err := p.Connect(t.Context(), social.ConnectRequest{Input: map[string]string{"instance": "new.example"}}); err != nil || !slices.Contains(d.seen, "new.example") {
		t.Errorf("signing in: %v, opened %v", err, d.seen)
	}
	if diff := cmp.Diff(want, d.now()); diff != "" {
		t.Errorf("after the calls (-want +got):\n%s", diff)
	}
}

// The whole way: plugin process, SDK, proxy, policy.
func TestAPluginReachesWhatItMayAndNothingElse(t *testing.T) {
	t.Parallel()
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(platform.Close)
	there := strings.TrimPrefix(platform.URL, "http://")
	proxy, err := egress.ListenProxy(egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), egress.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Egress = func(id string) pluginhost.Egress { return proxy.Grant(id, nil) }
	})
	p := open(t, h, "test.good")
	for name, tt := range map[string]struct{ instance, target, want string }{
		"its account's instance": {platform.URL, there, "204 No Content"},
		"somebody else's":        {"127.0.0.1:1", there, "network.unreachable"},
		"no account":             {"", there, "network.unreachable"},
		"not by another name":    {"localhost", there, "network.unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			req := request("visit "+tt.target, false)
			req.Call.Credential.Public = map[string]string{"instance": tt.instance}
			step, err := p.Publish(t.Context(), req)
			if err != nil || !strings.Contains(step.Receipt.Ref.ID, tt.want) {
				t.Errorf("answered %+v, %v, want %s", step.Receipt, err, tt.want)
			}
		})
	}
	if used := proxy.Usage(); len(used) != 1 || used[0].Plugin != "test.good" || used[0].Requests != 1 || used[0].Refused != 3 {
		t.Errorf("used %+v", used)
	}
}

// Two tenants' calls run at once in one process: the proxy tells their requests
// apart, and puts down to the plugin alone what it does in neither.
func TestWhatAPluginAsksForIsPutDownToItsCall(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		attributed bool
		stray      string
	}{
		"best":     {false, "204 No Content"},
		"required": {true, "without its call's context"},
	} {
		t.Run(name, func(t *testing.T) {
			both := make(chan struct{}, 2)
			platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/stray" {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				both <- struct{}{} // each waits for the other
				for len(both) < 2 {
					<-time.After(time.Millisecond)
				}
			}))
			t.Cleanup(platform.Close)
			there := strings.TrimPrefix(platform.URL, "http://")
			seen := make(chan egress.Request, 10)
			proxy, err := egress.ListenProxy(egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), egress.Limits{
				Attributed: tt.attributed, Observe: func(_ context.Context, r egress.Request) { seen <- r },
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = proxy.Close() })
			h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
				c.Egress = func(id string) pluginhost.Egress { return proxy.Grant(id, []string{"127.0.0.1"}) }
			})
			p := open(t, h, "test.good")
			var calls sync.WaitGroup
			want := map[string]egress.Call{}
			for _, tenant := range []string{"a", "b"} {
				req := request("visit "+there, true)
				req.Call.Tenant, req.Call.Idempotency, req.Account.ID = "t-"+tenant, "seg-"+tenant, "acc-"+tenant
				want["seg-"+tenant] = egress.Call{Method: "commit", Operation: "seg-" + tenant, Tenant: "t-" + tenant, Account: "acc-" + tenant}
				calls.Go(func() {
					if step, err := p.Publish(t.Context(), req); err != nil || !strings.HasPrefix(step.Receipt.Ref.ID, "200") {
						t.Errorf("%+v, %v", step, err)
					}
				})
			}
			calls.Wait()
			for range 2 {
				r := <-seen
				if r.Call != want[r.Call.Operation] || r.Plugin != "test.good" || r.Failed != "" {
					t.Errorf("%+v, want it to be of %+v", r, want[r.Call.Operation])
				}
				delete(want, r.Call.Operation)
			}
			if len(want) > 0 {
				t.Errorf("not told of %v", want)
			}
			step, err := publish(p, "stray "+there+"/stray", false)
			if err != nil || !strings.Contains(step.Receipt.Ref.ID, tt.stray) {
				t.Errorf("of no call: %+v, %v, want %s", step.Receipt, err, tt.stray)
			}
			if r := <-seen; r.Call != (egress.Call{}) || (r.Failed == "call_required") != tt.attributed {
				t.Errorf("of no call: %+v", r)
			}
		})
	}
}
