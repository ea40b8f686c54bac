package admintest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func peopleAreFound(t *testing.T, in Installation) {
	tag := word()
	var all []tenants.UserID
	for _, name := range []string{"Ann ", "Ben ", "Cleo "} {
		all = append(all, in.Person(name[:1]+tag+"@example.com", name+tag))
	}
	slices.Sort(all)
	find := func(q admin.Search) (out []tenants.UserID) {
		in.do(t, func(ctx context.Context, tx admin.Tx) error {
			found, err := tx.Users(ctx, q)
			for _, u := range found {
				out = append(out, u.ID)
			}
			return err
		})
		return out
	}
	for name, tc := range map[string]struct {
		q    admin.Search
		want int
	}{
		"by a part of a name":  {admin.Search{Text: tag, Limit: 9}, 3},
		"as many as asked for": {admin.Search{Text: tag, Limit: 2}, 2},
		"after one":            {admin.Search{Text: tag, After: string(all[0]), Limit: 9}, 2},
		"by id":                {admin.Search{Text: string(all[1]), Limit: 9}, 1},
		"by what nobody has":   {admin.Search{Text: "%" + tag, Limit: 9}, 0},
	} {
		if got := find(tc.q); len(got) != tc.want || !slices.IsSorted(got) {
			t.Errorf("%s: %v", name, got)
		}
	}
	agency, shop := in.Tenant("Z "+tag), in.Tenant("A "+tag)
	in.Seat(all[0], agency, tenants.Admin)
	in.Seat(all[0], shop, tenants.Viewer)
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		seats, err := tx.Seats(ctx, all[0])
		if len(seats) != 2 || seats[0].Tenant != shop || seats[0].Role != tenants.Viewer || seats[1].Name != "Z "+tag || seats[1].Role != tenants.Admin {
			t.Errorf("seats %+v", seats)
		}
		return err
	})
}

func peopleAreSuspended(t *testing.T, in Installation) {
	user, tenant := in.Person(word()+"@example.com", "Ann"), in.Tenant("Shop")
	in.Seat(user, tenant, tenants.Editor)
	role := func() (r tenants.Role) {
		in.do(t, func(ctx context.Context, tx admin.Tx) (err error) {
			r, err = tx.RoleOf(ctx, user, tenant)
			return err
		})
		return r
	}
	set := func(at time.Time, reason string) {
		in.do(t, func(ctx context.Context, tx admin.Tx) error {
			u, err := tx.User(ctx, user)
			if err != nil {
				return err
			}
			u.SuspendedAt, u.Reason = at, reason
			return tx.SuspendUser(ctx, u)
		})
	}
	if role() != tenants.Editor {
		t.Errorf("role %q", role())
	}
	at := now()
	set(at, "spam")
	in.do(t, func(ctx context.Context, tx admin.Tx) error {
		u, err := tx.User(ctx, user)
		if err == nil && (!u.SuspendedAt.Equal(at) || u.Reason != "spam" || u.Name != "Ann") {
			t.Errorf("%+v", u)
		}
		return err
	})
	if role() != "" {
		t.Errorf("who is suspended is %q", role())
	}
	set(time.Time{}, "")
	if role() != tenants.Editor {
		t.Errorf("after it %q", role())
	}
	nobody := tenants.UserID(id.New("usr"))
	in.fails(t, "user.not_found", func(ctx context.Context, tx admin.Tx) error {
		_, err := tx.User(ctx, nobody)
		return err
	})
	in.fails(t, "user.not_found", func(ctx context.Context, tx admin.Tx) error { return tx.SuspendUser(ctx, &admin.User{ID: nobody}) })
}

func tenantsAreFound(t *testing.T, in Installation) {
	tag := word()
	one, two := in.Tenant("One "+tag), in.Tenant("Two "+tag)
	for name, tc := range map[string]struct {
		q    admin.Search
		want []tenants.ID
	}{
		"by a part of a name":  {admin.Search{Text: tag, Limit: 9}, []tenants.ID{min(one, two), max(one, two)}},
		"as many as asked for": {admin.Search{Text: tag, Limit: 1}, []tenants.ID{min(one, two)}},
		"after one":            {admin.Search{Text: tag, After: string(min(one, two)), Limit: 9}, []tenants.ID{max(one, two)}},
		"by id":                {admin.Search{Text: string(two), Limit: 9}, []tenants.ID{two}},
		"of another kind":      {admin.Search{Text: tag, Kind: tenants.Reseller, Limit: 9}, nil},
		"the root":             {admin.Search{Kind: tenants.Operator, Limit: 9}, []tenants.ID{in.Root}},
	} {
		var got []tenants.ID
		in.do(t, func(ctx context.Context, tx admin.Tx) error {
			found, err := tx.Tenants(ctx, tc.q)
			for _, n := range found {
				got = append(got, n.ID)
			}
			return err
		})
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	if root, err := in.Store.Root(t.Context()); err != nil || root != in.Root {
		t.Errorf("root %s, %v", root, err)
	}
}

func (in Installation) tenant(t *testing.T, name tenants.ID) (out *admin.Tenant) {
	t.Helper()
	in.do(t, func(ctx context.Context, tx admin.Tx) (err error) {
		out, err = tx.Tenant(ctx, name)
		return err
	})
	return out
}

func tenantsAreSuspended(t *testing.T, in Installation) {
	name := in.Tenant("Shop")
	n := in.tenant(t, name)
	n.Suspended, n.Reason = true, "unpaid"
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SuspendTenant(ctx, n) })
	if got := in.tenant(t, name); !got.Suspended || got.Reason != "unpaid" || got.Name != "Shop" {
		t.Errorf("%+v", got)
	}
	n.Suspended, n.Reason = false, ""
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SuspendTenant(ctx, n) })
	if got := in.tenant(t, name); got.Suspended || got.Reason != "" {
		t.Errorf("%+v", got)
	}
	in.fails(t, "tenant.not_found", func(ctx context.Context, tx admin.Tx) error {
		return tx.SuspendTenant(ctx, &admin.Tenant{ID: tenants.NewID()})
	})
	in.fails(t, "tenant.not_found", func(ctx context.Context, tx admin.Tx) error {
		_, err := tx.Tenant(ctx, tenants.NewID())
		return err
	})
}

func plansAreGranted(t *testing.T, in Installation) {
	name := in.Tenant("Shop")
	n := in.tenant(t, name)
	g := &admin.Grant{Tenant: name, Tier: tenants.Pro, Was: tenants.Creator, Reason: "a trial", By: "opr_x", At: now(), Until: now().Add(-time.Second)}
	n.Tier, n.Grant = tenants.Pro, g
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveTier(ctx, n) })
	got := in.tenant(t, name)
	if got.Tier != tenants.Pro || got.Grant == nil || *got.Grant != *g {
		t.Errorf("%+v, grant %+v, want %+v", got, got.Grant, g)
	}
	due := func(at time.Time) (is bool) {
		in.do(t, func(ctx context.Context, tx admin.Tx) error {
			all, err := tx.DueGrants(ctx, at)
			is = slices.Contains(all, name)
			return err
		})
		return is
	}
	if !due(now()) || due(g.Until.Add(-time.Second)) {
		t.Error("it is not due from when it ends")
	}
	n.Tier, n.Grant = "", nil
	in.do(t, func(ctx context.Context, tx admin.Tx) error { return tx.SaveTier(ctx, n) })
	if got := in.tenant(t, name); got.Tier != "" || got.Grant != nil || due(now()) {
		t.Errorf("%+v, grant %+v", got, got.Grant)
	}
	in.fails(t, "tenant.not_found", func(ctx context.Context, tx admin.Tx) error {
		return tx.SaveTier(ctx, &admin.Tenant{ID: tenants.NewID()})
	})
}
