package egress

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// A Call is on whose behalf a plugin asks for something: one call that its host
// made. The zero value is none, and what the plugin does is its own.
type Call struct {
	Method    string // "publish", "commit", "find" …
	Operation string // the idempotency key, the same on each retry; empty if the call has none
	Tenant    string // as the plugin knows it
	Account   string // that it is about, if any
}

// A Request is one tunnel or forwarded request of a plugin that is over.
type Request struct {
	Plugin   string
	Call     Call   // zero: the plugin did not say
	Method   string // CONNECT for a tunnel
	Host     string // with the port, if it was named
	Failed   string // why it did not get through: an error type of RFC 9209 or "call_required"; empty if it did
	Sent     int64  // bytes from the plugin
	Received int64  // bytes to it
	At       time.Time
	Took     time.Duration
}

// A pass is one token of a grant: the plugin's own, or that of one call.
type pass struct {
	grant  *Grant
	call   Call
	key    [sha256.Size]byte
	hosts  []social.HostPattern // besides the grant's
	traced context.Context      //nolint:containedctx // of the call, for who observes it
	life   context.Context      //nolint:containedctx // which every tunnel shares
	cancel context.CancelFunc
}

// Begin opens the way of one call: a proxy URL whose token says which call it
// is, and that may name hosts besides. Whatever goes through it ends with end.
// The URL is a secret of that call.
//
// Unless the proxy wants every request attributed, the hosts are open for the
// plugin's own token, too: a plugin that does not pass the call's on still
// works.
func (g *Grant) Begin(ctx context.Context, c Call, hosts ...string) (proxy string, end func()) {
	t := &pass{grant: g, call: c, hosts: named(hosts), traced: context.WithoutCancel(ctx)}
	shut := func() {}
	if !g.proxy.limits.Attributed {
		shut = g.Allow(hosts...)
	}
	t, proxy = g.proxy.admit(g.own.life, t)
	return proxy, sync.OnceFunc(func() {
		g.proxy.dismiss(t)
		shut()
	})
}

// admit gives t a token and returns the URL with it.
func (p *Proxy) admit(life context.Context, t *pass) (*pass, string) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails, see crypto/rand
	token := base64.RawURLEncoding.EncodeToString(raw[:])
	t.key = sha256.Sum256([]byte(token))
	t.life, t.cancel = context.WithCancel(life)
	p.mu.Lock()
	p.passes[t.key] = t
	p.mu.Unlock()
	return t, (&url.URL{Scheme: "http", User: url.UserPassword(t.grant.plugin, token), Host: p.addr}).String()
}

// dismiss ends a pass and what goes through it.
func (p *Proxy) dismiss(t *pass) {
	p.mu.Lock()
	delete(p.passes, t.key)
	p.mu.Unlock()
	t.cancel()
}

func (t *pass) attributed() bool { return t != t.grant.own }

// A visit is one request while it lasts.
type visit struct {
	pass           *pass
	seen           Request
	sent, received tally
}

// tally counts bytes twice: for one visit and for all of the plugin's.
type tally struct {
	own atomic.Int64
	all *atomic.Int64
}

func (t *tally) add(n int) {
	t.own.Add(int64(n))
	t.all.Add(int64(n))
}

func (t *pass) begin(method, host string) *visit {
	if !t.attributed() {
		t.grant.unattributed.Add(1)
	}
	v := &visit{pass: t, seen: Request{Plugin: t.grant.plugin, Call: t.call, Method: method, Host: normal(host), At: time.Now()}}
	v.seen.Host = v.seen.Host[:min(len(v.seen.Host), maxHost)]
	v.sent.all, v.received.all = &t.grant.sent, &t.grant.received
	return v
}

// maxHost is how much of a name is told of.
const maxHost = 260

// over tells the observer.
func (v *visit) over() {
	observe := v.pass.grant.proxy.limits.Observe
	if observe == nil {
		return
	}
	v.seen.Sent, v.seen.Received, v.seen.Took = v.sent.own.Load(), v.received.own.Load(), time.Since(v.seen.At)
	observe(v.pass.traced, v.seen)
}

// refused notes why a request is not let through.
func (v *visit) refused(reason string) {
	v.pass.grant.refused.Add(1)
	v.seen.Failed = reason
}

func (v *visit) refuse(w http.ResponseWriter, code int, reason string) {
	v.refused(reason)
	w.Header().Set("Proxy-Status", "carillon; error="+reason)
	http.Error(w, "This host is not open to the plugin.", code)
}
