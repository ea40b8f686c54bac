package rehearsal

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// door is the proxy as a host knows it.
type door struct{ proxy *Proxy }

func (d door) URL() string { return d.proxy.credentials() }

func (d door) Allow(hosts ...string) func() { d.proxy.Allow(hosts...); return func() {} }

func (d door) Begin(_ context.Context, c egress.Call, hosts ...string) (string, func()) {
	d.proxy.Allow(hosts...)
	return d.proxy.lend(c)
}

// Revoke leaves the proxy to the session, which outlives the plugin's host.
func (d door) Revoke() {}

// own is the token of a plugin outside of any call.
const own = "rehearsal"

func (p *Proxy) credentials() string { return p.as(own) }

func (p *Proxy) as(token string) string {
	return (&url.URL{Scheme: "http", User: url.UserPassword("plugin", token), Host: p.addr}).String()
}

// lend gives a call a token, so that its requests are told from those of others
// until end is called.
func (p *Proxy) lend(c egress.Call) (proxy string, end func()) {
	token := rand.Text()
	p.note(func() { p.calls[token] = c })
	return p.as(token), func() { p.note(func() { delete(p.calls, token) }) }
}

// whose is the call that a request says it is of, zero if it says none.
func (p *Proxy) whose(r *http.Request) egress.Call {
	encoded, _ := strings.CutPrefix(r.Header.Get("Proxy-Authorization"), "Basic ")
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return egress.Call{}
	}
	_, token, _ := strings.Cut(string(plain), ":")
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[token]
}

// led gives a call to a process without a host what a host gives it.
func (r *Raw) led(ctx context.Context, method string, call social.Call, account string) (context.Context, func()) {
	way, end := r.proxy.lend(egress.Call{Method: method, Operation: call.Idempotency, Tenant: call.Tenant, Account: account})
	return metadata.AppendToOutgoingContext(ctx, sdk.ProxyKey, way), end
}
