package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/domains"
)

// A host that is proven is served by the running server within a second, asks
// for passkeys and is what letters link to, whatever Host a request names; one
// that is nobody's is refused.
func TestAProvenHost(t *testing.T) {
	in := install(t, func(*config) {})
	const host = "social.example.com"
	status := func(name string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.k.cfg.URL+"/login", nil)
		must(t, err)
		req.Host = name
		res, err := http.DefaultClient.Do(req)
		must(t, err)
		must(t, res.Body.Close())
		return res.StatusCode
	}
	if got := status(host); got != http.StatusMisdirectedRequest {
		t.Fatalf("before: %d", got)
	}
	user, err := in.k.names.Find(t.Context(), agencyOwner.Email)
	must(t, err)
	places, err := in.k.tenants.Mine(t.Context(), user.ID)
	must(t, err)
	root, err := in.k.db.Registry().Operator(t.Context())
	must(t, err)
	now := time.Now()
	must(t, in.k.db.Domains().Update(t.Context(), root, func(tx domains.Tx) error {
		return tx.Save(t.Context(), &domains.Domain{
			ID: "dom_test", Host: host, Token: "cdp_x", State: domains.Proven, Canonical: true, ProvenAt: now, CreatedAt: now, UpdatedAt: now,
		})
	}))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := now.Add(time.Minute); status(host) != http.StatusOK; <-tick.C {
		if time.Now().After(end) {
			t.Fatal("never served")
		}
	}
	party, err := parties(in.k.cfg.URL, in.k.hosts.Proven)(t.Context(), host)
	if err != nil || party.ID != host || len(party.Origins) != 1 || party.Origins[0] != "https://"+host {
		t.Errorf("%+v, %v", party, err)
	}
	if party, err = parties(in.k.cfg.URL, in.k.hosts.Proven)(t.Context(), "evil.example.com"); err != nil || party.ID != "" {
		t.Errorf("%+v, %v", party, err)
	}
	home, err := in.k.headOf(t.Context(), identity.Letter{Email: agencyOwner.Email})
	must(t, err)
	if home.Home != "https://"+host || len(places) == 0 {
		t.Errorf("home is %q, of %d places", home.Home, len(places))
	}
	if home, err = in.k.headOf(t.Context(), identity.Letter{Email: "nobody@example.com"}); err != nil || home.Home != in.k.cfg.URL {
		t.Errorf("home of nobody is %q, %v", home.Home, err)
	}
	must(t, in.k.db.Brands().Save(t.Context(), root, &branding.Brand{
		Product: "Chimes", Support: "help@" + host, SenderName: "Chimes Team", Sender: "hello@mail." + host, ReplyTo: "re@" + host, UpdatedAt: now,
	}, nil, audit.Of("system", "test", "")))
	if head, err := in.k.headOf(t.Context(), identity.Letter{Email: "nobody@example.com", Host: host}); err != nil || head.Home != "https://"+host || head.Product != "Chimes" {
		t.Errorf("who registers there hears from %+v, %v", head, err)
	}
	code, body := in.send(http.MethodPost, in.k.cfg.URL+"/api/v1/auth/password:forgot", nil, fmt.Sprintf(`{"email":%q}`, agencyOwner.Email))
	if code != http.StatusAccepted {
		t.Fatal(code, body)
	}
	m := in.mailTo(agencyOwner.Email)
	if links := regexp.MustCompile(`https?://[^/\s]+`).FindAllString(m.Text, -1); len(links) == 0 || strings.Join(links, "") != "https://"+host {
		t.Errorf("links to %v: %s", links, m.Text)
	}
	if m.From != "Chimes Team <hello@mail."+host+">" || m.ReplyTo != "re@"+host || !strings.Contains(m.Text, "your Chimes account") || !strings.Contains(m.HTML, "help@"+host) {
		t.Errorf("from %s, answers to %s: %s", m.From, m.ReplyTo, m.Text)
	}
}
