package catalogtest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Opened is a store with an operator, a free agency below it with two
// workspaces, and another agency on the largest plan.
type Opened struct {
	Store                                          catalog.Store
	Operator, Agency, Workspace, Sibling, Stranger tenants.ID
}

// Run holds a Store to its contract.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	for name, test := range map[string]func(*testing.T, Opened){
		"what is saved is found":             savedIsFound,
		"a stale save conflicts":             stale,
		"a bad plugin is refused":            bad,
		"a failed update leaves nothing":     rollback,
		"versions come last added first":     versions,
		"keys are by id":                     keys,
		"the instance is what runs":          instance,
		"only the operator's catalog counts": onlyOperators,
		"who may use what":                   closed,
		"choices are the tenant's own":       choices,
		"what has no line is open":           lineless,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

var at = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// NewPlugin is a sound plugin that has not been saved.
func NewPlugin() *catalog.Plugin {
	return &catalog.Plugin{
		ID: "org.example." + id.New("x")[2:], Name: id.New("plg"), Level: catalog.Verified, Channel: catalog.Stable, State: catalog.Enabled,
		Active: digest('a'), Signer: "0011223344556677", Hosts: []string{"api.example.org"}, Scopes: []string{"write"},
		Grants: catalog.Grants{Tiers: tenants.Tiers(), Tenants: map[tenants.ID]bool{}}, CreatedAt: at,
	}
}

func digest(c byte) string { return string(slices.Repeat([]byte{c}, 64)) }

// NewVersion is a version of a plugin.
func NewVersion(plugin, number, digest string) *catalog.Version {
	return &catalog.Version{
		Plugin: plugin, Digest: digest, Version: number, Level: catalog.Verified, Key: "0011223344556677", Platform: "any", AddedBy: "usr_x", AddedAt: at,
		Manifest: social.Manifest{
			ID: plugin, Name: "Example", Version: number, Egress: []string{"api.example.org"}, Settle: time.Minute, Dedup: social.NoDedup,
			Auth: social.Auth{Kind: social.AuthForm, Form: []byte(`{"type":"object"}`)}, SettingsSchema: []byte(`{"type":"object","properties":{"token":{"type":"string","format":"password"}}}`),
		},
	}
}

func (o Opened) update(t *testing.T, tenant tenants.ID, fn func(ctx context.Context, tx catalog.Tx) error) {
	t.Helper()
	if err := o.Store.Update(t.Context(), tenant, fn); err != nil {
		t.Fatal(err)
	}
}

func (o Opened) save(t *testing.T, p *catalog.Plugin) {
	t.Helper()
	o.update(t, o.Operator, func(ctx context.Context, tx catalog.Tx) error { return tx.SavePlugin(ctx, p) })
}

func (o Opened) load(t *testing.T, tenant tenants.ID, name string) (p *catalog.Plugin, err error) {
	t.Helper()
	err = o.Store.View(t.Context(), tenant, func(ctx context.Context, tx catalog.Tx) error {
		p, err = tx.Plugin(ctx, name)
		return err
	})
	return p, err
}

var ignoreUpdated = cmp.Options{cmpopts.IgnoreFields(catalog.Plugin{}, "UpdatedAt"), cmpopts.EquateEmpty()}

func savedIsFound(t *testing.T, o Opened) {
	p := NewPlugin()
	p.Grants.Tenants = map[tenants.ID]bool{o.Agency: true, o.Stranger: false}
	p.Grants.OptIn, p.Previous, p.Pending = true, digest('b'), digest('c')
	o.save(t, p)
	got, err := o.load(t, o.Operator, p.ID)
	if err != nil || p.Row != 1 {
		t.Fatal(p.Row, err)
	}
	if d := cmp.Diff(p, got, ignoreUpdated); d != "" {
		t.Error(d)
	}
	p.State, p.Grants.Tiers, p.Grants.Tenants = catalog.Disabled, []tenants.Tier{tenants.Pro}, map[tenants.ID]bool{o.Agency: false}
	o.save(t, p)
	got, err = o.load(t, o.Operator, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, got, ignoreUpdated); d != "" {
		t.Error(d)
	}
	if _, err := o.load(t, o.Operator, "org.example.nothing"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, err := o.load(t, o.Agency, p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant: %v", err)
	}
}

func stale(t *testing.T, o Opened) {
	p := NewPlugin()
	o.save(t, p)
	for name, row := range map[string]int{"a new one": 0, "an old one": 7} {
		q := *p
		q.Row = row
		err := o.Store.Update(t.Context(), o.Operator, func(ctx context.Context, tx catalog.Tx) error { return tx.SavePlugin(ctx, &q) })
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func bad(t *testing.T, o Opened) {
	for name, spoil := range map[string]func(*catalog.Plugin){
		"no name":      func(p *catalog.Plugin) { p.Name = "" },
		"no level":     func(p *catalog.Plugin) { p.Level = "" },
		"no tier":      func(p *catalog.Plugin) { p.Grants.Tiers = []tenants.Tier{"gold"} },
		"no tenant":    func(p *catalog.Plugin) { p.Grants.Tenants = map[tenants.ID]bool{"me": true} },
		"no channel":   func(p *catalog.Plugin) { p.Channel = "nightly" },
		"runs, waits":  func(p *catalog.Plugin) { p.Pending = p.Active },
		"two builtins": func(p *catalog.Plugin) { p.Level = catalog.BuiltIn },
	} {
		p := NewPlugin()
		spoil(p)
		if err := o.Store.Update(t.Context(), o.Operator, func(ctx context.Context, tx catalog.Tx) error { return tx.SavePlugin(ctx, p) }); err == nil {
			t.Errorf("%s was saved", name)
		}
	}
}

func rollback(t *testing.T, o Opened) {
	p, enough := NewPlugin(), errors.New("enough")
	err := o.Store.Update(t.Context(), o.Operator, func(ctx context.Context, tx catalog.Tx) error {
		return errors.Join(tx.SavePlugin(ctx, p), tx.SaveVersion(ctx, NewVersion(p.ID, "1.0.0", p.Active)),
			tx.Emit(ctx, catalog.EventAdded, p.Name, catalog.EventData{Plugin: p.ID}), enough)
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	if _, err := o.load(t, o.Operator, p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("left: %v", err)
	}
}

func versions(t *testing.T, o Opened) {
	p := NewPlugin()
	one, two := NewVersion(p.ID, "1.0.0", digest('a')), NewVersion(p.ID, "1.1.0", digest('b'))
	two.AddedAt, one.Ran = at.Add(time.Hour), true
	one.Command, two.Command = []string{"python3", "main.py"}, []string{} // a program, and a file that Carillon reads
	o.update(t, o.Operator, func(ctx context.Context, tx catalog.Tx) error {
		return errors.Join(tx.SavePlugin(ctx, p), tx.SaveVersion(ctx, one), tx.SaveVersion(ctx, two))
	})
	o.update(t, o.Operator, func(ctx context.Context, tx catalog.Tx) error {
		again := *one // as it comes in a second time
		one.Level, again.Level, again.Ran = catalog.Community, catalog.Community, false
		if err := tx.SaveVersion(ctx, &again); err != nil {
			return err
		}
		all, err := tx.Versions(ctx, p.ID)
		if d := cmp.Diff([]catalog.Version{*two, *one}, all, cmpopts.EquateEmpty()); d != "" || all[0].Command == nil {
			t.Error(d, all[0].Command)
		}
		return err
	})
	o.update(t, o.Operator, func(ctx context.Context, tx catalog.Tx) error {
		if err := errors.Join(tx.DropVersion(ctx, p.ID, two.Digest), tx.DropVersion(ctx, p.ID, two.Digest)); err != nil {
			return err
		}
		if _, err := tx.Version(ctx, p.ID, two.Digest); !fault.Is(err, fault.NotFound) {
			t.Errorf("dropped: %v", err)
		}
		v, err := tx.Version(ctx, p.ID, one.Digest)
		if d := cmp.Diff(one, v, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
		return err
	})
}

func keys(t *testing.T, o Opened) {
	k := catalog.Key{ID: id.New("x"), Name: "Example", Public: make([]byte, 32), AddedBy: "usr_x", AddedAt: at}
	o.update(t, o.Operator, func(ctx context.Context, tx catalog.Tx) error {
		if err := errors.Join(tx.SaveKey(ctx, catalog.Key{ID: k.ID, Name: "Old", Public: k.Public, AddedAt: at}), tx.SaveKey(ctx, k)); err != nil {
			return err
		}
		all, err := tx.Keys(ctx)
		i := slices.IndexFunc(all, func(x catalog.Key) bool { return x.ID == k.ID })
		if i < 0 || cmp.Diff(k, all[i]) != "" {
			t.Errorf("%+v", all)
		}
		return err
	})
	o.update(t, o.Operator, func(ctx context.Context, tx catalog.Tx) error {
		if err := tx.DropKey(ctx, k.ID); err != nil {
			return err
		}
		if err := tx.DropKey(ctx, k.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("twice: %v", err)
		}
		return nil
	})
}

func (o Opened) line(t *testing.T, plugin string) (catalog.Line, bool) {
	t.Helper()
	all, err := o.Store.Instance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if l.Plugin.ID == plugin {
			return l, true
		}
	}
	return catalog.Line{}, false
}

func instance(t *testing.T, o Opened) {
	p := NewPlugin()
	v := NewVersion(p.ID, "1.0.0", p.Active)
	o.update(t, o.Operator, func(ctx context.Context, tx catalog.Tx) error {
		return errors.Join(tx.SavePlugin(ctx, p), tx.SaveVersion(ctx, v), tx.SaveVersion(ctx, NewVersion(p.ID, "0.9.0", digest('b'))))
	})
	l, ok := o.line(t, p.ID)
	if !ok {
		t.Fatal("not there")
	}
	if d := cmp.Diff(catalog.Line{Plugin: *p, Active: v}, l, ignoreUpdated); d != "" {
		t.Error(d)
	}
}

func onlyOperators(t *testing.T, o Opened) {
	p := NewPlugin()
	o.update(t, o.Agency, func(ctx context.Context, tx catalog.Tx) error { return tx.SavePlugin(ctx, p) })
	if _, ok := o.line(t, p.ID); ok {
		t.Error("an agency put a plugin into everybody's catalog")
	}
}

func (o Opened) why(t *testing.T, tenant tenants.ID, plugin string) catalog.Reason {
	t.Helper()
	all, err := o.Store.Closed(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return all[plugin]
}

func closed(t *testing.T, o Opened) {
	type words = map[tenants.ID]bool
	type choices = map[tenants.ID]bool
	free, pro := []tenants.Tier{tenants.Free, tenants.Team}, []tenants.Tier{tenants.Team}
	for name, tc := range map[string]struct {
		state              catalog.State
		none               bool // no active version
		tiers              []tenants.Tier
		optIn              bool
		words              words
		choices            choices
		workspace, another catalog.Reason
	}{
		"open":                        {tiers: free},
		"disabled":                    {state: catalog.Disabled, tiers: free, workspace: catalog.ClosedForAll, another: catalog.ClosedForAll},
		"removed":                     {state: catalog.Removed, tiers: free, workspace: catalog.ClosedForAll, another: catalog.ClosedForAll},
		"not approved yet":            {none: true, tiers: free, workspace: catalog.ClosedForAll, another: catalog.ClosedForAll},
		"for a plan":                  {tiers: pro, workspace: catalog.ClosedByPlan},
		"for no plan":                 {workspace: catalog.ClosedByPlan, another: catalog.ClosedByPlan},
		"for a plan, and an agency":   {tiers: pro, words: words{o.Agency: true}},
		"but not for one":             {tiers: free, words: words{o.Stranger: false}, another: catalog.ClosedByPlan},
		"the nearest word counts":     {tiers: free, words: words{o.Agency: true, o.Workspace: false}, workspace: catalog.ClosedByPlan},
		"not wanted":                  {tiers: free, choices: choices{o.Workspace: false}, workspace: catalog.ClosedByChoice},
		"not wanted above":            {tiers: free, choices: choices{o.Agency: false, o.Workspace: true}, workspace: catalog.ClosedByChoice},
		"wanted, and not in the plan": {tiers: pro, choices: choices{o.Workspace: true}, workspace: catalog.ClosedByPlan},
		"opt in":                      {tiers: free, optIn: true, workspace: catalog.ClosedByChoice, another: catalog.ClosedByChoice},
		"opted in":                    {tiers: free, optIn: true, choices: choices{o.Workspace: true}, another: catalog.ClosedByChoice},
		"opted in above":              {tiers: free, optIn: true, choices: choices{o.Agency: true}, another: catalog.ClosedByChoice},
		"a neighbour's choice":        {tiers: free, choices: choices{o.Sibling: false}},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewPlugin()
			p.Grants = catalog.Grants{Tiers: tc.tiers, OptIn: tc.optIn, Tenants: tc.words}
			if tc.state != "" {
				p.State = tc.state
			}
			if tc.none {
				p.Active = ""
			}
			o.save(t, p)
			for tenant, on := range tc.choices {
				o.update(t, tenant, func(ctx context.Context, tx catalog.Tx) error {
					return tx.SaveChoice(ctx, p.ID, catalog.Choice{On: on, By: "usr_x", At: at})
				})
			}
			if got := o.why(t, o.Workspace, p.ID); got != tc.workspace {
				t.Errorf("workspace: %q, want %q", got, tc.workspace)
			}
			if got := o.why(t, o.Stranger, p.ID); got != tc.another {
				t.Errorf("another agency: %q, want %q", got, tc.another)
			}
		})
	}
}

func lineless(t *testing.T, o Opened) {
	name := NewPlugin().ID
	if why := o.why(t, o.Workspace, name); why != catalog.Open {
		t.Errorf("nobody said anything, and it is %q", why)
	}
	o.update(t, o.Agency, func(ctx context.Context, tx catalog.Tx) error {
		return tx.SaveChoice(ctx, name, catalog.Choice{By: "usr_x", At: at})
	})
	for tenant, want := range map[tenants.ID]catalog.Reason{o.Workspace: catalog.ClosedByChoice, o.Agency: catalog.ClosedByChoice, o.Stranger: catalog.Open} {
		if why := o.why(t, tenant, name); why != want {
			t.Errorf("%q, want %q", why, want)
		}
	}
}

func choices(t *testing.T, o Opened) {
	c := catalog.Choice{On: true, By: "usr_x", At: at}
	o.update(t, o.Workspace, func(ctx context.Context, tx catalog.Tx) error {
		return errors.Join(tx.SaveChoice(ctx, "org.example", catalog.Choice{At: at}), tx.SaveChoice(ctx, "org.example", c))
	})
	for tenant, want := range map[tenants.ID]map[string]catalog.Choice{o.Workspace: {"org.example": c}, o.Sibling: {}} {
		if err := o.Store.View(t.Context(), tenant, func(ctx context.Context, tx catalog.Tx) error {
			got, err := tx.Choices(ctx)
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}
