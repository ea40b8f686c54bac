package main

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/httpapi"
	"github.com/carillonhq/carillon/adapters/oidc"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

// Providers of accounts elsewhere come from CARILLON_OIDC_<NAME>_CLIENT_ID,
// _CLIENT_SECRET (or _CLIENT_SECRET_FILE), _ISSUER, _TITLE and _SCOPES.

// presets are what need not be said about some.
var presets = map[string]oidc.Config{
	"google": {Title: "Google", Issuer: oidc.Google},
	"github": {Title: "GitHub", Issuer: oidc.GitHub, Plain: true},
}

var providerVariable = regexp.MustCompile(`^CARILLON_OIDC_([A-Z][A-Z0-9_]{0,30})_CLIENT_ID=`)

// providers are those that environ, as os.Environ has it, names a client of;
// in the order of their names. loopback is whether one may be on this machine.
func (e *env) providers(environ []string, loopback bool) (out []oidc.Config) {
	for _, entry := range environ {
		if m := providerVariable.FindStringSubmatch(entry); m != nil && e.get("CARILLON_OIDC_"+m[1]+"_CLIENT_ID") != "" {
			out = append(out, e.provider("CARILLON_OIDC_"+m[1], strings.ReplaceAll(strings.ToLower(m[1]), "_", "-"), loopback))
		}
	}
	slices.SortFunc(out, func(a, b oidc.Config) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (e *env) provider(prefix, name string, loopback bool) oidc.Config {
	c := presets[name]
	c.Name, c.ClientID, c.ClientSecret = name, e.get(prefix+"_CLIENT_ID"), e.secret(prefix+"_CLIENT_SECRET")
	c.Issuer = e.text(prefix+"_ISSUER", c.Issuer)
	c.Title = e.text(prefix+"_TITLE", cmp.Or(c.Title, strings.ToUpper(name[:1])+name[1:]))
	c.Scopes = strings.Fields(strings.ReplaceAll(e.get(prefix+"_SCOPES"), ",", " "))
	if err := checkIssuer(c.Issuer, loopback); err != nil {
		e.errs = append(e.errs, fmt.Errorf("%s_ISSUER: %w", prefix, err))
	}
	return c
}

// checkIssuer refuses what is no issuer (Discovery 1.0, 3). What a provider
// says over plain HTTP proves nothing, but on one's own machine.
func checkIssuer(issuer string, loopback bool) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback || !here(u.Hostname())) {
		return fmt.Errorf("%q is no address like https://id.example.org, as the provider itself writes it", issuer)
	}
	return nil
}

func here(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// practiceProvider signs people in with the practice network.
func practiceProvider(issuer string) oidc.Config {
	return oidc.Config{Name: "practice", Title: "Pigeon, the practice network", Issuer: issuer, ClientID: network.DefaultClientID}
}

// openProviders is signing in with accounts elsewhere.
func (k *kernel) openProviders() {
	providers := oidc.New(k.providerClient(), k.cfg.Providers, time.Now)
	k.federation = identity.NewFederation(k.people, providers, identity.FederationConfig{
		Key:      k.vault.Key(vault.SignIn),
		Callback: func(name string) string { return k.cfg.URL + httpapi.SignInPath + name },
	})
}

// providerClient goes out as everything else does, and to the operator's own
// networks if they say so: an address there is theirs and no stranger's.
func (k *kernel) providerClient() *http.Client {
	out := k.egress
	if len(k.cfg.ProviderNets) > 0 {
		out = egress.New(egress.Options{AllowPrivate: k.cfg.ProviderNets})
	}
	return out.Client(10*time.Second, 1<<20)
}
