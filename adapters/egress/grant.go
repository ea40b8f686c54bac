package egress

import (
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Grant is what one plugin may do through a Proxy. It is safe for concurrent use.
type Grant struct {
	plugin string
	url    string
	proxy  *Proxy
	own    *pass // of the plugin, for what it does in no call
	slots  chan struct{}

	mu    sync.Mutex
	hosts map[string]int       // pattern → how many want it open
	told  map[string]time.Time // host → when its refusal was last told

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

// named are the hosts that can be opened, as names are compared.
func named(hosts []string) (out []string) {
	for _, h := range hosts {
		if h = normal(h); h != "" && !strings.ContainsAny(h, "{}/") && !tooWide(h) {
			out = append(out, h)
		}
	}
	return out
}

// tooWide reports whether a pattern is of more than one name's own: of every
// name, of all below a whole top-level domain, or of what matches knows nothing of.
func tooWide(pattern string) bool {
	if h, _, err := net.SplitHostPort(pattern); err == nil {
		pattern = h
	}
	suffix, wild := strings.CutPrefix(pattern, "*.")
	return strings.Contains(suffix, "*") || wild && !strings.Contains(strings.Trim(suffix, "."), ".")
}

// permits reports whether the holder may name target, "host" or "host:port".
func (t *pass) permits(target string) bool {
	target = normal(target)
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		host, port = strings.Trim(target, "[]"), ""
	}
	host = strings.TrimSuffix(host, ".")
	ours := func(pattern string) bool { return matches(pattern, host, port) }
	if slices.ContainsFunc(t.hosts, ours) {
		return true
	}
	t.grant.mu.Lock()
	defer t.grant.mu.Unlock()
	for pattern := range t.grant.hosts {
		if ours(pattern) {
			return true
		}
	}
	return false
}

func matches(pattern, host, port string) bool {
	if h, p, err := net.SplitHostPort(pattern); err == nil {
		if p != port {
			return false
		}
		pattern = h
	}
	if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
		return len(host) > len(suffix)+1 && strings.HasSuffix(host, "."+suffix)
	}
	return strings.Trim(pattern, "[]") == host
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
