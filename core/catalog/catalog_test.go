package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/catalog/catalogtest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

func TestMemory(t *testing.T) {
	catalogtest.Run(t, func(*testing.T) catalogtest.Opened { o, _ := opened(); return o })
}

func opened() (catalogtest.Opened, *catalogtest.Store) {
	o := catalogtest.Opened{
		Operator: tenants.NewID(), Agency: tenants.NewID(), Workspace: tenants.NewID(), Sibling: tenants.NewID(), Stranger: tenants.NewID(),
	}
	s := catalogtest.NewStore(map[tenants.ID]catalogtest.Node{
		o.Operator:  {Kind: tenants.Operator, Tier: tenants.Team},
		o.Agency:    {Kind: tenants.Agency, Parent: o.Operator, Tier: tenants.Free},
		o.Workspace: {Kind: tenants.Workspace, Parent: o.Agency},
		o.Sibling:   {Kind: tenants.Workspace, Parent: o.Agency},
		o.Stranger:  {Kind: tenants.Agency, Parent: o.Operator, Tier: tenants.Team},
	})
	o.Store = s
	return o, s
}

// world is a Service with everything around it made up.
type world struct {
	*catalog.Service
	catalogtest.Opened
	store   *catalogtest.Store
	bundles *catalogtest.Bundles
	apps    *catalogtest.Apps
	boss    tenants.Scope
	client  tenants.Scope
	now     time.Time
}

// authz lets admins do everything in their kind of tenant, and viewers look.
type authz struct{}

func (authz) Allow(_ context.Context, who tenants.Scope, act tenants.Action) error {
	if who.Role != tenants.Admin && act != catalog.ActRead || act == catalog.ActManage && who.Kind != tenants.Operator {
		return fault.New(fault.Forbidden, "role.denied", "No.")
	}
	return nil
}

// rules want every value to be as long as the schema's title says: "short".
type rules struct{}

func (rules) Settings(_ []byte, values map[string]any, pointer string) (out []fault.Violation) {
	for name, v := range values {
		if s, ok := v.(string); ok && len(s) > 5 {
			out = append(out, fault.Violation{Field: pointer + "/" + name, Reason: "settings.invalid"})
		}
	}
	if values["client_id"] == nil {
		out = append(out, fault.Violation{Field: pointer, Reason: "settings.invalid"})
	}
	return out
}

const builtinID = "org.example.builtin"

var schema = []byte(`{"type":"object","required":["client_id"],"properties":{
	"client_id":{"type":"string"},"client_secret":{"type":"string","format":"password"},"retries":{"type":"integer"}}}`)

func newWorld(t *testing.T) *world {
	t.Helper()
	o, store := opened()
	w := &world{Opened: o, store: store, bundles: &catalogtest.Bundles{}, apps: &catalogtest.Apps{}, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	w.boss = tenants.Scope{Tenant: o.Operator, Kind: tenants.Operator, Role: tenants.Admin, User: "usr_boss"}
	w.client = tenants.Scope{Tenant: o.Workspace, Kind: tenants.Workspace, Role: tenants.Admin, User: "usr_client"}
	builtin := catalogtest.Manifest(builtinID, "2.0.0")
	builtin.SettingsSchema = schema
	w.Service = catalog.New(catalog.Deps{
		Store: store, Bundles: w.bundles, Apps: w.apps, Rules: rules{}, Authz: authz{}, Builtins: []catalog.Builtin{{Manifest: builtin}},
		Runtime: func() map[string]catalog.Health {
			return map[string]catalog.Health{builtinID: {State: "running", Error: "secret"}}
		},
		Now: func() time.Time { w.now = w.now.Add(time.Second); return w.now },
	})
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signer is a key, and whether it is trusted is up to the test.
func signer(c byte) catalog.Signer {
	return catalog.Signer{Key: strings.Repeat(string(c), 16), Public: bytes.Repeat([]byte{c}, 32)}
}

func bundle(plugin, version string, by catalog.Signer, spoil ...func(*social.Manifest)) catalog.Bundle {
	b := catalog.Bundle{Digest: id.New("x"), Platform: "any", Manifest: catalogtest.Manifest(plugin, version), Signer: by}
	for _, fn := range spoil {
		fn(&b.Manifest)
	}
	return b
}

func (w *world) trust(t *testing.T, s catalog.Signer) {
	t.Helper()
	_, err := w.Trust(t.Context(), w.boss, catalog.Key{ID: s.Key, Name: "Example", Public: s.Public})
	must(t, err)
}

func (w *world) add(t *testing.T, b catalog.Bundle) catalog.Entry {
	t.Helper()
	e, err := w.Add(t.Context(), w.boss, catalog.Upload{Bundle: bytes.NewReader(catalogtest.Of(b))})
	must(t, err)
	return e
}

func (w *world) events() (out []string) {
	for _, e := range w.store.Events {
		out = append(out, e.Type)
	}
	return out
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Reason
}

const plugin = "org.example.plugin"

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

func TestAVersionNeverChanges(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	w.add(t, bundle(plugin, "1.0.0", signer('a')))
	_, err := w.Add(t.Context(), w.boss, catalog.Upload{Bundle: bytes.NewReader(catalogtest.Of(bundle(plugin, "1.0.0", signer('a'))))})
	if reason(err) != "plugin.version_taken" {
		t.Error(err)
	}
	if len(w.bundles.Kept) != 1 {
		t.Errorf("kept %v, want the first alone", w.bundles.Kept)
	}
	w = newWorld(t)
	w.AllowLocal = true
	w.add(t, bundle(plugin, "1.0.0", catalog.Signer{}))
	second := bundle(plugin, "1.0.0", catalog.Signer{})
	if e := w.add(t, second); e.Plugin.Active != second.Digest {
		t.Error("work on a version that nobody signed did not replace it")
	}
}

// What asks for something new waits, and says what; the rest runs at once.
func TestUpgrade(t *testing.T) {
	oauth := func(m *social.Manifest) {
		m.Auth = social.Auth{Kind: social.AuthOAuth2, OAuth2: &social.OAuth2{AuthorizeURL: "https://x/a", TokenURL: "https://x/t", Scopes: []string{"read"}}}
		m.Formats = []social.Format{{ID: "post"}, {ID: "story"}}
		m.Capabilities = []social.Capability{social.CanFind, social.CanMetrics}
		m.Dedup = social.ByFind
		m.Egress = []string{"*.example.org", "api.example.com"}
	}
	for name, tc := range map[string]struct {
		version string
		spoil   func(*social.Manifest)
		by      byte
		want    string // kinds of changes; empty: it runs
		waits   bool   // without a change
	}{
		"nothing new":           {},
		"a summary":             {spoil: func(m *social.Manifest) { m.Summary = "New." }},
		"a host approved":       {spoil: func(m *social.Manifest) { m.Egress = []string{"api.example.org"} }},
		"a new host":            {spoil: func(m *social.Manifest) { m.Egress = append(m.Egress, "evil.example") }, want: "host_added"},
		"a new wildcard":        {spoil: func(m *social.Manifest) { m.Egress = append(m.Egress, "*.example.com") }, want: "host_added"},
		"a new scope":           {spoil: func(m *social.Manifest) { m.Auth.OAuth2.Scopes = []string{"read", "write"} }, want: "scope_added"},
		"a scope of a format":   {spoil: func(m *social.Manifest) { m.Formats[0].Scopes = []string{"dm"} }, want: "scope_added"},
		"another token address": {spoil: func(m *social.Manifest) { m.Auth.OAuth2.TokenURL = "https://y/t" }, want: "auth_changed"},
		"another kind of auth":  {spoil: func(m *social.Manifest) { m.Auth = social.Auth{Kind: social.AuthNone} }, want: "auth_changed"},
		"no more stories":       {spoil: func(m *social.Manifest) { m.Formats = m.Formats[:1] }, want: "format_removed"},
		"no more metrics":       {spoil: func(m *social.Manifest) { m.Capabilities = m.Capabilities[:1] }, want: "capability_removed"},
		"weaker recovery":       {spoil: func(m *social.Manifest) { m.Dedup = social.NoDedup }, want: "recovery_changed"},
		"states it cannot read": {spoil: func(m *social.Manifest) { m.StateVersion = 1 }, want: "state_dropped"},
		"a pre-release":         {version: "1.1.0-rc.1", waits: true},
		"an older one":          {version: "0.9.0", want: "version_lowered"},
		"another trusted key":   {by: 'b', want: "signer_changed"},
		"a key not trusted":     {by: 'c', want: "signer_changed level_lowered"},
		"two things": {spoil: func(m *social.Manifest) {
			m.Egress = append(m.Egress, "evil.example")
			m.Formats = m.Formats[1:]
		}, want: "host_added format_removed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.trust(t, signer('a'))
			w.trust(t, signer('b'))
			first := bundle(plugin, "1.0.0", signer('a'), oauth)
			w.add(t, first)
			if tc.version == "" {
				tc.version = "1.1.0"
			}
			if tc.by == 0 {
				tc.by = 'a'
			}
			second := bundle(plugin, tc.version, signer(tc.by), oauth)
			if tc.spoil != nil {
				tc.spoil(&second.Manifest)
			}
			e := w.add(t, second)
			var got []string
			for _, c := range e.Diff {
				got = append(got, string(c.Kind))
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("changes %v, want %s", e.Diff, tc.want)
			}
			waits := tc.want != "" || tc.waits
			if (e.Plugin.Active == first.Digest) != waits || (e.Plugin.Pending == second.Digest) != waits {
				t.Fatalf("%+v", e.Plugin)
			}
			if !waits {
				return
			}
			if _, err := w.Approve(t.Context(), w.boss, plugin, first.Digest); reason(err) != "plugin.other_pending" {
				t.Errorf("another than was looked at: %v", err)
			}
			e, err := w.Approve(t.Context(), w.boss, plugin, second.Digest)
			must(t, err)
			if e.Plugin.Active != second.Digest || e.Plugin.Previous != first.Digest || e.Plugin.Pending != "" || e.Diff != nil {
				t.Errorf("%+v", e.Plugin)
			}
			if _, err := w.Approve(t.Context(), w.boss, plugin, ""); reason(err) != "plugin.nothing_pending" {
				t.Errorf("twice: %v", err)
			}
		})
	}
}

func TestRollback(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	one, two := bundle(plugin, "1.0.0", signer('a')), bundle(plugin, "2.0.0", signer('a'))
	w.add(t, one)
	if _, err := w.Rollback(t.Context(), w.boss, plugin, ""); reason(err) != "plugin.no_such_version" {
		t.Errorf("to nothing: %v", err)
	}
	w.add(t, two)
	e, err := w.Rollback(t.Context(), w.boss, plugin, "")
	must(t, err)
	if e.Plugin.Active != one.Digest || e.Plugin.Previous != two.Digest || e.Plugin.Channel != catalog.Pinned {
		t.Errorf("%+v", e.Plugin)
	}
	three := bundle(plugin, "3.0.0", signer('a'))
	if e = w.add(t, three); e.Plugin.Active != one.Digest || e.Plugin.Pending != three.Digest {
		t.Errorf("a pinned plugin moved: %+v", e.Plugin)
	}
	e, err = w.Rollback(t.Context(), w.boss, plugin, "2.0.0")
	must(t, err)
	if e.Plugin.Active != two.Digest {
		t.Errorf("%+v", e.Plugin)
	}
	for version, want := range map[string]string{"2.0.0": "plugin.runs_already", "7.0.0": "plugin.no_such_version", "3.0.0": "plugin.never_ran"} {
		if _, err := w.Rollback(t.Context(), w.boss, plugin, version); reason(err) != want {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestOldVersionsGo(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	for i := range 15 {
		w.add(t, bundle(plugin, fmt.Sprintf("1.%d.0", i), signer('a')))
	}
	e, err := w.Get(t.Context(), w.boss, plugin)
	must(t, err)
	if len(e.Versions) > 11 || len(w.bundles.Forgotten) != 15-len(e.Versions) || slices.Contains(w.bundles.Forgotten, e.Plugin.Active) {
		t.Errorf("%d kept, %d forgotten", len(e.Versions), len(w.bundles.Forgotten))
	}
}

func TestEnabling(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	w.add(t, bundle(plugin, "1.0.0", signer('a')))
	must(t, one(w.Disable(t.Context(), w.client, plugin)))
	e, err := w.Get(t.Context(), w.client, plugin)
	must(t, err)
	if e.Closed != catalog.ClosedByChoice || e.Choice == nil || e.Choice.By != "usr_client" || e.Versions != nil || e.Plugin.Hosts != nil {
		t.Errorf("%+v", e)
	}
	must(t, one(w.Enable(t.Context(), w.client, plugin)))

	_, _, err = w.SetGrants(t.Context(), w.boss, plugin, 0, catalog.Grants{Tiers: []tenants.Tier{tenants.Team}})
	must(t, err)
	if _, err := w.Enable(t.Context(), w.client, plugin); !fault.Is(err, fault.Quota) || reason(err) != "platform.not_included" {
		t.Errorf("beyond the plan: %v", err)
	}
	_, _, err = w.SetGrants(t.Context(), w.boss, plugin, 0, catalog.Grants{Tenants: map[tenants.ID]bool{w.Agency: true}})
	must(t, err)
	must(t, one(w.Enable(t.Context(), w.client, plugin)))

	agency := w.client
	agency.Tenant, agency.Kind = w.Agency, tenants.Agency
	must(t, one(w.Disable(t.Context(), agency, plugin)))
	if _, err := w.Enable(t.Context(), w.client, plugin); reason(err) != "platform.switched_off" {
		t.Errorf("against one above: %v", err)
	}

	must(t, one(w.Disable(t.Context(), w.boss, plugin)))
	if _, err := w.Enable(t.Context(), w.client, plugin); reason(err) != "plugin.not_found" {
		t.Errorf("of what does not run: %v", err)
	}
	if all, err := w.List(t.Context(), w.client); err != nil || len(all) != 1 || all[0].Plugin.ID != builtinID || all[0].Health.Error != "" {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := w.List(t.Context(), w.boss); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	want := []string{"plugin.added", "plugin.disabled", "plugin.enabled", "plugin.updated", "plugin.updated", "plugin.enabled", "plugin.disabled", "plugin.enabled", "plugin.disabled"}
	if got := w.events(); !slices.Equal(got, want) {
		t.Errorf("events %v", got)
	}
}

func one[A any](_ A, err error) error { return err }

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

func TestSettings(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	set := func(values map[string]any) (catalog.Settings, error) {
		return w.SetSettings(ctx, w.boss, builtinID, values)
	}
	got, err := set(map[string]any{"client_id": "abc", "client_secret": "s3", "retries": float64(3)})
	must(t, err)
	if got.Values["client_id"] != "abc" || got.Values["retries"] != float64(3) || got.Values["client_secret"] != nil || !slices.Equal(got.Secrets, []string{"client_secret"}) {
		t.Errorf("%+v", got)
	}
	if w.apps.Plain[builtinID]["retries"] != "3" || w.apps.Plain[builtinID]["client_secret"] != "" || w.apps.Secrets[builtinID]["client_secret"] != "s3" {
		t.Errorf("kept %+v", w.apps)
	}
	_, err = set(map[string]any{"client_id": "much too long"})
	if f := fault.Of(err); f.Reason != "plugin.bad_settings" || len(f.Violations) != 1 || f.Violations[0].Field != "/values/client_id" {
		t.Errorf("%+v", err)
	}
	if _, err = set(map[string]any{}); reason(err) != "plugin.bad_settings" {
		t.Errorf("without what is required: %v", err)
	}
	got, err = set(map[string]any{"client_id": "x"}) // the secret that stays is longer than the rules like, and nobody's business
	must(t, err)
	if len(got.Secrets) != 1 || len(got.Values) != 1 {
		t.Errorf("%+v", got)
	}
	got, err = set(map[string]any{"client_id": "x", "client_secret": nil})
	must(t, err)
	if len(got.Secrets) != 0 {
		t.Errorf("%+v", got)
	}
	w.trust(t, signer('a'))
	w.add(t, bundle(plugin, "1.0.0", signer('a'), func(m *social.Manifest) { m.SettingsSchema = nil }))
	if _, err := w.SetSettings(ctx, w.boss, plugin, map[string]any{"a": "b"}); reason(err) != "plugin.no_settings" {
		t.Error(err)
	}
	if _, err := w.Settings(ctx, w.client, builtinID); !fault.Is(err, fault.Forbidden) {
		t.Error(err)
	}
}

func TestTwoAddsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	raw := [][]byte{catalogtest.Of(bundle(plugin, "1.0.0", signer('a'))), catalogtest.Of(bundle(plugin, "1.0.0", signer('a')))}
	errs := make([]error, 2)
	now := time.Now()
	w.Now = func() time.Time { return now }
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.Add(t.Context(), w.boss, catalog.Upload{Bundle: bytes.NewReader(raw[i])}) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || reason(errors.Join(errs...)) != "plugin.version_taken" {
		t.Errorf("%v", errs)
	}
}

func TestUpdateChannel(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	e := w.add(t, bundle(plugin, "1.0.0", signer('a')))
	latest, odd := catalog.Latest, catalog.Channel("nightly")
	if _, err := w.Update(t.Context(), w.boss, plugin, catalog.ChannelChange{Channel: &odd}); reason(err) != "plugin.bad_channel" {
		t.Error(err)
	}
	if _, err := w.Update(t.Context(), w.boss, plugin, catalog.ChannelChange{Channel: &latest, Row: e.Plugin.Row + 1}); reason(err) != "plugin.stale" {
		t.Error(err)
	}
	_, err := w.Update(t.Context(), w.boss, plugin, catalog.ChannelChange{Channel: &latest, Row: e.Plugin.Row})
	must(t, err)
	rc := bundle(plugin, "2.0.0-rc.1", signer('a'))
	if e = w.add(t, rc); e.Plugin.Active != rc.Digest {
		t.Errorf("%+v", e.Plugin)
	}
}
