package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/idempotency"
	"github.com/carillonhq/carillon/core/idempotency/idempotencytest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

func TestIdempotency(t *testing.T) {
	idempotencytest.Run(t, func(t *testing.T) idempotencytest.Opened {
		db := postgrestest.Open(t)
		us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
		return idempotencytest.Opened{
			Store: db.Idempotency(), Us: us, Them: them,
			Apply: func(ctx context.Context, tenant tenants.ID) error {
				return db.Update(ctx, tenant, func(ctx context.Context, tx postgres.Tx) error { return nil })
			},
			Late: func(t *testing.T) {
				postgrestest.Exec(t, db, "update idempotency_keys set lease_until = now() - interval '1 second' where tenant_id in ($1, $2)", us, them)
			},
		}
	})
}

// A change through the system door, in a tenant that is only being made, counts
// as well.
func TestIdempotencyOfANewTenant(t *testing.T) {
	db := postgrestest.Open(t)
	parent := postgrestest.Child(t, db, postgrestest.Operator, tenants.Agency)
	owner := postgrestest.Member(t, db, parent, tenants.Owner)
	reg := registry.New(db.Registry(), allowAll{}, time.Now)
	who, err := reg.Resolve(t.Context(), owner, parent)
	must(t, err)
	r := idempotency.Request{Principal: string(owner), Method: "POST", Route: "/children", Key: "k", Hash: "h", Lease: time.Minute, Keep: time.Hour}
	ctx, c, err := db.Idempotency().Begin(t.Context(), parent, r)
	must(t, err)
	_, err = reg.Create(ctx, who, registry.Draft{Kind: tenants.Workspace, Name: "New"})
	must(t, err)
	must(t, db.Idempotency().Abandon(t.Context(), parent, c)) // the process dies, and its lease ends
	if _, _, err := db.Idempotency().Begin(t.Context(), parent, r); err == nil || fault.Of(err).Reason != "idempotency.answer_lost" {
		t.Errorf("%v: a second child could be made", err)
	}
}

func TestForgetAnswers(t *testing.T) {
	db := postgrestest.Open(t)
	us := postgrestest.Tenant(t, db)
	r := idempotency.Request{Principal: "usr_x", Method: "POST", Route: "/posts", Key: "k", Hash: "h", Lease: time.Minute, Keep: time.Hour}
	_, c, err := db.Idempotency().Begin(t.Context(), us, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Idempotency().Finish(t.Context(), us, c, idempotency.Answer{Status: 200}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ForgetAnswers(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	if _, c, err := db.Idempotency().Begin(t.Context(), us, r); err != nil || c.Done == nil {
		t.Fatalf("a fresh answer is forgotten: %v", err)
	}
	postgrestest.Exec(t, db, "update idempotency_keys set expires_at = now() - interval '1 second' where tenant_id = $1", us)
	if n, err := db.ForgetAnswers(t.Context(), 1000); err != nil || n == 0 {
		t.Fatalf("%d forgotten: %v", n, err)
	}
	if _, c, err := db.Idempotency().Begin(t.Context(), us, r); err != nil || c.Done != nil {
		t.Fatalf("an old answer is honoured: %v", err)
	}
}

type allowAll struct{}

func (allowAll) Allow(context.Context, tenants.Scope, tenants.Action) error { return nil }
