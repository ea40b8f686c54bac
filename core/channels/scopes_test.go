package channels_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/ports/social"
)

// What the sign-in did not bring is off, with a reason and without a call; the
// rest works.
func TestACapabilityWithoutItsScopeIsOff(t *testing.T) {
	w := setup(t)
	w.net.manifest.CapabilityScopes = []social.CapabilityScopes{{Capability: social.CanMetrics, Scopes: []string{"write", "insights"}}}
	w.auth.scopes = []string{"read", "write"}
	ch := w.connected(w.who)
	if len(ch.Scopes) == 0 {
		t.Fatal("the platform did not say what it granted")
	}
	target, err := w.Describe(t.Context(), w.who, ch.ID)
	w.must(err)
	if target.Manifest.Can(social.CanMetrics) || !target.Manifest.Can(social.CanFind) || !cmp.Equal(target.Lacks(social.CanMetrics), []string{"insights"}) {
		t.Errorf("%+v", target.Missing)
	}
	before := w.net.count()
	_, err = w.Metrics(t.Context(), w.who, ch.ID, []social.Ref{{ID: "1"}})
	f := social.FaultOf(err, false)
	if f.Kind != social.Unsupported || f.Key != "platform.missing_scope" || !cmp.Equal(f.Missing, []string{"insights"}) || w.net.count() != before {
		t.Errorf("%+v, %d calls", f, w.net.count()-before)
	}
	w.must(w.publish(ch.ID, true))
	w.net.manifest.CapabilityScopes = nil
	_, err = w.Metrics(t.Context(), w.who, ch.ID, []social.Ref{{ID: "1"}})
	w.must(err)
}
