package main

import (
	"context"
	"testing"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/branding/brandingtest"
	"github.com/carillonhq/carillon/tenants/domains"
	"github.com/carillonhq/carillon/tenants/domains/domainstest"
	"github.com/carillonhq/carillon/tenants/registry"
)

// countedBrands knows how many brands were read.
type countedBrands struct {
	brandingtest.Store
	reads int
}

func (c *countedBrands) Layers(ctx context.Context, tenant tenants.ID) ([]branding.Layer, error) {
	c.reads++
	return c.Store.Layers(ctx, tenant)
}

// A letter to a person is from where they are at home, if that is one place.
func TestWhomAPersonHearsFrom(t *testing.T) {
	const root, reseller, agency, left, right, other = tenants.ID("ten_root"), tenants.ID("ten_reseller"), tenants.ID("ten_agency"), tenants.ID("ten_left"), tenants.ID("ten_right"), tenants.ID("ten_other")
	brands := &countedBrands{Store: brandingtest.Store{Above: map[tenants.ID]tenants.ID{reseller: root, agency: reseller, left: agency, right: agency, other: root}}}
	hosts := domains.NewHosts("app.example.org", false)
	k := &kernel{cfg: config{URL: "https://app.example.org"}, hosts: hosts, brands: branding.New(branding.Deps{Store: brands, Product: branding.Product})}
	for tenant, product := range map[tenants.ID]string{reseller: "Resold", agency: "Chimes"} {
		must(t, brands.Save(t.Context(), tenant, &branding.Brand{Product: product}, nil, audit.Of("system", "test", "")))
	}
	store, now := new(domainstest.Store), time.Now()
	must(t, store.Update(t.Context(), reseller, func(tx domains.Tx) error {
		return tx.Save(t.Context(), &domains.Domain{ID: "dom_1", Host: "social.example.com", State: domains.Proven, Canonical: true, ProvenAt: now})
	}))
	must(t, hosts.Load(t.Context(), store))
	at := func(path ...tenants.ID) registry.Place {
		return registry.Place{Entry: registry.Entry{ID: path[len(path)-1]}, Path: path}
	}
	resold, inAgency := at(root, reseller), at(root, reseller, agency)
	inLeft, inRight, apart := at(root, reseller, agency, left), at(root, reseller, agency, right), at(root, other)
	for name, tc := range map[string]struct {
		places        []registry.Place
		home, product string
		reads         int
	}{
		"nowhere":                         {nil, k.cfg.URL, "Carillon", 0},
		"one place":                       {[]registry.Place{inLeft}, "https://social.example.com", "Chimes", 1},
		"places of one brand":             {[]registry.Place{inLeft, inRight, inAgency}, "https://social.example.com", "Chimes", 3},
		"several brands at one host":      {[]registry.Place{inLeft, resold, inRight}, "https://social.example.com", "Resold", 3},
		"several hosts":                   {[]registry.Place{inLeft, inRight, inAgency, apart}, k.cfg.URL, "Carillon", 0},
		"a place without a host or brand": {[]registry.Place{apart}, k.cfg.URL, "Carillon", 1},
	} {
		brands.reads = 0
		head, err := k.headAmong(t.Context(), tc.places)
		if err != nil || head.Home != tc.home || head.Product != tc.product || brands.reads != tc.reads {
			t.Errorf("%s: %+v after %d reads, %v", name, head, brands.reads, err)
		}
	}
}
