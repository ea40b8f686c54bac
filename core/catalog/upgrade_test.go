package catalog_test

import (
	"bytes"
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
	"github.com/carillonhq/carillon/ports/social"
)

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
		m.SettingsSchema = []byte(`{"type":"object","properties":{"key":{"type":"string","format":"password"}}}`)
	}
	for name, tc := range map[string]struct {
		version string
		command []string
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
		"another setting": {spoil: func(m *social.Manifest) {
			m.SettingsSchema = []byte(`{"type":"object","properties":{"key":{"type":"string","format":"password"},"region":{"type":"string"}}}`)
		}, want: "settings_changed"},
		"a setting not sealed": {spoil: func(m *social.Manifest) {
			m.SettingsSchema = []byte(`{"type":"object","properties":{"key":{"type":"string"}}}`)
		}, want: "settings_changed"},
		"settings, other writing": {spoil: func(m *social.Manifest) {
			m.SettingsSchema = []byte(` {"properties": {"key": {"format":"password", "type":"string"}}, "type":"object"}`)
		}},
		"another program":     {command: []string{"python3", "main.py"}, want: "command_changed"},
		"a pre-release":       {version: "1.1.0-rc.1", waits: true},
		"an older one":        {version: "0.9.0", want: "version_lowered"},
		"another trusted key": {by: 'b', want: "signer_changed"},
		"a key not trusted":   {by: 'c', want: "signer_changed level_lowered"},
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
			if tc.command != nil {
				second.Command = tc.command
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

// What waits can be let go: what runs runs on, and it waits again if it comes
// again.
func TestDismiss(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	wider := func(m *social.Manifest) { m.Egress = append(m.Egress, "evil.example") }
	one, two := bundle(plugin, "1.0.0", signer('a')), bundle(plugin, "2.0.0", signer('a'), wider)
	w.add(t, one)
	if _, err := w.Dismiss(t.Context(), w.boss, plugin, ""); reason(err) != "plugin.nothing_pending" {
		t.Errorf("nothing waits: %v", err)
	}
	for range 2 {
		if e := w.add(t, two); e.Plugin.Pending != two.Digest {
			t.Fatalf("%+v", e.Plugin)
		}
		if _, err := w.Dismiss(t.Context(), w.boss, plugin, one.Digest); reason(err) != "plugin.other_pending" {
			t.Errorf("another than was looked at: %v", err)
		}
		e, err := w.Dismiss(t.Context(), w.boss, plugin, two.Digest)
		must(t, err)
		if e.Plugin.Active != one.Digest || e.Plugin.Pending != "" || e.Diff != nil || len(e.Versions) != 1 || w.bundles.Kept[two.Digest] {
			t.Errorf("%+v", e)
		}
	}
	// One that ran before and was asked for again stays for a way back.
	plain := bundle(plugin, "2.1.0", signer('a'))
	w.add(t, plain)
	_, err := w.Rollback(t.Context(), w.boss, plugin, "")
	must(t, err)
	w.add(t, plain)
	e, err := w.Dismiss(t.Context(), w.boss, plugin, "")
	must(t, err)
	if len(e.Versions) != 2 || !w.bundles.Kept[plain.Digest] {
		t.Errorf("%+v", e)
	}
	if _, err := w.Dismiss(t.Context(), w.client, plugin, ""); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a tenant: %v", err)
	}
	other := bundle("org.example.other", "1.0.0", signer('b')) // of a stranger: it waits from the start
	w.add(t, other)
	if _, err := w.Dismiss(t.Context(), w.boss, "org.example.other", ""); reason(err) != "plugin.nothing_else" {
		t.Errorf("nothing else is there: %v", err)
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

// What changes is said in an operator's words.
func TestWhatChangesIsSaid(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	settings := func(schema string) func(*social.Manifest) {
		return func(m *social.Manifest) { m.SettingsSchema = []byte(schema) }
	}
	w.add(t, bundle(plugin, "1.0.0", signer('a'), settings(`{"properties":{"key":{"format":"password"},"region":{},"size":{}},"required":["size"]}`)))
	second := bundle(plugin, "1.1.0", signer('a'), settings(`{"properties":{"key":{},"retries":{},"size":{}},"required":["size","retries"]}`))
	second.Command = []string{"python3", "main.py"}
	want := []catalog.Change{{Kind: catalog.NewCommand, What: "python3 main.py"}, {Kind: catalog.NewSettings, What: "new: retries; other: key; gone: region"}}
	if e := w.add(t, second); !slices.Equal(e.Diff, want) {
		t.Errorf("%+v, want %+v", e.Diff, want)
	}
	third := bundle(plugin, "1.2.0", signer('a'))
	third.Command = nil
	e := w.add(t, third)
	if !slices.Contains(e.Diff, catalog.Change{Kind: catalog.NewCommand, What: "Carillon reads its file"}) {
		t.Errorf("%+v", e.Diff)
	}
}
