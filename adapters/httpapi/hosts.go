package httpapi

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Hosts says which hosts this installation answers for, from memory: it is
// asked for each request.
type Hosts interface {
	// Serves reports whether requests whose Host header says hostport are answered.
	Serves(hostport string) bool
	// Proven reports whether a certificate may be had for host.
	Proven(host string) bool
	// Tenant is whose a host is; empty for the installation's own.
	Tenant(hostport string) tenants.ID
}

// askPath is what a proxy asks before it gets a certificate for a host.
const askPath = "/.well-known/carillon/ask"

// anyHost are the addresses that whoever stands in front of this server asks by
// whatever name it has for it. They say nothing of any tenant.
var anyHost = []string{"/livez", "/readyz", askPath}

// hosted refuses a request for a host that is nobody's here: there is no tenant
// by default.
func (s *surface) hosted(c *fiber.Ctx) error {
	if s.Hosts == nil || s.Hosts.Serves(string(c.Request().Header.Host())) || slices.Contains(anyHost, c.Path()) {
		return c.Next()
	}
	return fault.New(fault.Invalid, "request.unknown_host", "This server does not answer for this host.")
}

// askHost answers 200 for a host that is served, to Caddy's on-demand TLS and
// its like.
func (s *surface) askHost(c *fiber.Ctx) error {
	if s.Hosts == nil || !s.Hosts.Proven(c.Query("domain")) {
		return fault.New(fault.NotFound, "domain.unknown", "This host is nobody's here.")
	}
	return c.SendString("ok\n")
}
