package egress

import (
	"context"
	"crypto/sha256"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Grant is what one plugin may do through a Proxy. It is safe for concurrent use.
type Grant struct {
	plugin string
	url    string
	key    [sha256.Size]byte
	proxy  *Proxy
	ctx    context.Context //nolint:containedctx // the life of the grant, which every tunnel shares
	cancel context.CancelFunc
	slots  chan struct{}

	mu    sync.Mutex
	hosts map[string]int       // pattern → how many want it open
	told  map[string]time.Time // host → when its refusal was last told

	requests, refused, sent, received atomic.Int64
}

// Usage is what a plugin did through a Proxy, since its grant.
type Usage struct {
	Plugin   string
	Requests int64 // tunnels and forwarded requests
	Refused  int64
	Sent     int64 // bytes from the plugin
	Received int64 // bytes to it
}

// URL is the proxy with the plugin's credentials, for HTTP_PROXY and
// HTTPS_PROXY. It is a secret.
func (g *Grant) URL() string { return g.url }

// Allow opens more hosts, as in Proxy.Grant, until release is called: the
// instance of the account that a call is about. Calls may overlap.
func (g *Grant) Allow(hosts ...string) (release func()) {
	g.add(hosts, 1)
	return sync.OnceFunc(func() { g.add(hosts, -1) })
}

// Revoke ends the grant and closes its connections.
func (g *Grant) Revoke() {
	g.proxy.mu.Lock()
	delete(g.proxy.grants, g.key)
	g.proxy.mu.Unlock()
	g.cancel()
}

// Usage returns the counters.
func (g *Grant) Usage() Usage {
	return Usage{Plugin: g.plugin, Requests: g.requests.Load(), Refused: g.refused.Load(), Sent: g.sent.Load(), Received: g.received.Load()}
}

func (g *Grant) add(hosts []string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range hosts {
		h = normal(h)
		if h == "" || strings.ContainsAny(h, "{}/") || tooWide(h) {
			continue
		}
		if g.hosts[h] += n; g.hosts[h] <= 0 {
			delete(g.hosts, h)
		}
	}
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

// permits reports whether the plugin may name target, "host" or "host:port".
func (g *Grant) permits(target string) bool {
	target = normal(target)
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		host, port = strings.Trim(target, "[]"), ""
	}
	host = strings.TrimSuffix(host, ".")
	g.mu.Lock()
	defer g.mu.Unlock()
	for pattern := range g.hosts {
		if matches(pattern, host, port) {
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

func (g *Grant) refuse(w http.ResponseWriter, code int, reason string) {
	g.refused.Add(1)
	w.Header().Set("Proxy-Status", "carillon; error="+reason)
	http.Error(w, "This host is not open to the plugin.", code)
}
