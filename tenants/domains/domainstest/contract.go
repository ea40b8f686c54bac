package domainstest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/domains"
)

// Run is the contract of a domains.Store. tenant returns a fresh tenant.
func Run(t *testing.T, store domains.Store, tenant func(*testing.T) tenants.ID) {
	for name, test := range map[string]func(*testing.T, world){
		"what is saved is read":                      savedIsRead,
		"a tenant sees nothing of another":           apart,
		"any number may claim, one can have":         oneHas,
		"a stale save is refused":                    stale,
		"an update that fails leaves no trace":       noTrace,
		"due are those whose time has come":          due,
		"the installation sees what is served":       served,
		"what is removed is free for others":         freed,
		"one host of a tenant is canonical":          oneCanonical,
		"a claim that breaks the rules is not saved": unsound,
	} {
		t.Run(name, func(t *testing.T) { test(t, world{store, tenant(t), tenant(t)}) })
	}
}

type world struct {
	domains.Store
	us, them tenants.ID
}

var at = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func claim(state domains.State) *domains.Domain {
	return claimOf(id.New("h")[2:]+".example.com", state)
}

func claimOf(host string, state domains.State) *domains.Domain {
	return &domains.Domain{ID: domains.ID(id.New("dom")), Host: host, Token: id.New("cdp"), State: state, CreatedAt: at, UpdatedAt: at}
}

func (w world) save(t *testing.T, tenant tenants.ID, d *domains.Domain) error {
	t.Helper()
	return w.Update(t.Context(), tenant, func(tx domains.Tx) error { return tx.Save(t.Context(), d) })
}

func (w world) all(t *testing.T, tenant tenants.ID) (all []domains.Domain) {
	t.Helper()
	must(t, w.View(t.Context(), tenant, func(tx domains.Tx) (err error) {
		all, err = tx.Domains(t.Context())
		return err
	}))
	return all
}

func savedIsRead(t *testing.T, w world) {
	first, second := claim(domains.Pending), claim(domains.Proven)
	must(t, w.save(t, w.us, first))
	must(t, w.save(t, w.us, second))
	second.Canonical, second.Problem, second.ProvenAt, second.LostAt = true, domains.NoAnswer, at, at.Add(time.Hour)
	second.CheckedAt, second.DueAt = at.Add(time.Minute), at.Add(time.Second)
	must(t, w.save(t, w.us, second))
	if second.Version != 2 {
		t.Errorf("version %d after two saves", second.Version)
	}
	if diff := cmp.Diff([]domains.Domain{*first, *second}, w.all(t, w.us)); diff != "" {
		t.Error(diff)
	}
	must(t, w.View(t.Context(), w.us, func(tx domains.Tx) error {
		d, err := tx.Domain(t.Context(), second.ID)
		if diff := cmp.Diff(second, d); diff != "" {
			t.Error(diff)
		}
		return err
	}))
}

func apart(t *testing.T, w world) {
	d := claim(domains.Pending)
	must(t, w.save(t, w.us, d))
	if got := w.all(t, w.them); len(got) != 0 {
		t.Errorf("they see %v", got)
	}
	err := w.View(t.Context(), w.them, func(tx domains.Tx) error {
		_, err := tx.Domain(t.Context(), d.ID)
		return err
	})
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("they get %v", err)
	}
	must(t, w.Update(t.Context(), w.them, func(tx domains.Tx) error { return tx.Remove(t.Context(), d) }))
	if got := w.all(t, w.us); len(got) != 1 {
		t.Error("they removed ours")
	}
}

func oneHas(t *testing.T, w world) {
	ours := claim(domains.Pending)
	theirs := claimOf(ours.Host, domains.Pending)
	must(t, w.save(t, w.us, ours))
	must(t, w.save(t, w.them, theirs))
	theirs.State = domains.Proven
	must(t, w.save(t, w.them, theirs))
	ours.State = domains.Proven
	err := w.save(t, w.us, ours)
	if f := fault.Of(err); err == nil || f.Code != fault.Conflict || f.Reason != "domain.held" {
		t.Errorf("two have it: %v", err)
	}
	theirs.State = domains.Quarantined
	must(t, w.save(t, w.them, theirs))
	again := w.all(t, w.us)[0]
	again.State = domains.Proven
	must(t, w.save(t, w.us, &again))
}

func stale(t *testing.T, w world) {
	d := claim(domains.Pending)
	must(t, w.save(t, w.us, d))
	old := *d
	must(t, w.save(t, w.us, d))
	if err := w.save(t, w.us, &old); !fault.Is(err, fault.Conflict) {
		t.Errorf("a stale save: %v", err)
	}
}

func noTrace(t *testing.T, w world) {
	no := fault.New(fault.Conflict, "no", "No.")
	err := w.Update(t.Context(), w.us, func(tx domains.Tx) error {
		must(t, tx.Save(t.Context(), claim(domains.Pending)))
		return no
	})
	if !fault.Is(err, fault.Conflict) || len(w.all(t, w.us)) != 0 {
		t.Errorf("%v, and %v", err, w.all(t, w.us))
	}
}

func due(t *testing.T, w world) {
	never, later, now, before := claim(domains.Pending), claim(domains.Proven), claim(domains.Proven), claim(domains.Quarantined)
	now.DueAt, before.DueAt, later.DueAt = at, at.Add(-time.Hour), at.Add(time.Second)
	for _, d := range []*domains.Domain{never, later, now, before} {
		must(t, w.save(t, w.us, d))
	}
	all, err := w.Due(t.Context(), at, 1000)
	must(t, err)
	all = slices.DeleteFunc(all, func(d domains.Due) bool { return d.Tenant != w.us })
	if diff := cmp.Diff([]domains.Due{{Tenant: w.us, Domain: before.ID}, {Tenant: w.us, Domain: now.ID}}, all); diff != "" {
		t.Error(diff)
	}
	if one, err := w.Due(t.Context(), at, 1); err != nil || len(one) != 1 {
		t.Errorf("one: %v, %v", one, err)
	}
}

func served(t *testing.T, w world) {
	pending, proven, gone := claim(domains.Pending), claim(domains.Proven), claim(domains.Quarantined)
	proven.Canonical = true
	for _, d := range []*domains.Domain{pending, proven, gone} {
		must(t, w.save(t, w.us, d))
	}
	all, err := w.Served(t.Context())
	must(t, err)
	all = slices.DeleteFunc(all, func(p domains.Place) bool { return p.Tenant != w.us })
	if diff := cmp.Diff([]domains.Place{{Host: proven.Host, Tenant: w.us, Canonical: true}}, all); diff != "" {
		t.Error(diff)
	}
}

func freed(t *testing.T, w world) {
	d := claim(domains.Proven)
	must(t, w.save(t, w.us, d))
	must(t, w.Update(t.Context(), w.us, func(tx domains.Tx) error { return tx.Remove(t.Context(), d) }))
	must(t, w.save(t, w.them, claimOf(d.Host, domains.Proven)))
}

func oneCanonical(t *testing.T, w world) {
	first, second, theirs := claim(domains.Proven), claim(domains.Proven), claim(domains.Proven)
	first.Canonical, second.Canonical, theirs.Canonical = true, true, true
	must(t, w.save(t, w.us, first))
	must(t, w.save(t, w.them, theirs))
	if err := w.save(t, w.us, second); err == nil {
		t.Error("two hosts are canonical")
	}
	first.Canonical = false
	must(t, w.save(t, w.us, first))
	must(t, w.save(t, w.us, second))
}

func unsound(t *testing.T, w world) {
	d := claim(domains.Pending)
	d.Canonical = true
	if err := w.save(t, w.us, d); err == nil {
		t.Error("an unproven host is canonical")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
