package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	realm "github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
	"github.com/carillonhq/carillon/tenants/registry/registrytest"
)

// The contract holds with both walls and with each of them alone.
func TestRegistry(t *testing.T) {
	for name, open := range map[string]func(testing.TB) *postgres.DB{
		"both walls": postgrestest.Open, "row security alone": postgrestest.RowSecurityAlone, "filters alone": postgrestest.FiltersAlone,
	} {
		t.Run(name, func(t *testing.T) {
			registrytest.Run(t, func(t *testing.T) registrytest.Tree { return treeOf(open(t)) })
		})
	}
}

// tree is the registry and the operator's hand on it.
type tree struct {
	registry.Store
	operator realm.Store
}

func treeOf(db *postgres.DB) tree { return tree{db.Registry(), db.Admin()} }

func (s tree) Override(ctx context.Context, tenant tenants.ID, state registry.State, reason string) error {
	return s.operator.Update(ctx, func(tx realm.Tx) error {
		return tx.SuspendTenant(ctx, &realm.Tenant{ID: tenant, Suspended: state == registry.Suspended, Reason: reason})
	})
}

func TestRegistryTells(t *testing.T) {
	db := postgrestest.Open(t)
	registrytest.Tells(t, treeOf(db), func(ctx context.Context, tenant tenants.ID) ([]string, error) { return heard(ctx, db, tenant) })
}

// heard is every event of a tenant as "type subject", in order. What other
// tests have begun on the same server holds events back until it ends.
func heard(ctx context.Context, db *postgres.DB, tenant tenants.ID) (all []string, err error) {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	for {
		var page events.Page
		err = db.Events().View(ctx, tenant, func(tx events.Tx) error {
			page, err = tx.Events(ctx, events.Place{Cursor: events.Start}, nil, 100)
			return err
		})
		if err != nil || !page.Unsettled {
			for _, e := range page.Events {
				all = append(all, string(e.Type)+" "+e.Subject)
			}
			return all, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Two processes, each with its own pools, authorizer and memory. What one
// takes away is gone at the other's next request.
func TestARoleThatIsTakenAwayIsGoneEverywhere(t *testing.T) {
	here, there := process(t, postgrestest.Open(t)), process(t, postgrestest.Another(t))
	db := postgrestest.Open(t)
	tenant := postgrestest.Tenant(t, db)
	owner := postgrestest.Member(t, db, tenant, tenants.Owner)
	member := postgrestest.Member(t, db, tenant, tenants.Viewer)
	boss, err := here.Resolve(t.Context(), owner, tenant)
	must(t, err)
	_, err = here.CreateRole(t.Context(), boss, "writer", "Writer", []tenants.Action{"tenant.read", "post.create"})
	must(t, err)

	may := func(act tenants.Action) bool {
		who, err := there.Resolve(t.Context(), member, tenant)
		if fault.Is(err, fault.NotFound) {
			return false
		}
		must(t, err)
		return there.authz.Allow(t.Context(), who, act) == nil
	}
	if may("post.create") {
		t.Fatal("a viewer writes")
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
		want bool
	}{
		{"given the role", func(ctx context.Context) error {
			_, err := here.SetRole(ctx, boss, member, "custom:writer")
			return err
		}, true},
		{"the role loses the action", func(ctx context.Context) error {
			_, err := here.UpdateRole(ctx, boss, "writer", "Reader", []tenants.Action{"tenant.read"}, 0)
			return err
		}, false},
		{"the role gets it back", func(ctx context.Context) error {
			_, err := here.UpdateRole(ctx, boss, "writer", "Writer", []tenants.Action{"post.create"}, 0)
			return err
		}, true},
		{"removed", func(ctx context.Context) error { return here.RemoveMember(ctx, boss, member) }, false},
	} {
		must(t, step.do(t.Context()))
		start := time.Now()
		if got := may("post.create"); got != step.want {
			t.Errorf("%s: the other process says %v", step.name, got)
		}
		t.Logf("%s: known to the other process after %s", step.name, time.Since(start))
	}
}

type node struct {
	*registry.Service
	authz tenants.Authorizer
}

func process(t *testing.T, db *postgres.DB) node {
	t.Helper()
	authz, err := casbin.New(db)
	must(t, err)
	return node{registry.New(db.Registry(), authz, time.Now), authz}
}
