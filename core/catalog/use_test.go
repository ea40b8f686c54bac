package catalog_test

import (
	"slices"
	"testing"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

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
