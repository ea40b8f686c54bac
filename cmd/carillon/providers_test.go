package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/oidc"
)

func providersOf(loopback bool, environ ...string) ([]oidc.Config, []error) {
	e := env{get: func(name string) string {
		for _, entry := range environ {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value
			}
		}
		return ""
	}}
	return e.providers(environ, loopback), e.errs
}

func TestProvidersOfTheEnvironment(t *testing.T) {
	got, errs := providersOf(false,
		"CARILLON_OIDC_GOOGLE_CLIENT_ID=g", "CARILLON_OIDC_GOOGLE_CLIENT_SECRET=gs",
		"CARILLON_OIDC_GITHUB_CLIENT_ID=h", "CARILLON_OIDC_GITHUB_CLIENT_SECRET=hs",
		"CARILLON_OIDC_OUR_HOUSE_CLIENT_ID=o", "CARILLON_OIDC_OUR_HOUSE_ISSUER=https://id.example.org/realms/x",
		"CARILLON_OIDC_OUR_HOUSE_TITLE=Our house", "CARILLON_OIDC_OUR_HOUSE_SCOPES=email, groups",
		"CARILLON_OIDC_NETWORKS=10.0.0.0/8", "PATH=/bin",
	)
	want := []oidc.Config{
		{Name: "github", Title: "GitHub", Issuer: oidc.GitHub, Plain: true, ClientID: "h", ClientSecret: "hs", Scopes: []string{}},
		{Name: "google", Title: "Google", Issuer: oidc.Google, ClientID: "g", ClientSecret: "gs", Scopes: []string{}},
		{Name: "our-house", Title: "Our house", Issuer: "https://id.example.org/realms/x", ClientID: "o", Scopes: []string{"email", "groups"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Errorf("%v\n%s", errs, diff)
	}
}

func TestIssuers(t *testing.T) {
	for issuer, ok := range map[string][2]bool{ // as it is, and on one's own machine
		"https://id.example.org":         {true, true},
		"https://id.example.org:8443/x/": {true, true},
		"http://127.0.0.1:3000":          {false, true},
		"http://localhost:3000":          {false, true},
		"http://id.example.org":          {false, false},
		"":                               {false, false},
		"id.example.org":                 {false, false},
		"https://id.example.org?x=1":     {false, false},
		"https://id.example.org#x":       {false, false},
		"https://user@id.example.org":    {false, false},
		"ftp://id.example.org":           {false, false},
	} {
		for i, loopback := range []bool{false, true} {
			_, errs := providersOf(loopback, "CARILLON_OIDC_CORP_CLIENT_ID=x", "CARILLON_OIDC_CORP_ISSUER="+issuer)
			if (len(errs) == 0) != ok[i] {
				t.Errorf("%q on one's own machine %v: %v", issuer, loopback, errs)
			}
			if len(errs) > 0 && !strings.Contains(errs[0].Error(), "CARILLON_OIDC_CORP_ISSUER") {
				t.Errorf("the mistake is not named: %v", errs)
			}
		}
	}
}
