package catalog_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/core/catalog/catalogtest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

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
	b := catalog.Bundle{Digest: id.New("x"), Platform: "any", Command: []string{"./bin/plugin"}, Manifest: catalogtest.Manifest(plugin, version), Signer: by}
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

func one[A any](_ A, err error) error { return err }
