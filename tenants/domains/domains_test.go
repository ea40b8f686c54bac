package domains_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/domains"
	"github.com/carillonhq/carillon/tenants/domains/domainstest"
	brand "github.com/carillonhq/carillon/tenants/letters"
)

func TestStore(t *testing.T) {
	domainstest.Run(t, new(domainstest.Store), func(*testing.T) tenants.ID { return tenants.NewID() })
}

type anybody struct{}

func (anybody) Allow(context.Context, tenants.Scope, tenants.Action) error { return nil }

// asTyped takes every name.
type asTyped struct{}

func (asTyped) Host(typed string) (string, error) { return strings.ToLower(typed), nil }

type world struct {
	*domains.Service
	t     *testing.T
	store *domainstest.Store
	dns   *domainstest.DNS
	hosts *domains.Hosts
	now   time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, store: &domainstest.Store{Owner: "usr_1"}, dns: new(domainstest.DNS), now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	w.Service = domains.New(domains.Deps{
		Store: w.store, Resolver: w.dns, Names: asTyped{}, Authz: anybody{}, Now: func() time.Time { return w.now },
	}, "app.example.org")
	w.hosts = domains.NewHosts("app.example.org", false)
	return w
}

func reseller() tenants.Scope {
	return tenants.Scope{Tenant: tenants.NewID(), Kind: tenants.Reseller, User: "usr_1", Role: tenants.Owner, Tier: tenants.Pro}
}

func (w *world) serves(host string) bool {
	w.t.Helper()
	must(w.t, w.hosts.Load(w.t.Context(), w.store))
	return w.hosts.Serves(host)
}

// proven is a host of who that is served.
func (w *world) proven(who tenants.Scope, host string) *domains.Domain {
	w.t.Helper()
	d, err := w.Add(w.t.Context(), who, host, false)
	must(w.t, err)
	w.dns.Set(d.ProofName(), "v=spf1 -all", d.ProofText())
	d, err = w.Verify(w.t.Context(), who, d.ID)
	must(w.t, err)
	if d.State != domains.Proven {
		w.t.Fatalf("%s is %s: %s", host, d.State, d.Problem)
	}
	return d
}

func TestAHostIsServedOnceItIsProven(t *testing.T) {
	w, who := newWorld(t), reseller()
	d, err := w.Add(t.Context(), who, "social.example.com", false)
	must(t, err)
	for want, set := range map[domains.Problem]func(){
		domains.NoRecord: func() {}, domains.OtherText: func() { w.dns.Set(d.ProofName(), "carillon-domain=cdp_x") }, domains.NoAnswer: func() { w.dns.Silence(true) },
	} {
		w.dns.Set(d.ProofName())
		set()
		got, err := w.Verify(t.Context(), who, d.ID)
		must(t, err)
		if got.State != domains.Pending || got.Problem != want || w.serves("social.example.com") {
			t.Errorf("%s: %s, %s", want, got.State, got.Problem)
		}
		w.dns.Silence(false)
	}
	w.dns.Set(d.ProofName(), d.ProofText())
	d, err = w.Verify(t.Context(), who, d.ID)
	must(t, err)
	if d.State != domains.Proven || !d.Canonical || !w.serves("social.example.com") {
		t.Errorf("%s, canonical %t, served %t", d.State, d.Canonical, w.serves("social.example.com"))
	}
	must(t, w.Remove(t.Context(), who, d.ID))
	if w.serves("social.example.com") {
		t.Error("served after it was removed")
	}
}

func TestALostProofIsToldAndThenQuarantined(t *testing.T) {
	w, who := newWorld(t), reseller()
	d := w.proven(who, "social.example.com")
	other := w.proven(who, "other.example.com")
	w.store.Heard()
	w.dns.Set(d.ProofName())
	pass := func(by time.Duration) []domainstest.Told {
		w.now = w.now.Add(by)
		must(t, w.Recheck(t.Context()))
		return w.store.Heard()
	}
	told := func(turn domains.Turn) []domainstest.Told {
		return []domainstest.Told{{Tenant: who.Tenant, Turn: turn, Host: d.Host}}
	}
	for _, step := range []struct {
		by     time.Duration
		want   []domainstest.Told
		served bool
	}{
		{domains.Every - time.Second, nil, true},
		{time.Second, told(domains.TurnAtRisk), true},
		{domains.MissedIn, nil, true},
		{domains.Grace - domains.MissedIn, told(domains.TurnQuarantine), false},
		{domains.Every, nil, false},
	} {
		if diff := cmp.Diff(step.want, pass(step.by)); diff != "" || w.serves(d.Host) != step.served {
			t.Errorf("after %s: served %t, %s", step.by, w.serves(d.Host), diff)
		}
	}
	if got, _ := w.Get(t.Context(), who, other.ID); !got.Canonical {
		t.Error("the host that is left is not the canonical one")
	}
	w.dns.Set(d.ProofName(), d.ProofText())
	if diff := cmp.Diff(told(domains.TurnProven), pass(domains.Every)); diff != "" || !w.serves(d.Host) {
		t.Errorf("back: %s", diff)
	}
}

func TestASilentDNSCostsNobodyAHost(t *testing.T) {
	w, who := newWorld(t), reseller()
	d := w.proven(who, "social.example.com")
	w.dns.Silence(true)
	for range 500 {
		w.now = w.now.Add(domains.RetryIn)
		must(t, w.Recheck(t.Context()))
	}
	if !w.serves(d.Host) {
		t.Error("not served")
	}
}

func TestAClaimBlocksNobody(t *testing.T) {
	w, squatter, who := newWorld(t), reseller(), reseller()
	_, err := w.Add(t.Context(), squatter, "social.example.com", false)
	must(t, err)
	d := w.proven(who, "social.example.com")
	third := reseller()
	late, err := w.Add(t.Context(), third, "social.example.com", false)
	must(t, err)
	w.dns.Set(late.ProofName(), d.ProofText(), late.ProofText())
	if _, err := w.Verify(t.Context(), third, late.ID); fault.Of(err).Reason != "domain.held" {
		t.Errorf("two have it: %v", err)
	}
	// It is sold, and the new owner takes the old proof away.
	w.dns.Set(late.ProofName(), late.ProofText())
	for range 30 {
		w.now = w.now.Add(domains.MissedIn)
		must(t, w.Recheck(t.Context()))
	}
	if _, err := w.Verify(t.Context(), third, late.ID); err != nil {
		t.Fatal(err)
	}
	must(t, w.hosts.Load(t.Context(), w.store))
	if got := w.hosts.Tenant("social.example.com"); got != third.Tenant {
		t.Errorf("it is %s's", got)
	}
	// The old owner's proof comes back: the host stays where it is.
	w.dns.Set(late.ProofName(), d.ProofText(), late.ProofText())
	w.now = w.now.Add(domains.Every)
	must(t, w.Recheck(t.Context()))
	if got, _ := w.Get(t.Context(), who, d.ID); got.State != domains.Quarantined || got.Problem != domains.HeldByElse {
		t.Errorf("%s, %s", got.State, got.Problem)
	}
}

func TestWhatCannotBeClaimed(t *testing.T) {
	w, who := newWorld(t), reseller()
	for host, want := range map[string]string{"app.example.org": "domain.own", "x.app.example.org": "domain.own", "example.org": "", "myapp.example.org": ""} {
		if _, err := w.Add(t.Context(), who, host, false); want != "" && fault.Of(err).Reason != want || want == "" && err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := w.Add(t.Context(), who, "example.org", false); fault.Of(err).Reason != "domain.exists" {
		t.Errorf("twice: %v", err)
	}
	for range domains.Max - 2 {
		_, err := w.Add(t.Context(), who, string(tenants.NewID())[4:]+".example.com", false)
		must(t, err)
	}
	if _, err := w.Add(t.Context(), who, "more.example.com", false); fault.Of(err).Reason != "domain.too_many" {
		t.Errorf("one too many: %v", err)
	}
}

func TestWhoHasHosts(t *testing.T) {
	for name, c := range map[string]struct {
		kind tenants.Kind
		tier tenants.Tier
		want string
	}{
		"reseller": {tenants.Reseller, tenants.Free, ""}, "large agency": {tenants.Agency, tenants.Team, ""},
		"agency": {tenants.Agency, tenants.Pro, "whitelabel.plan"}, "workspace": {tenants.Workspace, tenants.Team, "whitelabel.kind"},
		"operator": {tenants.Operator, tenants.Team, "whitelabel.kind"},
	} {
		err := domains.Entitled(tenants.Scope{Kind: c.kind, Tier: c.tier})
		if c.want == "" && err != nil || c.want != "" && fault.Of(err).Reason != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOneHostIsCanonical(t *testing.T) {
	w, who := newWorld(t), reseller()
	first, second := w.proven(who, "a.example.com"), w.proven(who, "b.example.com")
	workspace, agency := tenants.NewID(), tenants.NewID()
	path := []tenants.ID{tenants.NewID(), who.Tenant, agency, workspace}
	canonical := func() string {
		must(t, w.hosts.Load(t.Context(), w.store))
		return w.hosts.Canonical(path)
	}
	if got := canonical(); got != first.Host {
		t.Errorf("canonical is %q", got)
	}
	if _, err := w.MakeCanonical(t.Context(), who, second.ID); err != nil || canonical() != second.Host {
		t.Errorf("canonical is %q, %v", canonical(), err)
	}
	must(t, w.Remove(t.Context(), who, second.ID))
	if got := canonical(); got != first.Host {
		t.Errorf("canonical is %q", got)
	}
	near := w.proven(tenants.Scope{Tenant: agency, Kind: tenants.Agency, Tier: tenants.Team}, "near.example.com")
	if got := canonical(); got != near.Host {
		t.Errorf("the nearest is %q", got)
	}
	pending, err := w.Add(t.Context(), who, "c.example.com", false)
	must(t, err)
	if _, err := w.MakeCanonical(t.Context(), who, pending.ID); fault.Of(err).Reason != "domain.unproven" {
		t.Errorf("an unproven one: %v", err)
	}
}

func TestHosts(t *testing.T) {
	w := newWorld(t)
	w.proven(reseller(), "social.example.com")
	dev := domains.NewHosts("localhost", true)
	for host, want := range map[string]bool{
		"app.example.org": true, "APP.example.org:443": true, "app.example.org.": true, "social.example.com": true, "Social.Example.com:8443": true,
		"": false, "example.com": false, "x.social.example.com": false, "127.0.0.1": false, "localhost": false, "[::1]:80": false,
		"social.example.com:80:80": false, "social.example.com@evil": false, "social.example.com/": false,
	} {
		if w.serves(host) != want {
			t.Errorf("%q is served: %t", host, !want)
		}
	}
	for host, want := range map[string]bool{"localhost:1": true, "127.0.0.1:1": true, "127.8.8.8": true, "[::1]:1": true, "10.0.0.1": false, "evil.example": false} {
		if dev.Serves(host) != want {
			t.Errorf("in dev, %q is served: %t", host, !want)
		}
	}
}

type letters []mail.Message

func (l *letters) Send(_ context.Context, m mail.Message) error {
	*l = append(*l, m)
	return nil
}

func TestOwnersGetALetter(t *testing.T) {
	w, who := newWorld(t), reseller()
	d := w.proven(who, "social.example.com")
	w.dns.Set(d.ProofName())
	var sent letters
	c := domains.NewCourier(w.store, &sent, func(_ context.Context, people []tenants.UserID) ([]string, error) {
		return []string{string(people[0]) + "@example.com"}, nil
	}, func(_ context.Context, tenant tenants.ID) (brand.Head, error) {
		return brand.Head{Product: string(tenant)[4:]}, nil
	})
	w.now = w.now.Add(domains.Every)
	must(t, w.Recheck(t.Context()))
	must(t, c.Deliver(t.Context(), domains.Notice{Tenant: who.Tenant, Domain: d.ID, Turn: domains.TurnAtRisk}))
	must(t, c.Deliver(t.Context(), domains.Notice{Tenant: who.Tenant, Domain: d.ID, Turn: domains.TurnQuarantine})) // not so
	must(t, c.Deliver(t.Context(), domains.Notice{Tenant: who.Tenant, Domain: "dom_gone", Turn: domains.TurnAtRisk}))
	if len(sent) != 1 || sent[0].To != "usr_1@example.com" || !strings.Contains(sent[0].Text, d.ProofText()) || sent[0].FromName != string(who.Tenant)[4:] {
		t.Errorf("%+v", sent)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
