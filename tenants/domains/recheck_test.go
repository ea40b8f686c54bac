package domains_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/domains"
)

// What workers look at by the clock is in the audit when it is news; what a
// person asked for always is.
func TestTheAuditHasWhatALookChanged(t *testing.T) {
	w, who := newWorld(t), reseller()
	d := w.proven(who, "social.example.com")
	w.store.Recorded()
	look := func(by time.Duration) (problems []string) {
		w.now = w.now.Add(by)
		must(t, w.Recheck(t.Context()))
		for _, e := range w.store.Recorded() {
			if e.Action != "domain.verify" || e.Subject != string(d.ID) || e.Actor != string(tenants.System) {
				t.Errorf("recorded %+v", e)
			}
			problems = append(problems, e.Detail["problem"])
		}
		return problems
	}
	missing, there := func() { w.dns.Set(d.ProofName()) }, func() { w.dns.Set(d.ProofName(), d.ProofText()) }
	for _, step := range []struct {
		name string
		set  func()
		by   time.Duration
		want []string
	}{
		{"it is there still", there, domains.Every, nil},
		{"no answer", func() { w.dns.Silence(true) }, domains.Every, []string{"no_answer"}},
		{"no answer again", func() {}, domains.RetryIn, nil},
		{"at risk", func() { w.dns.Silence(false); missing() }, domains.RetryIn, []string{"no_record"}},
		{"missing again", missing, domains.MissedIn, nil},
		{"back", there, domains.MissedIn, []string{""}},
		{"lost", missing, domains.Every, []string{"no_record"}},
		{"quarantined", missing, domains.Grace, []string{"no_record"}},
		{"quarantined, and missing", missing, domains.Every, nil},
	} {
		step.set()
		if diff := cmp.Diff(step.want, look(step.by)); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
	for range 2 {
		_, err := w.Verify(t.Context(), who, d.ID)
		must(t, err)
	}
	if all := w.store.Recorded(); len(all) != 2 || all[1].Actor != "usr_1" {
		t.Errorf("a person looked twice: %+v", all)
	}
}

// A host that is not served any more is looked for daily, whatever the DNS says.
func TestAQuarantinedHostIsLookedForDaily(t *testing.T) {
	w, who := newWorld(t), reseller()
	d := w.proven(who, "social.example.com")
	w.dns.Set(d.ProofName())
	for _, by := range []time.Duration{domains.Every, domains.Grace} {
		w.now = w.now.Add(by)
		must(t, w.Recheck(t.Context()))
	}
	w.dns.Silence(true)
	w.now = w.now.Add(domains.Every)
	must(t, w.Recheck(t.Context()))
	got, err := w.Get(t.Context(), who, d.ID)
	must(t, err)
	if got.State != domains.Quarantined || got.Problem != domains.NoAnswer || !got.DueAt.Equal(w.now.Add(domains.Every)) {
		t.Errorf("%s, %s, due in %s", got.State, got.Problem, got.DueAt.Sub(w.now))
	}
}

// Whichever host is to be the canonical one, the one before steps down first.
func TestTheCanonicalHostChanges(t *testing.T) {
	w, who := newWorld(t), reseller()
	var all []*domains.Domain
	for _, host := range []string{"a.example.com", "b.example.com", "c.example.com", "d.example.com"} {
		all = append(all, w.proven(who, host))
	}
	for _, i := range []int{3, 0, 2, 2, 1} {
		d, err := w.MakeCanonical(t.Context(), who, all[i].ID)
		must(t, err)
		list, err := w.List(t.Context(), who)
		must(t, err)
		if !d.Canonical || d.Host != all[i].Host {
			t.Errorf("answered %+v, want %s", d, all[i].Host)
		}
		for _, o := range list {
			if o.Canonical != (o.ID == d.ID) {
				t.Errorf("%s is canonical: %t, beside %s", o.Host, o.Canonical, d.Host)
			}
		}
	}
}
