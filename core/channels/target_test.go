package channels

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/ports/social"
)

// A channel can do what its sign-in brought; only what is missing is out, by name.
func TestTargetNamesWhatIsMissing(t *testing.T) {
	m := social.Manifest{
		Auth:    social.Auth{Kind: social.AuthOAuth2, OAuth2: &social.OAuth2{Scopes: []string{"read", "write", "stories"}}},
		Formats: []social.Format{{ID: "post", Scopes: []string{"write"}}, {ID: "story", Scopes: []string{"write", "stories"}}, {ID: "reel"}},
	}
	got := target(Channel{Scopes: []string{"read", "write"}, Account: social.Account{Formats: []string{"post", "story"}}}, m)
	if diff := cmp.Diff([]string{"stories"}, got.Lacking); diff != "" {
		t.Error(diff)
	}
	for format, want := range map[string]struct {
		missing []string
		ok      bool
	}{"post": {nil, true}, "story": {[]string{"stories"}, false}, "reel": {nil, false}, "other": {nil, false}} {
		if missing, ok := got.Format(format); ok != want.ok || !cmp.Equal(missing, want.missing) {
			t.Errorf("%s: %v %v, want %+v", format, missing, ok, want)
		}
	}
	m.Capabilities = []social.Capability{social.CanFind, social.CanMetrics, social.CanReply}
	m.CapabilityScopes = []social.CapabilityScopes{{Capability: social.CanMetrics, Scopes: []string{"read", "insights"}}, {Capability: social.CanReply, Scopes: []string{"write"}}}
	got = target(Channel{Scopes: []string{"read", "write"}}, m)
	if diff := cmp.Diff([]social.Capability{social.CanFind, social.CanReply}, got.Manifest.Capabilities); diff != "" {
		t.Error(diff)
	}
	if !cmp.Equal(got.Lacks(social.CanMetrics), []string{"insights"}) || got.Lacks(social.CanReply) != nil || got.Lacks(social.CanConnect) != nil {
		t.Errorf("missing: %+v", got.Missing)
	}
	if !m.Can(social.CanMetrics) {
		t.Error("the platform's own manifest was changed")
	}
	m.CapabilityScopes = nil
	if got := target(Channel{}, m); got.Lacking != nil || len(got.Missing) != 0 {
		t.Errorf("a platform that does not say what it granted: %+v", got)
	}
}
