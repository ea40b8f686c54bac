package domains

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/carillonhq/carillon/tenants"
)

// Hosts answers, for each request, whether its host is served and whose it is.
// It reads from memory; Load brings it up to date. It is safe for concurrent
// use.
type Hosts struct {
	own      string
	loopback bool
	served   atomic.Pointer[served]
}

type served struct {
	hosts     map[string]tenants.ID
	canonical map[tenants.ID]string
}

// NewHosts returns the hosts of an installation that people reach at own. With
// loopback, the names of the machine itself are served too.
func NewHosts(own string, loopback bool) *Hosts {
	h := &Hosts{own: strings.ToLower(own), loopback: loopback}
	h.served.Store(new(served))
	return h
}

// Load reads what is proven from store.
func (h *Hosts) Load(ctx context.Context, store Store) error {
	places, err := store.Served(ctx)
	if err != nil {
		return err
	}
	s := &served{hosts: make(map[string]tenants.ID, len(places)), canonical: map[tenants.ID]string{}}
	for _, p := range places {
		s.hosts[p.Host] = p.Tenant
		if p.Canonical {
			s.canonical[p.Tenant] = p.Host
		}
	}
	h.served.Store(s)
	return nil
}

// Serves reports whether requests for hostport are answered.
func (h *Hosts) Serves(hostport string) bool {
	host := bare(hostport)
	return host == h.own || h.loopback && local(host) || h.Proven(host)
}

// Proven reports whether host is one that a tenant has proved, or the
// installation's own: a certificate may be had for it.
func (h *Hosts) Proven(host string) bool {
	_, ok := h.served.Load().hosts[bare(host)]
	return ok || host != "" && bare(host) == h.own
}

// Tenant is whose a host is; empty for the installation's own.
func (h *Hosts) Tenant(hostport string) tenants.ID { return h.served.Load().hosts[bare(hostport)] }

// Canonical is where the people of a tenant find it, whose path from the root
// to itself is path: its own host or that of the nearest above that has one.
// Empty: the installation's own.
func (h *Hosts) Canonical(path []tenants.ID) string {
	s := h.served.Load()
	for i := len(path) - 1; i >= 0; i-- {
		if host, ok := s.canonical[path[i]]; ok {
			return host
		}
	}
	return ""
}

// bare is hostport without its port, a final dot and capitals; empty for what is
// no host and port.
func bare(hostport string) string {
	host, port, named := strings.Cut(hostport, ":")
	if end := strings.IndexByte(hostport, ']'); strings.HasPrefix(hostport, "[") && end > 0 {
		host = hostport[1:end]
		_, port, named = strings.Cut(hostport[end+1:], ":")
	}
	if named && strings.Trim(port, "0123456789") != "" {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
