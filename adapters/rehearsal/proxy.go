package rehearsal

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// maxBody is the largest request that is passed on, in bytes.
const maxBody = 64 << 20

// Proxy stands between the plugin and the fake. It is a forward proxy, by
// CONNECT too, whose every host is the fake; a request that is sent to its own
// address, around the proxy's protocol, reaches the fake as well and is marked.
type Proxy struct {
	addr   string
	server *http.Server
	target *url.URL // nil: there is no fake
	remote *remote  // of the author's choice, in place of the fake
	client *http.Transport
	ca     *authority
	ended  chan struct{}
	end    sync.Once

	mu      sync.Mutex
	allowed map[social.HostPattern]bool
	log     []*Exchange
	first   int // the number of the first in log, less one
	label   string
	rule    func(Exchange) *Action
	calls   map[string]*ticket // by token
	over    []string           // tokens of calls that are over, the oldest first
	busy    int
	idle    chan struct{} // closed while nothing is under way
	watch   func(Exchange)
}

// maxLog is how many exchanges are kept.
const maxLog = 4096

func newProxy(dir string, up Upstream) (*Proxy, error) {
	ca, err := newAuthority(dir)
	if err != nil {
		return nil, err
	}
	p := &Proxy{ca: ca, ended: make(chan struct{}), allowed: map[social.HostPattern]bool{}, calls: map[string]*ticket{}, idle: make(chan struct{})}
	close(p.idle)
	if chosen, ok := up.(*remote); ok {
		p.remote = chosen
	} else if up != nil {
		if p.target, err = url.Parse(up.URL()); err != nil {
			return nil, err
		}
	}
	p.client = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, ResponseHeaderTimeout: 2 * time.Minute}
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.addr = ln.Addr().String()
	p.Allow(p.addr, p.host())
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(ln) }()
	return p, nil
}

// URL is the address that stands for the fake's. A server of the author's choice
// is asked for by its own.
func (p *Proxy) URL() string {
	if p.remote != nil && p.remote.whole != nil {
		return p.remote.URL()
	}
	return "http://" + p.addr
}

// host is that address without its scheme.
func (p *Proxy) host() string {
	_, host, _ := strings.Cut(p.URL(), "://")
	return host
}

// Close ends every connection.
func (p *Proxy) Close() {
	p.end.Do(func() {
		close(p.ended)
		_ = p.server.Close()
		p.client.CloseIdleConnections()
	})
}

// Allow opens hosts, as the manifest writes them.
func (p *Proxy) Allow(hosts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range hosts {
		if one, ok := social.ParseHost(h); ok {
			p.allowed[one] = true
		}
	}
}

func (p *Proxy) permits(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := range p.allowed {
		if a.Matches(host) {
			return true
		}
	}
	return false
}

// Spoil makes rule decide about each request from now on; nil lets all pass.
// It is called with the exchange before anything is done.
func (p *Proxy) Spoil(rule func(Exchange) *Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}

// Watch makes f hear of every exchange that ends.
func (p *Proxy) Watch(f func(Exchange)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch = f
}

// Label marks the requests that come from now on and returns where they begin.
func (p *Proxy) Label(label string) (mark int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.label = label
	return p.first + len(p.log)
}

// Since lists the exchanges after mark.
func (p *Proxy) Since(mark int) []Exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Exchange
	for _, e := range p.log[min(max(mark-p.first, 0), len(p.log)):] {
		out = append(out, *e)
	}
	return out
}

// Settle waits until no request is under way.
func (p *Proxy) Settle(ctx context.Context) error {
	p.mu.Lock()
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		p.tunnel(w, r)
		return
	}
	p.exchange(w, r, !r.URL.IsAbs(), p.whose(r))
}

// exchange handles one request that asks for r.Host.
func (p *Proxy) exchange(w http.ResponseWriter, r *http.Request, direct bool, of *ticket) {
	e, rule := p.begin(r, direct, of)
	var act *Action
	switch {
	case !p.permits(r.Host):
		e.Refused = true
		act = &Action{Answer: &Answer{Status: http.StatusForbidden, Body: "this host is not in the manifest", Header: map[string]string{"Proxy-Status": "carillon; error=http_request_denied"}}}
	case rule != nil:
		act = rule(*e)
	}
	defer p.finish(e)
	if act == nil {
		act = &Action{Forward: true}
	}
	p.act(w, r, e, act)
}

func (p *Proxy) begin(r *http.Request, direct bool, of *ticket) (*Exchange, func(Exchange) *Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy++; p.busy == 1 {
		p.idle = make(chan struct{})
	}
	if len(p.log) >= maxLog {
		p.log, p.first = slices.Clone(p.log[maxLog/2:]), p.first+maxLog/2
	}
	e := &Exchange{
		N: p.first + len(p.log) + 1, Label: p.label, At: time.Now(), Method: r.Method, Host: r.Host, Path: r.URL.RequestURI(),
		RequestHeader: r.Header.Clone(), Direct: direct,
	}
	if of != nil {
		e.Call, e.Late = of.Call, of.over
	}
	p.log = append(p.log, e)
	return e, p.rule
}

func (p *Proxy) finish(e *Exchange) {
	p.mu.Lock()
	e.Took = time.Since(e.At)
	if p.busy--; p.busy == 0 {
		close(p.idle)
	}
	said, watch := *e, p.watch
	p.mu.Unlock()
	if watch != nil {
		watch(said)
	}
}

// note changes an exchange that others may read meanwhile.
func (p *Proxy) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}
