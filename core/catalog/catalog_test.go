package catalog_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/catalog/catalogtest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func TestMemory(t *testing.T) {
	catalogtest.Run(t, func(*testing.T) catalogtest.Opened { o, _ := opened(); return o })
}

func TestLevels(t *testing.T) {
	for name, tc := range map[string]struct {
		signer  catalog.Signer
		trusted bool
		local   bool
		level   catalog.Level
		runs    bool
		err     string
	}{
		"signed by a trusted key":           {signer: signer('a'), trusted: true, level: catalog.Verified, runs: true},
		"signed by another":                 {signer: signer('b'), trusted: true, level: catalog.Community},
		"signed by one with a trusted name": {signer: catalog.Signer{Key: signer('a').Key, Public: signer('b').Public}, trusted: true, level: catalog.Community},
		"signed by nobody":                  {err: "plugin.unsigned"},
		"signed by nobody, where allowed":   {local: true, level: catalog.Local, runs: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.trusted {
				w.trust(t, signer('a'))
			}
			w.AllowLocal = tc.local
			b := bundle(plugin, "1.0.0", tc.signer)
			e, err := w.Add(t.Context(), w.boss, catalog.Upload{Bundle: bytes.NewReader(catalogtest.Of(b))})
			if reason(err) != tc.err {
				t.Fatalf("%v, want %q", err, tc.err)
			}
			if err == nil && (e.Plugin.Level != tc.level || e.Plugin.Runs() != tc.runs || (e.Pending == nil) != tc.runs) {
				t.Errorf("%+v", e.Plugin)
			}
		})
	}
}

func TestAddRefuses(t *testing.T) {
	broken := errors.New("the line went dead")
	for name, tc := range map[string]struct {
		b    catalog.Bundle
		who  func(*world) tenants.Scope
		want string
	}{
		"a builtin's id":   {b: bundle(builtinID, "9.0.0", signer('a')), want: "plugin.builtin"},
		"another machine":  {b: catalog.Bundle{Digest: "x", Platform: "plan9/mips", Manifest: catalogtest.Manifest(plugin, "1.0.0"), Signer: signer('a')}, want: "bundle.other_platform"},
		"a tenant's admin": {b: bundle(plugin, "1.0.0", signer('a')), who: func(w *world) tenants.Scope { return w.client }, want: "role.denied"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.trust(t, signer('a'))
			who := w.boss
			if tc.who != nil {
				who = tc.who(w)
			}
			if _, err := w.Add(t.Context(), who, catalog.Upload{Bundle: bytes.NewReader(catalogtest.Of(tc.b))}); reason(err) != tc.want {
				t.Errorf("%v, want %s", err, tc.want)
			}
			if len(w.store.Events) > 0 || len(w.bundles.Kept) > 0 {
				t.Errorf("events %v, bundles kept %v", w.events(), w.bundles.Kept)
			}
		})
	}
	w := newWorld(t)
	if _, err := w.Add(t.Context(), w.boss, catalog.Upload{Bundle: failing{broken}}); !errors.Is(err, broken) {
		t.Errorf("aborted: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestBuiltins(t *testing.T) {
	w := newWorld(t)
	must(t, one(w.Disable(t.Context(), w.boss, builtinID)))
	e, err := w.Get(t.Context(), w.boss, builtinID)
	must(t, err)
	if e.Plugin.State != catalog.Disabled || e.Manifest.Version != "2.0.0" {
		t.Errorf("%+v", e)
	}
	if err := w.Remove(t.Context(), w.boss, builtinID); reason(err) != "plugin.builtin" {
		t.Error(err)
	}
	must(t, one(w.Enable(t.Context(), w.boss, builtinID)))
}

func TestRemoveAndComeBack(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	b := bundle(plugin, "1.0.0", signer('a'))
	w.add(t, b)
	must(t, w.Remove(t.Context(), w.boss, plugin))
	if _, err := w.Get(t.Context(), w.boss, plugin); reason(err) != "plugin.not_found" || w.bundles.Kept[b.Digest] {
		t.Error(err)
	}
	if err := w.Remove(t.Context(), w.boss, plugin); reason(err) != "plugin.not_found" {
		t.Errorf("twice: %v", err)
	}
	if closed, err := w.store.Closed(t.Context(), w.Workspace); err != nil || closed[plugin] != catalog.ClosedForAll {
		t.Errorf("its channels: %v, %v", closed, err)
	}
	if e := w.add(t, b); !e.Plugin.Runs() {
		t.Errorf("%+v", e.Plugin)
	}
}

func TestDistrust(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	w.add(t, bundle(plugin, "1.0.0", signer('a')))
	must(t, w.Distrust(t.Context(), w.boss, signer('a').Key))
	e, err := w.Get(t.Context(), w.boss, plugin)
	must(t, err)
	if e.Plugin.Level != catalog.Community || !e.Plugin.Runs() || e.Versions[0].Level != catalog.Community {
		t.Errorf("%+v", e)
	}
	if err := w.Distrust(t.Context(), w.boss, signer('a').Key); !fault.Is(err, fault.NotFound) {
		t.Errorf("twice: %v", err)
	}
	for name, k := range map[string]catalog.Key{"no name": {ID: "x", Public: make([]byte, 32)}, "too short": {ID: "x", Name: "x", Public: make([]byte, 31)}} {
		if _, err := w.Trust(t.Context(), w.boss, k); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whose plan is too small hears of the least that would do; whom it is kept
// from by name hears of none.
func TestThePlanThatIsNeeded(t *testing.T) {
	who := tenants.Scope{Tenant: tenants.NewID(), Tier: tenants.Free}
	for name, tc := range map[string]struct {
		grants catalog.Grants
		want   tenants.Tier
	}{
		"larger":     {catalog.Grants{Tiers: []tenants.Tier{tenants.Team, tenants.Pro}}, tenants.Pro},
		"by name":    {catalog.Grants{Tiers: []tenants.Tier{tenants.Pro}, Tenants: map[tenants.ID]bool{who.Tenant: false}}, ""},
		"not a plan": {catalog.Grants{Tiers: []tenants.Tier{tenants.Free, tenants.Pro}}, ""},
		"in none":    {catalog.Grants{}, ""},
	} {
		if got := tc.grants.Least(who); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
