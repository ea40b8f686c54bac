package main

import (
	"context"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/dns"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/domains"
)

// openDomains is the hosts that are answered for. The names of the machine
// itself are among them where people reach the server by one.
func (k *kernel) openDomains() {
	own := hostOf(k.cfg.URL)
	ip := net.ParseIP(own)
	k.hosts = domains.NewHosts(own, k.cfg.AllowLoopback || own == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()))
	k.domains = domains.New(domains.Deps{
		Store: k.db.Domains(), Resolver: dns.System{}, Names: dns.Names{}, Authz: k.authz, Now: time.Now,
	}, own)
}

// hostOf is the host in an address.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// readHosts takes note of which hosts are served.
func (k *kernel) readHosts(ctx context.Context) error { return k.hosts.Load(ctx, k.db.Domains()) }

// followHosts keeps that at hand, until ctx is done: a host that is proven or
// given up counts here as soon as it is heard.
func (k *kernel) followHosts(ctx context.Context) {
	k.keep(ctx, "which hosts are served", k.readHosts, k.db.ListenHosts)
}

// addresses are where letters to people go.
func (k *kernel) addresses(ctx context.Context, people []tenants.UserID) ([]string, error) {
	users, err := k.names.Names(ctx, people)
	all := make([]string, len(users))
	for i, u := range users {
		all[i] = u.Email
	}
	return all, err
}
