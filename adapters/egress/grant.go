package egress

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// Grant is what one plugin may do through a Proxy. It is safe for concurrent use.
type Grant struct {
	plugin string
	url    string
	proxy  *Proxy
	own    *pass // of the plugin, for what it does in no call
	slots  chan struct{}

	mu    sync.Mutex
	hosts map[social.HostPattern]int // how many want it open
	told  map[string]time.Time       // host → when its refusal was last told

	requests, unattributed, refused, sent, received atomic.Int64
}

// Usage is what a plugin did through a Proxy: of a grant since it was made, of a
// plugin since the proxy was.
type Usage struct {
	Plugin       string
	Requests     int64 // tunnels and forwarded requests
	Unattributed int64 // asked for without saying which call it is for
	Refused      int64
	Sent         int64 // bytes from the plugin
	Received     int64 // bytes to it
}

// URL is the proxy with the plugin's credentials, for HTTP_PROXY and
// HTTPS_PROXY. It is a secret.
func (g *Grant) URL() string { return g.url }

// Allow opens more hosts, as in Proxy.Grant, until release is called. Calls may
// overlap.
func (g *Grant) Allow(hosts ...string) (release func()) {
	g.add(hosts, 1)
	return sync.OnceFunc(func() { g.add(hosts, -1) })
}

// plus adds what another grant of the same plugin did.
func (u Usage) plus(v Usage) Usage {
	return Usage{u.Plugin, u.Requests + v.Requests, u.Unattributed + v.Unattributed, u.Refused + v.Refused, u.Sent + v.Sent, u.Received + v.Received}
}

// Revoke ends the grant and closes its connections, those of its calls too. It
// may be called again.
func (g *Grant) Revoke() {
	g.proxy.mu.Lock()
	if g.proxy.passes[g.own.key] == g.own {
		use := g.Usage()
		g.proxy.past[g.plugin] = use.plus(g.proxy.past[g.plugin])
	}
	for key, t := range g.proxy.passes {
		if t.grant == g {
			delete(g.proxy.passes, key)
		}
	}
	g.proxy.mu.Unlock()
	g.own.cancel()
}

// Usage returns the counters.
func (g *Grant) Usage() Usage {
	return Usage{
		Plugin: g.plugin, Requests: g.requests.Load(), Unattributed: g.unattributed.Load(), Refused: g.refused.Load(),
		Sent: g.sent.Load(), Received: g.received.Load(),
	}
}

func (g *Grant) add(hosts []string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range named(hosts) {
		if g.hosts[h] += n; g.hosts[h] <= 0 {
			delete(g.hosts, h)
		}
	}
}

// named are the hosts that can be opened: patterns of one owner's names.
func named(hosts []string) (out []social.HostPattern) {
	for _, h := range hosts {
		if p, ok := social.ParseHost(h); ok {
			out = append(out, p)
		}
	}
	return out
}

// permits reports whether the holder may name target, "host" or "host:port".
func (t *pass) permits(target string) bool {
	if slices.ContainsFunc(t.hosts, func(p social.HostPattern) bool { return p.Matches(target) }) {
		return true
	}
	t.grant.mu.Lock()
	defer t.grant.mu.Unlock()
	for p := range t.grant.hosts {
		if p.Matches(target) {
			return true
		}
	}
	return false
}

// normal is h as names are compared: lower case, without the root's dot.
func normal(h string) string { return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(h)), ".") }

// How often a refusal is told, and of how many hosts: a plugin may ask for any.
const (
	tellEvery = time.Hour
	maxTold   = 100
)

// tell makes a refused host known to the operator.
func (g *Grant) tell(host string) {
	if g.proxy.limits.Refused == nil {
		return
	}
	host, now := normal(host), time.Now()
	g.mu.Lock()
	last, known := g.told[host]
	due := now.Sub(last) >= tellEvery && len(host) <= 260 && (known || len(g.told) < maxTold)
	if due {
		if g.told == nil {
			g.told = map[string]time.Time{}
		}
		g.told[host] = now
	}
	g.mu.Unlock()
	if due {
		g.proxy.limits.Refused(g.plugin, host)
	}
}
