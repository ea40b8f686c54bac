package registry_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/letters"
	"github.com/carillonhq/carillon/tenants/registry"
)

// courier has letters under each tenant's own name, and people read their mail
// under theirs.
func (w world) courier(b *box) *registry.Courier {
	return registry.NewCourier(w.store, b,
		func(_ context.Context, tenant tenants.ID) (letters.Head, error) {
			return letters.Head{Home: "https://app.test", Product: strings.TrimPrefix(string(tenant), "ten_")}, nil
		},
		func(_ context.Context, people []tenants.UserID) (all []string, _ error) {
			for _, p := range people {
				all = append(all, string(p)+"@example.com")
			}
			return all, nil
		},
		func() time.Time { return *w.clock })
}

// notices delivers what was posted, under each tenant's own name.
func (w world) notices(t *testing.T, b *box) {
	t.Helper()
	c := w.courier(b)
	for _, n := range w.store.Notices() {
		must(t, c.Notify(t.Context(), n.Tenant, n.Notice))
	}
}

// Whoever has to decide, and whoever waits for it, gets a letter; what is
// decided by then has none.
func TestPeopleAreToldOfWhatWaitsForThem(t *testing.T) {
	w := setup(t)
	owner, b := w.resolve(t, w.owner, w.shop), new(box)
	heir := person()
	_, err := w.AddMember(t.Context(), owner, heir, tenants.Admin)
	must(t, err)
	_, err = w.OfferOwnership(t.Context(), owner, heir, tenants.Admin)
	must(t, err)
	w.notices(t, b)
	if len(b.sent) != 1 || b.sent[0].To != string(heir)+"@example.com" || !strings.Contains(b.sent[0].Text, "offers it to you") || !strings.Contains(b.sent[0].Text, "https://app.test/login") {
		t.Fatalf("%+v", b.sent)
	}
	if b.sent[0].FromName != strings.TrimPrefix(string(w.shop), "ten_") {
		t.Errorf("from %s", b.sent[0].FromName)
	}
	b.sent = nil
	_, err = w.OfferOwnership(t.Context(), owner, heir, tenants.Admin)
	must(t, err)
	must(t, w.EndOffer(t.Context(), owner))
	w.notices(t, b)
	if len(b.sent) != 0 {
		t.Errorf("of an offer that was taken back: %+v", b.sent)
	}
}

func TestPeopleAreToldOfAccess(t *testing.T) {
	w := setup(t)
	owner, b := w.resolve(t, w.owner, w.shop), new(box)
	above := w.resolve(t, w.owner, w.agency)
	a, err := w.RequestAccess(t.Context(), above, w.shop, registry.AccessDraft{Role: tenants.Viewer, Reason: "see http://evil.test", Hours: 3})
	must(t, err)
	w.notices(t, b)
	if len(b.sent) != 1 || b.sent[0].To != string(w.owner)+"@example.com" || strings.Contains(b.sent[0].Text, "evil") {
		t.Fatalf("asked: %+v", b.sent)
	}
	b.sent = nil
	_, err = w.ApproveAccess(t.Context(), owner, a.ID)
	must(t, err)
	w.notices(t, b)
	if len(b.sent) != 1 || b.sent[0].To != string(w.owner)+"@example.com" || !strings.Contains(b.sent[0].Text, "lets you in as viewer") {
		t.Fatalf("answered: %+v", b.sent)
	}
	b.sent = nil
	_, err = w.GrantAccess(t.Context(), owner, registry.AccessDraft{Role: tenants.Viewer, Reason: "help", Hours: 1})
	must(t, err)
	w.notices(t, b)
	if len(b.sent) == 0 || !strings.Contains(b.sent[0].Text, "lets you in") {
		t.Errorf("unasked, to the owners above: %+v", b.sent)
	}
}
