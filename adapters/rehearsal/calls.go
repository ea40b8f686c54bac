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

// ticket is a call with a token of its own.
type ticket struct {
	egress.Call
	over bool
}

// maxOver is how many calls that are over are still known by their tokens.
const maxOver = 4096

// lend gives a call a token, so that its requests are told from those of others.
// What comes with it after end is still known as that call's, and as late.
func (p *Proxy) lend(c egress.Call) (proxy string, end func()) {
	token, l := rand.Text(), &ticket{Call: c}
	p.note(func() { p.calls[token] = l })
	return p.as(token), func() {
		p.note(func() {
			l.over = true
			if p.over = append(p.over, token); len(p.over) > maxOver {
				delete(p.calls, p.over[0])
				p.over = p.over[1:]
			}
		})
	}
}

// whose is the call that a request says it is of, nil if it says none.
func (p *Proxy) whose(r *http.Request) *ticket {
	encoded, _ := strings.CutPrefix(r.Header.Get("Proxy-Authorization"), "Basic ")
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil
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
