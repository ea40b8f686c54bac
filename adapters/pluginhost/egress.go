package pluginhost

import (
	"cmp"
	"context"
	"net/url"

	"google.golang.org/grpc/metadata"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// Egress is one plugin's way to the network: a proxy and the hosts that it
// opens. It is safe for concurrent use.
type Egress interface {
	// URL is the proxy with the plugin's credentials. It is a secret.
	URL() string
	// Allow opens hosts until release is called. Templates are left out.
	Allow(hosts ...string) (release func())
	// Begin opens the way of one call until end is called: a proxy that knows
	// whose request it gets, and that opens hosts besides. The URL is a secret;
	// empty if there is none.
	Begin(ctx context.Context, c egress.Call, hosts ...string) (url string, end func())
	// Revoke ends all of it: the plugin is gone. It may be called again.
	Revoke()
}

// open is the way out of a plugin that needs none opened, because there is no
// proxy.
type open struct{}

// URL implements Egress.
func (open) URL() string { return "" }

// Allow implements Egress.
func (open) Allow(...string) func() { return func() {} }

// Begin implements Egress.
func (open) Begin(context.Context, egress.Call, ...string) (string, func()) { return "", func() {} }

// Revoke implements Egress.
func (open) Revoke() {}

// reach opens what a manifest lists, in place of what the one before listed. A
// new process may be of a new version.
func (s *supervisor) reach(m social.Manifest) {
	before := s.reached
	s.reached = s.egress.Allow(m.Egress...)
	if before != nil {
		before()
	}
}

// visit opens the way of one call until end is called, and lets the plugin know
// of it. On a platform without hosts of its own that includes the host of the
// account. Whoever lends the credential has checked it.
func (s *supervisor) visit(ctx context.Context, r request) (out context.Context, end func()) {
	var hosts []string
	if m := s.known(); m != nil && m.Roams() {
		hosts = []string{sdk.InstanceHost(r.instance), sdk.InstanceHost(r.call.Credential.Public["instance"])}
	}
	way, shut := s.egress.Begin(ctx, egress.Call{Method: r.method, Operation: r.call.Idempotency, Tenant: r.call.Tenant, Account: r.account}, hosts...)
	if way != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, sdk.ProxyKey, way)
	}
	back := s.secrets.lend(passOf(way))
	return ctx, func() { shut(); back() }
}

// passOf is what is secret of a proxy's address.
func passOf(proxy string) string {
	u, err := url.Parse(proxy)
	if err != nil {
		return ""
	}
	pass, _ := u.User.Password()
	return pass
}

// instance is the host that r is about, empty if the platform has its own.
func (e *entry) instance(r request) string {
	if m := e.serving().known(); m == nil || !m.Roams() {
		return ""
	}
	return cmp.Or(sdk.InstanceHost(r.instance), sdk.InstanceHost(r.call.Credential.Public["instance"]))
}
