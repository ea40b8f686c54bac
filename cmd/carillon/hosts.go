package main

import (
	"cmp"
	"context"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/dns"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/domains"
	"github.com/carillonhq/carillon/tenants/registry"
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
	if !k.hosting.CompareAndSwap(false, true) { // this process serves and works
		return
	}
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

// home is where the people of a tenant find it, whose path from the root is
// given: what letters link to.
func (k *kernel) home(path []tenants.ID) string {
	if host := k.hosts.Canonical(path); host != "" {
		return "https://" + host
	}
	return k.cfg.URL
}

// homeOf is where whoever reads address is at home. Who is so under several
// hosts, or nowhere yet, finds the installation's own: a letter to them is about
// no tenant, and does not name one that another should not hear of.
func (k *kernel) homeOf(ctx context.Context, address string) (string, error) {
	user, err := k.names.Find(ctx, address)
	if fault.Is(err, fault.NotFound) {
		return k.cfg.URL, nil
	}
	if err != nil {
		return "", err
	}
	places, err := k.tenants.Mine(ctx, user.ID)
	if err != nil {
		return "", err
	}
	found := ""
	for _, p := range places {
		home, err := k.homeIn(ctx, p.ID)
		if err != nil {
			return "", err
		}
		if found != "" && home != found {
			return k.cfg.URL, nil
		}
		found = home
	}
	return cmp.Or(found, k.cfg.URL), nil
}

func (k *kernel) homeIn(ctx context.Context, tenant tenants.ID) (home string, err error) {
	err = k.db.Registry().View(ctx, tenant, func(tx registry.Tx) error {
		t, err := tx.Tenant(ctx)
		if err == nil {
			home = k.home(t.Ancestors)
		}
		return err
	})
	return home, err
}
