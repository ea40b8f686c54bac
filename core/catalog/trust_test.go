package catalog_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/ports/social"
)

// hasChange reports whether a diff has that kind of change.
func hasChange(diff []catalog.Change, kind catalog.ChangeKind) bool {
	for _, c := range diff {
		if c.Kind == kind {
			return true
		}
	}
	return false
}

func (w *world) approve(t *testing.T) {
	t.Helper()
	e, err := w.Get(t.Context(), w.boss, plugin)
	must(t, err)
	_, err = w.Approve(t.Context(), w.boss, plugin, e.Plugin.Pending)
	must(t, err)
}

// Nobody approves what they have not looked at.
func TestApprovalNamesWhatWasLookedAt(t *testing.T) {
	w := newWorld(t)
	b := bundle(plugin, "1.0.0", signer('a'))
	w.add(t, b)
	if e, err := w.Approve(t.Context(), w.boss, plugin, ""); reason(err) != "plugin.no_digest" || e.Plugin.Runs() {
		t.Errorf("%v, %+v", err, e.Plugin)
	}
}

// What a revoked key signs waits, however well it was known before.
func TestARevokedKeyUpgradesNothing(t *testing.T) {
	for name, before := range map[string]func(*world){
		"was verified": func(w *world) { w.trust(t, signer('a')); w.add(t, bundle(plugin, "1.0.0", signer('a'))) },
		"was accepted, then trusted": func(w *world) {
			w.add(t, bundle(plugin, "1.0.0", signer('a')))
			w.approve(t)
			w.trust(t, signer('a'))
		},
		"was gone back to": func(w *world) {
			w.trust(t, signer('a'))
			w.trust(t, signer('d'))
			w.add(t, bundle(plugin, "1.0.0", signer('a')))
			w.add(t, bundle(plugin, "1.1.0", signer('d')))
			w.approve(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before(w)
			must(t, w.Distrust(t.Context(), w.boss, signer('a').Key))
			if name == "was gone back to" {
				must(t, one(w.Rollback(t.Context(), w.boss, plugin, "1.0.0")))
				stable := catalog.Stable
				must(t, one(w.Update(t.Context(), w.boss, plugin, catalog.ChannelChange{Channel: &stable})))
			}
			two := bundle(plugin, "1.2.0", signer('a'))
			e := w.add(t, two)
			if e.Plugin.Pending != two.Digest || !hasChange(e.Diff, catalog.AnotherSigner) {
				t.Errorf("it runs: %t, diff %v", e.Plugin.Active == two.Digest, e.Diff)
			}
			by := bundle(plugin, "1.3.0", signer('z'))
			w.trust(t, signer('z'))
			if e := w.add(t, by); e.Plugin.Active == by.Digest {
				t.Error("another key, though trusted, took over unasked")
			}
		})
	}
}

// Whoever signs a bundle again gets nothing for it: neither the line of those
// that come next, nor anybody's trust away.
func TestSigningABundleAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		local  bool
		first  catalog.Signer
		again  catalog.Signer
		level  catalog.Level
		signer string
	}{
		"by a stranger":              {first: signer('a'), again: signer('c'), level: catalog.Verified, signer: signer('a').Key},
		"by nobody":                  {local: true, first: signer('a'), level: catalog.Verified, signer: signer('a').Key},
		"by another who is trusted":  {first: signer('a'), again: signer('d'), level: catalog.Verified, signer: signer('a').Key},
		"by a stranger, first":       {local: true, again: signer('c'), level: catalog.Local},
		"by one who is trusted":      {local: true, again: signer('a'), level: catalog.Verified, signer: signer('a').Key},
		"of a stranger, by a better": {first: signer('c'), again: signer('a'), level: catalog.Verified, signer: signer('a').Key},
		"of a stranger, by another":  {first: signer('c'), again: signer('e'), level: catalog.Community, signer: signer('c').Key},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.AllowLocal = tc.local
			w.trust(t, signer('a'))
			w.trust(t, signer('d'))
			one := bundle(plugin, "1.0.0", tc.first)
			if e := w.add(t, one); e.Pending != nil {
				_, err := w.Approve(t.Context(), w.boss, plugin, one.Digest)
				must(t, err)
			}
			one.Signer = tc.again
			e := w.add(t, one)
			if e.Plugin.Level != tc.level || e.Plugin.Signer != tc.signer || e.Versions[0].Level != tc.level || e.Versions[0].Key != tc.signer {
				t.Errorf("level %s, signer %q; version %+v", e.Plugin.Level, e.Plugin.Signer, e.Versions[0])
			}
			two := bundle(plugin, "1.0.1", signer('c'))
			if e := w.add(t, two); tc.first.Key != signer('c').Key && e.Plugin.Active == two.Digest {
				t.Error("a stranger's next version runs unasked")
			}
		})
	}
}

// What waits keeps its signer as well: approving accepts who was shown.
func TestSigningWhatWaitsAgain(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	w.add(t, bundle(plugin, "1.0.0", signer('a')))
	two := bundle(plugin, "2.0.0", signer('a'), func(m *social.Manifest) { m.Egress = append(m.Egress, "new.example.com") })
	w.add(t, two)
	two.Signer = signer('c')
	e := w.add(t, two)
	if e.Pending == nil || e.Pending.Key != signer('a').Key || e.Pending.Level != catalog.Verified || hasChange(e.Diff, catalog.AnotherSigner) {
		t.Errorf("%+v, %v", e.Pending, e.Diff)
	}
}
