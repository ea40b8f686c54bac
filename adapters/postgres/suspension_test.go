package postgres_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// A reseller is suspended by one process. On another, the next request to it or
// to anything below is refused and nothing is taken from the queue. Resuming
// opens what it closed, and nothing besides.
func TestSuspendingAResellerStopsAllBelow(t *testing.T) {
	db := postgrestest.Open(t)
	here, there := process(t, db), process(t, postgrestest.Another(t))
	reseller := postgrestest.Child(t, db, postgrestest.Operator, tenants.Reseller)
	agency := postgrestest.Child(t, db, reseller, tenants.Agency)
	shop, closed := postgrestest.Child(t, db, agency, tenants.Workspace), postgrestest.Child(t, db, agency, tenants.Workspace)
	elsewhere := postgrestest.Tenant(t, db)
	people := map[tenants.ID]tenants.UserID{}
	for _, tenant := range []tenants.ID{reseller, agency, shop, closed, elsewhere} {
		people[tenant] = postgrestest.Member(t, db, tenant, tenants.Owner)
	}
	boss := tenants.Scope{Tenant: postgrestest.Operator, Kind: tenants.Operator, Role: tenants.Owner, Tier: tenants.Team}
	above, err := here.Resolve(t.Context(), people[agency], agency)
	must(t, err)
	must(t, here.Suspend(t.Context(), above, closed, "moved away"))

	ch := channelOf(t, db, shop)
	duePost(t, db, shop, ch, time.Now().Add(-time.Minute))
	must(t, here.Suspend(t.Context(), boss, reseller, "unpaid"))
	for tenant, want := range map[tenants.ID]string{
		reseller: "This tenant is suspended: unpaid. Ask Operator.",
		agency:   "This tenant stands still because one above it is suspended. Ask reseller of a test.",
		shop:     "This tenant stands still because one above it is suspended. Ask agency of a test.",
		closed:   "This tenant is suspended: moved away. Ask agency of a test.",
	} {
		_, err := there.Resolve(t.Context(), people[tenant], tenant)
		if f := fault.Of(err); !fault.Is(err, fault.Forbidden) || f.Reason != "tenant.suspended" || f.Message != want {
			t.Errorf("%q, want %q", f.Message, want)
		}
		if _, err := there.Standing(t.Context(), tenant); !fault.Is(err, fault.Forbidden) {
			t.Errorf("for keys and workers: %v", err)
		}
	}
	if _, err := there.Resolve(t.Context(), people[elsewhere], elsewhere); err != nil {
		t.Errorf("a stranger's tenant: %v", err)
	}
	if got := take(t, db, 100, shop); got[shop] != 0 {
		t.Error("something was claimed of a suspended tenant")
	}

	must(t, here.Resume(t.Context(), boss, reseller))
	for tenant, open := range map[tenants.ID]bool{reseller: true, agency: true, shop: true, closed: false} {
		if _, err := there.Resolve(t.Context(), people[tenant], tenant); (err == nil) != open {
			t.Errorf("after resuming: %v, open = %v", err, open)
		}
	}
	if got := take(t, db, 100, shop); got[shop] != 1 {
		t.Error("what was due in time is not sent after resuming")
	}
}

// What came due while its tenant was suspended follows the rule for what is
// late: too late by default, or by its own choice whenever it resumes.
func TestWhatASuspensionHeldFollowsTheRuleForTheLate(t *testing.T) {
	db := postgrestest.Open(t)
	reg := process(t, db)
	for name, tc := range map[string]struct {
		late    time.Duration
		settles bool // it is handed out while suspended, to be missed
	}{"in time": {time.Hour, false}, "too late": {7 * time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			agency := postgrestest.Child(t, db, postgrestest.Operator, tenants.Agency)
			shop := postgrestest.Child(t, db, agency, tenants.Workspace)
			boss := tenants.Scope{Tenant: postgrestest.Operator, Kind: tenants.Operator, Role: tenants.Owner, Tier: tenants.Team}
			duePost(t, db, shop, channelOf(t, db, shop), time.Now().Add(-tc.late))
			must(t, reg.Suspend(t.Context(), boss, agency, ""))
			if got := take(t, db, 1000, shop); (got[shop] == 1) != tc.settles {
				t.Errorf("%d handed out while suspended", got[shop])
			}
			must(t, reg.Resume(t.Context(), boss, agency))
			if got := take(t, db, 1000, shop); (got[shop] == 1) == tc.settles {
				t.Errorf("%d handed out afterwards", got[shop])
			}
		})
	}
}

// A grant opens and closes on every process with the next request.
func TestAGrantCountsEverywhere(t *testing.T) {
	db := postgrestest.Open(t)
	here, there := process(t, db), process(t, postgrestest.Another(t))
	agency := postgrestest.Child(t, db, postgrestest.Operator, tenants.Agency)
	shop := postgrestest.Child(t, db, agency, tenants.Workspace)
	client, helper := postgrestest.Member(t, db, shop, tenants.Owner), postgrestest.Member(t, db, agency, tenants.Admin)
	owner, err := here.Resolve(t.Context(), client, shop)
	must(t, err)
	_, err = there.Resolve(t.Context(), helper, shop)
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("without a grant: %v", err)
	}
	a, err := here.GrantAccess(t.Context(), owner, registry.AccessDraft{Role: tenants.Editor, Reason: "Help", Hours: 1})
	must(t, err)
	who, err := there.Resolve(t.Context(), helper, shop)
	if err != nil || who.Role != tenants.Editor || who.Grant != string(a.ID) {
		t.Errorf("%+v, %v", who, err)
	}
	_, err = here.RevokeAccess(t.Context(), owner, a.ID)
	must(t, err)
	_, err = there.Resolve(t.Context(), helper, shop)
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("without a grant: %v", err)
	}
}
