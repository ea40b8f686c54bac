package admin_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/admin/admintest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// What cannot be a token or a name costs no look at the database: there is none.
func TestWhatCannotBeANameCostsNothing(t *testing.T) {
	s := admin.New(admin.Deps{Hasher: plain{}, Codes: apps{}, Sealer: rows{}, AddressKey: []byte("address"), Now: time.Now})
	ctx, who := t.Context(), admin.Who{ID: "opr_1", Session: "ops_1"}
	user, tenant, body := tenants.UserID(id.New("usr")), tenants.NewID(), strings.Repeat("A", 43)
	on := true
	for name, tc := range map[string]struct {
		do   func() error
		want string
	}{
		"a session without its prefix": {func() error { _, err := s.Authenticate(ctx, body); return err }, "operator.required"},
		"a short session":              {func() error { _, err := s.Authenticate(ctx, admin.SessionPrefix+body[1:]); return err }, "operator.required"},
		"an impersonation":             {func() error { _, err := s.Impersonated(ctx, body); return err }, "operator.required"},
		"a link without its prefix":    {func() error { return s.ChoosePassword(ctx, secret.Secret(body), good) }, "link.invalid"},
		"a link that is long":          {func() error { return s.ChoosePassword(ctx, secret.Secret("col_"+body+"A"), good) }, "link.invalid"},
		"nobody acted as":              {func() error { _, _, err := s.Impersonate(ctx, who, "usr_x", tenant, "because"); return err }, "user.not_found"},
		"nowhere acted":                {func() error { _, _, err := s.Impersonate(ctx, who, user, "ten_x", "because"); return err }, "tenant.not_found"},
		"nobody suspended":             {func() error { _, err := s.SuspendUser(ctx, who, "usr_x", "because"); return err }, "user.not_found"},
		"no tenant suspended":          {func() error { _, err := s.SuspendTenant(ctx, who, "ten_x", "because"); return err }, "tenant.not_found"},
		"no tenant given a plan": {func() error {
			_, err := s.GrantTier(ctx, who, "ten_x", tenants.Pro, time.Now().Add(time.Hour), "because")
			return err
		}, "tenant.not_found"},
		"no tenant given a word of it own": {func() error { return s.Override(ctx, who, "ten_x", "a.flag", &on) }, "tenant.not_found"},
		"an address blocked without why":   {func() error { _, err := s.Block(ctx, who, netip.Addr{}, "192.0.2.1", "", time.Time{}); return err }, "operator.reason"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() != nil {
					t.Error("it went on")
				}
			}()
			if f := fault.Of(tc.do()); f == nil || f.Reason != tc.want {
				t.Errorf("%v, want %s", f, tc.want)
			}
		})
	}
}

// raced lets something happen right before a change, once.
type raced struct {
	*admintest.Store
	before func()
}

func (r *raced) Update(ctx context.Context, fn func(admin.Tx) error) error {
	if do := r.before; do != nil {
		r.before = nil
		do()
	}
	return r.Store.Update(ctx, fn)
}

// A grant that was prolonged, or ended, right before it would have fallen back
// does not fall back.
func TestAGrantThatChangedMeanwhileStays(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	who, _ := w.operator(olga)
	shop := w.store.AddTenant(tenants.Agency, "Shop")
	store := &raced{Store: &w.store}
	s := admin.New(admin.Deps{Store: store, Hasher: plain{}, Codes: apps{}, Sealer: rows{}, AddressKey: []byte("address"), Now: func() time.Time { return w.clock }})
	grant := func(until time.Time) {
		t.Helper()
		_, err := w.GrantTier(ctx, who, shop, tenants.Pro, until, "a trial")
		must(t, err)
	}
	grant(w.clock.Add(time.Minute))
	w.pass(time.Minute)
	store.before = func() { grant(w.clock.Add(time.Hour)) }
	if n, err := s.Expire(ctx); n != 0 || err != nil {
		t.Errorf("prolonged: %d, %v", n, err)
	}
	if n, err := w.Tenant(ctx, who, shop); err != nil || n.Tier != tenants.Pro || n.Grant == nil {
		t.Errorf("%+v, %v", n, err)
	}
	w.pass(time.Hour)
	store.before = func() { _, err := w.EndGrant(ctx, who, shop); must(t, err) }
	if n, err := s.Expire(ctx); n != 0 || err != nil {
		t.Errorf("ended: %d, %v", n, err)
	}
}
