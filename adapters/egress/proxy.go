package egress

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// Limits bound what one plugin does through a Proxy. Zero fields mean the defaults.
type Limits struct {
	Conns    int           // at once; 64
	Bytes    int64         // each way, per connection; 1 GiB
	Idle     time.Duration // without a byte either way; 60 s
	Lifetime time.Duration // of one connection; 15 min
	// Refused, if set, hears of a host that a plugin asked for and its manifest
	// does not list: of each once an hour.
	Refused func(plugin, host string)
	// Attributed refuses what does not say which call it is of.
	Attributed bool
	// Observe, if set, hears of every tunnel and request when it is over. The
	// context is that of the call it is of, without its end. It must not block.
	Observe func(context.Context, Request)
}

// Proxy is the door to the network for processes that are not ours to trust:
// an HTTP proxy on this machine. A token in Proxy-Authorization says which
// plugin calls, and so which hosts it may name; the policy then decides about
// the addresses of those hosts. Each call of a plugin has a token of its own,
// see Grant.Begin, because one process of a plugin serves all tenants. Plain
// HTTP is forwarded only if the policy permits it; everything else is a CONNECT
// tunnel we cannot look into.
//
// A refusal is an answer before anything was sent, with a Proxy-Status header
// (RFC 9209), so that a caller can tell it from a lost request.
type Proxy struct {
	policy  *Egress
	limits  Limits
	server  *http.Server
	addr    string
	forward http.Handler

	mu     sync.Mutex
	passes map[[sha256.Size]byte]*pass
	past   map[string]Usage // of grants that were revoked, by plugin
}

// ListenProxy opens a proxy on a free loopback port. Close it to end it and
// everything that goes through it.
func ListenProxy(policy *Egress, l Limits) (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{policy: policy, limits: l.orDefaults(), addr: ln.Addr().String(), passes: map[[sha256.Size]byte]*pass{}, past: map[string]Usage{}}
	p.forward = p.forwarder()
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: quiet()}
	go func() { _ = p.server.Serve(ln) }() // ends with Close
	return p, nil
}

func (l Limits) orDefaults() Limits {
	if l.Conns == 0 {
		l.Conns = 64
	}
	if l.Bytes == 0 {
		l.Bytes = 1 << 30
	}
	if l.Idle == 0 {
		l.Idle = time.Minute
	}
	if l.Lifetime == 0 {
		l.Lifetime = 15 * time.Minute
	}
	return l
}

// Addr is where the proxy listens, "127.0.0.1:port". A sandbox opens no other.
func (p *Proxy) Addr() string { return p.addr }

// Close revokes every grant and stops listening.
func (p *Proxy) Close() error {
	p.mu.Lock()
	for _, t := range p.passes {
		t.cancel()
	}
	clear(p.passes)
	p.mu.Unlock()
	return p.server.Close()
}

// Grant lets plugin name hosts: "api.example.com", "*.example.com" for every
// name below it, either with ":port" for that port only; "*.com" is too wide and left out. Entries that are
// templates, such as "{instance}", are left out: Grant.Allow opens those for
// the time of a call.
func (p *Proxy) Grant(plugin string, hosts []string) *Grant {
	g := &Grant{plugin: plugin, proxy: p, slots: make(chan struct{}, p.limits.Conns), hosts: map[social.HostPattern]int{}}
	g.add(hosts, 1)
	g.own, g.url = p.admit(context.Background(), &pass{grant: g, traced: context.Background()})
	return g
}

// Usage lists what every plugin did, by its id, for metrics: the sum of all its
// grants, those included that were revoked, so that no counter falls.
func (p *Proxy) Usage() []Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	sums := maps.Clone(p.past)
	for _, t := range p.passes {
		if t == t.grant.own {
			use := t.grant.Usage()
			sums[use.Plugin] = use.plus(sums[use.Plugin])
		}
	}
	return slices.SortedFunc(maps.Values(sums), func(a, b Usage) int { return strings.Compare(a.Plugin, b.Plugin) })
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := p.authenticate(r)
	if t == nil {
		unknown(w, "Unknown plugin, or a call that is over.")
		return
	}
	target := r.Host
	if r.Method != http.MethodConnect {
		target = r.URL.Host
	}
	v := t.begin(r.Method, target)
	defer v.over()
	if err := p.policy.checkURL(r.URL); r.Method != http.MethodConnect && (err != nil || r.URL.Scheme != "http") {
		v.refuse(w, http.StatusForbidden, "http_request_denied")
		return
	}
	if !t.attributed() && p.limits.Attributed {
		v.refused("call_required")
		unknown(w, "This request does not say which call it is of.")
		return
	}
	if !t.permits(target) {
		t.grant.tell(target)
		v.refuse(w, http.StatusForbidden, "http_request_denied")
		return
	}
	p.pass(w, r, v)
}

// unknown asks for a token that is one. What asked without has not left.
func unknown(w http.ResponseWriter, why string) {
	w.Header().Set("Proxy-Authenticate", `Basic realm="carillon"`)
	w.Header().Set("Proxy-Status", "carillon; error=http_request_denied")
	http.Error(w, why, http.StatusProxyAuthRequired)
}

// pass lets through what may go, if there is a place.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, v *visit) {
	g := v.pass.grant
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		v.refuse(w, http.StatusServiceUnavailable, "connection_limit_reached")
		return
	}
	g.requests.Add(1)
	if r.Method == http.MethodConnect {
		p.tunnel(w, r, v)
		return
	}
	p.forwardFor(w, r, v)
}

func (p *Proxy) authenticate(r *http.Request) *pass {
	encoded, ok := strings.CutPrefix(r.Header.Get("Proxy-Authorization"), "Basic ")
	if !ok {
		return nil
	}
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil
	}
	plugin, token, _ := strings.Cut(string(plain), ":")
	p.mu.Lock() // looked up by hash: how long that takes says nothing about the token
	t := p.passes[sha256.Sum256([]byte(token))]
	p.mu.Unlock()
	if t == nil || t.grant.plugin != plugin {
		return nil
	}
	return t
}

// statusOf is how a failure reads to a plugin. All but connection_terminated say
// that the request did not leave.
func statusOf(err error) (code int, proxyStatus string) {
	switch {
	case fault.Is(err, fault.Invalid):
		return http.StatusForbidden, "destination_ip_prohibited"
	case fault.Is(err, fault.Unavailable): // of our own dialling: nothing was sent
		return http.StatusBadGateway, "destination_unavailable"
	}
	return http.StatusBadGateway, "connection_terminated"
}
