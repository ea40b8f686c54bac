package main

import (
	"context"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/dns"
	"github.com/carillonhq/carillon/adapters/imaging"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/domains"
	"github.com/carillonhq/carillon/tenants/letters"
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

// openBrands is what tenants look like; their pictures are decoded where those
// of posts are.
func (k *kernel) openBrands(images *imaging.Processor) {
	k.brands = branding.New(branding.Deps{
		Store: k.db.Brands(), Images: logos{images}, Blobs: k.blobs, Resolver: dns.System{}, Authz: k.authz, Product: branding.Product, Now: time.Now,
	})
}

// logos makes clean copies of pictures for brands.
type logos struct{ *imaging.Processor }

// Clean implements branding.Images.
func (l logos) Clean(ctx context.Context, r io.Reader) (*branding.Copy, error) {
	p, err := l.Processor.Clean(ctx, r)
	if err != nil {
		return nil, err
	}
	return &branding.Copy{ReadCloser: p, MIME: p.MIME, Bytes: p.Bytes, SHA256: p.SHA256, Width: p.Width, Height: p.Height}, nil
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

// headIn is what letters to the people of a tenant are from, and where their
// links begin.
func (k *kernel) headIn(ctx context.Context, tenant tenants.ID) (letters.Head, error) {
	var path []tenants.ID
	err := k.db.Registry().View(ctx, tenant, func(tx registry.Tx) error {
		t, err := tx.Tenant(ctx)
		if err == nil {
			path = t.Ancestors
		}
		return err
	})
	if err != nil {
		return letters.Head{}, err
	}
	return k.brands.Head(ctx, tenant, k.home(path))
}

// headOf is what a letter to a person is from. Who is at home under several
// hosts, or nowhere yet, hears from the installation: a letter to them is about
// no tenant, does not name one that another should not hear of, and its links
// are nobody's who could read them. Who has no account yet hears from whom they
// asked for one.
func (k *kernel) headOf(ctx context.Context, l identity.Letter) (letters.Head, error) {
	user, err := k.names.Find(ctx, l.Email)
	if fault.Is(err, fault.NotFound) {
		if tenant := k.hosts.Tenant(l.Host); tenant != "" {
			return k.headIn(ctx, tenant)
		}
		return k.brands.Head(ctx, "", k.cfg.URL)
	}
	if err != nil {
		return letters.Head{}, err
	}
	places, err := k.tenants.Mine(ctx, user.ID)
	if err != nil {
		return letters.Head{}, err
	}
	return k.headAmong(ctx, places)
}

// headAmong is what somebody hears from who is at home in places. Where each of
// them is found is known without asking, so no brand is read of places that are
// found apart.
func (k *kernel) headAmong(ctx context.Context, places []registry.Place) (letters.Head, error) {
	homes := make([]string, len(places))
	for i, p := range places {
		homes[i] = k.home(p.Path)
	}
	if len(slices.Compact(homes)) != 1 {
		return k.brands.Head(ctx, "", k.cfg.URL)
	}
	found, err := k.brands.Head(ctx, places[0].ID, homes[0])
	for _, p := range places[1:] {
		var head letters.Head
		if err == nil {
			head, err = k.brands.Head(ctx, p.ID, homes[0])
		}
		if err != nil {
			return letters.Head{}, err
		}
		if head != found { // several brands at one host: that of the host
			return k.brands.Head(ctx, k.hosts.Tenant(hostOf(homes[0])), homes[0])
		}
	}
	return found, err
}
