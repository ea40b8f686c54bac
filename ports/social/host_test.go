package social_test

import (
	"testing"

	"github.com/carillonhq/carillon/ports/social"
)

func TestHostPatterns(t *testing.T) {
	for name, tc := range map[string]struct {
		pattern, target string
		want            bool
	}{
		"the name":                {"api.example.com", "api.example.com", true},
		"on a port":               {"api.example.com", "api.example.com:443", true},
		"in capitals":             {"API.example.com", "Api.Example.COM:443", true},
		"with the root's dot":     {"api.example.com.", "api.example.com.:443", true},
		"another name":            {"api.example.com", "example.com", false},
		"below the name":          {"example.com", "api.example.com", false},
		"below a wildcard":        {"*.example.com", "a.b.example.com:443", true},
		"the wildcard's own":      {"*.example.com", "example.com", false},
		"nothing below it":        {"*.example.com", ".example.com", false},
		"the end of a name":       {"*.example.com", "notexample.com", false},
		"another port":            {"127.0.0.1:8080", "127.0.0.1:8081", false},
		"the port":                {"127.0.0.1:8080", "127.0.0.1:8080", true},
		"no port where one is":    {"127.0.0.1:8080", "127.0.0.1", false},
		"an address of version 6": {"[::1]:8080", "[::1]:8080", true},
		"without a port":          {"[::1]", "[::1]:8080", true},
		"a wildcard on a port":    {"*.example.com:8443", "a.example.com:8443", true},
		"a wildcard, other port":  {"*.example.com:8443", "a.example.com:443", false},
	} {
		p, ok := social.ParseHost(tc.pattern)
		if !ok || p.Matches(tc.target) != tc.want {
			t.Errorf("%s: %s and %s: %t, want %t", name, tc.pattern, tc.target, !tc.want, tc.want)
		}
	}
	for _, none := range []string{"", "*", "*.", "*.com", "*.com.", "*.com:443", "*.*.example.com", "a.*.com", social.OwnServer, "https://example.com", ":443"} {
		if p, ok := social.ParseHost(none); ok || p.Matches("example.com") || p.Matches("") {
			t.Errorf("%q is a pattern", none)
		}
	}
}

// What was approved covers what asks for no more.
func TestHostPatternsCover(t *testing.T) {
	for name, tc := range map[string]struct {
		approved, asked string
		want            bool
	}{
		"the same":                   {"api.example.com", "api.example.com", true},
		"on one port of all":         {"api.example.com", "api.example.com:8443", true},
		"on all of one":              {"api.example.com:8443", "api.example.com", false},
		"a name below":               {"*.example.com", "api.example.com", true},
		"a wildcard below":           {"*.example.com", "*.api.example.com", true},
		"the same wildcard":          {"*.example.com", "*.example.com", true},
		"a wildcard on a port":       {"*.example.com", "*.example.com:8443", true},
		"a wildcard above":           {"*.api.example.com", "*.example.com", false},
		"what the wildcard is below": {"*.example.com", "example.com", false},
		"a wildcard of a name":       {"example.com", "*.example.com", false},
		"the end of a name":          {"*.example.com", "*.notexample.com", false},
	} {
		p, ok := social.ParseHost(tc.approved)
		q, fine := social.ParseHost(tc.asked)
		if !ok || !fine || p.Covers(q) != tc.want {
			t.Errorf("%s: %s covers %s: %t, want %t", name, tc.approved, tc.asked, !tc.want, tc.want)
		}
	}
}
