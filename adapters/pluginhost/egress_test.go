package pluginhost_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

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
}

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

func (d *door) now() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.open))
}

func TestAHostIsOpenForAsLongAsItIsNeeded(t *testing.T) {
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
