package postgres_test

import (
	"context"
	"encoding/hex"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/blob"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	realm "github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/erasure"
	"github.com/carillonhq/carillon/tenants/exports"
)

// remembers are the tables that may name a tenant that is gone, each with the
// reason. In no other is it named.
var remembers = map[string]string{
	"public.destroyed_keys": "that nothing of it can be sealed, or opened, any more",
	"public.erasures":       "what was erased, when, and how far it is; names nobody",
	"public.audit_entries":  "the books of the tenant above and of the operator: that it went, and what they did to it before",
}

// named lists the tables in which tenant is named, with how often.
func named(t *testing.T, tenant tenants.ID) map[string]int {
	t.Helper()
	out := map[string]int{}
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		rows, err := c.Query(ctx, `select n.nspname || '.' || relname from pg_class r join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'p') and nspname in ('public', 'river')`)
		must(t, err)
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		must(t, err)
		for _, table := range tables {
			var n int
			must(t, c.QueryRow(ctx, "select count(*) from "+table+" x where x::text like '%'||$1||'%'", string(tenant)).Scan(&n))
			if n > 0 {
				out[table] = n
			}
		}
	})
	return out
}

// doomed is an agency with a workspace, both full, their owner, and files of theirs.
func doomed(t *testing.T, db *postgres.DB, blobs storage.Blobs) (who tenants.Scope, shop tenants.ID, files []storage.Key) {
	t.Helper()
	who, files = filled(t, db, blobs)
	shop = who.Tenant
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		must(t, c.QueryRow(ctx, "select parent_id from tenants where tenant_id = $1", string(shop)).Scan(&who.Tenant))
	})
	who.Kind = tenants.Agency
	files = append(files, fill(t, db, blobs, who.Tenant)...)
	postgrestest.Exec(t, db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'owner', 'system')", who.Tenant, who.User)
	postgrestest.Exec(t, db, "insert into plugin_words (tenant_id, plugin, about, allowed) values ($1, $2, $3, true)", postgrestest.Operator, id.New("plg"), who.Tenant)
	postgrestest.Exec(t, db, "update users set home_tenant = $1 where id = $2", who.Tenant, who.User)
	return who, shop, files
}

func TestATenantEndsWithoutATrace(t *testing.T) {
	db := postgrestest.Open(t)
	blobs, err := blob.Open(t.Context(), "mem://")
	must(t, err)
	who, shop, files := doomed(t, db, blobs)
	e, err := exports.New(db.Exports(), blobs, anybody{}, time.Now).Begin(t.Context(), who, false) // leaves a job in the queue
	must(t, err)
	_, err = audit.NewSealer(db.AuditChains(), auditKeys).Run(t.Context())
	must(t, err)
	s := erasure.New(db.Erasures(), blobs, anybody{}, time.Hour, time.Now)
	for name, tc := range map[string]struct {
		wish erasure.Wish
		want string
	}{
		"another name":  {erasure.Wish{Name: "agency", Children: true}, "erasure.name"},
		"with children": {erasure.Wish{Name: "agency of a test"}, "erasure.children"},
	} {
		if _, err := s.Ask(t.Context(), who, tc.wish); err == nil || fault.Of(err).Reason != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	wish := erasure.Wish{Name: "agency of a test", Children: true}
	_, err = s.Ask(t.Context(), who, wish)
	must(t, err)
	if st, err := db.Registry().Standing(t.Context(), shop, who.User); err != nil || !st.Suspended {
		t.Errorf("while it waits: %+v, %v", st, err)
	}
	if err := db.Registry().SetState(t.Context(), postgrestest.Operator, who.Tenant, "active", "", audit.Of("system", "tenant.resume", string(who.Tenant))); !fault.Is(err, fault.Conflict) {
		t.Errorf("the one above opens it: %v", err)
	}
	must(t, s.Run(t.Context()))
	if len(named(t, who.Tenant)) < 10 {
		t.Error("gone before its time")
	}
	must(t, s.CallOff(t.Context(), who.User, who.Tenant))
	if st, err := db.Registry().Standing(t.Context(), who.Tenant, who.User); err != nil || st.Suspended {
		t.Errorf("called off: %+v, %v", st, err)
	}
	_, err = s.Ask(t.Context(), who, wish)
	must(t, err)
	postgrestest.Exec(t, db, "update erasures set due_at = now() where about = $1", who.Tenant)
	must(t, s.Run(t.Context()))
	for _, tenant := range []tenants.ID{who.Tenant, shop} {
		for table, n := range named(t, tenant) {
			if remembers[table] == "" {
				t.Errorf("%s names %s %d times", table, tenant, n)
			}
		}
	}
	left(t, blobs, append(files, storage.Key{Tenant: string(who.Tenant), Name: exports.Folder + string(e.ID) + "/1"})...)
	tombstone(t, db, who.Tenant)
	if n := named(t, tenants.ID(who.User)); n["public.users"] != 1 || n["public.memberships"] != 0 || n["public.erasures"] != 0 {
		t.Errorf("the person: %v", n)
	}
}

// left complains of each file that is still there.
func left(t *testing.T, blobs storage.Blobs, files ...storage.Key) {
	t.Helper()
	for _, k := range files {
		if _, err := blobs.Stat(t.Context(), k); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s is left: %v", k.Name, err)
		}
	}
}

// tombstone looks for the end of a tenant in the operator's book, and in the
// name of nobody.
func tombstone(t *testing.T, db *postgres.DB, tenant tenants.ID) {
	t.Helper()
	page, err := db.Audit().Entries(t.Context(), postgrestest.Operator, audit.Query{Subject: string(tenant), Action: "tenant.erased", Limit: 5})
	must(t, err)
	if len(page) == 0 || page[0].Actor != "system" || page[0].Detail["audit_seq"] == "0" {
		t.Fatalf("%+v", page)
	}
	if raw, err := hex.DecodeString(page[0].Detail["audit_hash"]); err != nil || len(raw) != 32 {
		t.Errorf("%+v", page[0].Detail)
	}
}

// stumbling is a store of erasures whose worker dies at the nth step.
type stumbling struct {
	erasure.Store
	left *int
}

func (s stumbling) Progress(ctx context.Context, e *erasure.Erasure, ttl time.Duration) error {
	if *s.left--; *s.left == 0 {
		return fault.New(fault.Unavailable, "test.dead", "Dead.")
	}
	return s.Store.Progress(ctx, e, ttl)
}

// Bury has it dig in small parts.
func (s stumbling) Bury(ctx context.Context, tenant tenants.ID, _ int) (bool, error) {
	return s.Store.Bury(ctx, tenant, 2)
}

func TestAnErasureOutlivesItsWorkers(t *testing.T) {
	db := postgrestest.Open(t)
	blobs, err := blob.Open(t.Context(), "mem://")
	must(t, err)
	who, shop, files := doomed(t, db, blobs)
	_, err = erasure.New(db.Erasures(), blobs, anybody{}, 0, time.Now).Ask(t.Context(), who, erasure.Wish{Name: "agency of a test", Children: true})
	must(t, err)
	steps, deaths := 0, 0
	for done := false; !done && deaths < 50; {
		deaths++
		left := deaths
		err := erasure.New(stumbling{db.Erasures(), &left}, blobs, anybody{}, 0, time.Now).Run(t.Context())
		done, steps = err == nil, steps+1
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		if !done && deaths == 1 {
			if took, err := db.Erasures().Take(t.Context(), time.Minute); err != nil || took != nil && took.About == who.Tenant {
				t.Errorf("somebody is at it: %+v, %v", took, err)
			}
		}
		postgrestest.Exec(t, db, "update erasures set leased_until = now() - interval '1 second' where about = $1", who.Tenant)
	}
	if steps < 5 {
		t.Errorf("it died %d times only", steps-1)
	}
	for _, tenant := range []tenants.ID{who.Tenant, shop} {
		for table, n := range named(t, tenant) {
			if remembers[table] == "" {
				t.Errorf("%s names %s %d times", table, tenant, n)
			}
		}
	}
	left(t, blobs, files...)
	for _, tenant := range []tenants.ID{who.Tenant, shop} {
		stones, err := db.Audit().Entries(t.Context(), postgrestest.Operator, audit.Query{Subject: string(tenant), Action: "tenant.erased", Limit: 5})
		if err != nil || len(stones) != 1 {
			t.Errorf("%d tombstones of %s: %v", len(stones), tenant, err)
		}
	}
}

// Who lost the lease hears of it with the next word, and can end nothing.
func TestAnErasureHasOneWorker(t *testing.T) {
	db := postgrestest.Open(t)
	blobs, err := blob.Open(t.Context(), "mem://")
	must(t, err)
	who, _, _ := doomed(t, db, blobs)
	_, err = erasure.New(db.Erasures(), blobs, anybody{}, 0, time.Now).Ask(t.Context(), who, erasure.Wish{Name: "agency of a test", Children: true})
	must(t, err)
	slow, err := db.Erasures().Take(t.Context(), time.Minute)
	must(t, err)
	must(t, db.Erasures().Progress(t.Context(), slow, time.Minute))
	postgrestest.Exec(t, db, "update erasures set leased_until = now() - interval '1 second' where about = $1", who.Tenant)
	next, err := db.Erasures().Take(t.Context(), time.Minute)
	must(t, err)
	for what, err := range map[string]error{
		"goes on": db.Erasures().Progress(t.Context(), slow, time.Minute), "ends it": db.Erasures().Finish(t.Context(), slow),
	} {
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("whoever lost it %s: %v", what, err)
		}
	}
	must(t, db.Erasures().Progress(t.Context(), next, time.Minute))
	must(t, db.Erasures().Finish(t.Context(), next))
}

// The door through which rows go opens for nobody who is not to go.
func TestRowsGoOnlyOfWhatIsErased(t *testing.T) {
	db := postgrestest.Open(t)
	tenant := postgrestest.Tenant(t, db)
	for _, table := range []string{"memberships", "users"} {
		err := db.System(t.Context(), func(ctx context.Context, tx postgres.Tx) error {
			_, err := tx.ExecContext(ctx, "select erase_rows(?, ?, 10)", string(tenant), table)
			return err
		})
		if err == nil {
			t.Errorf("%s of a tenant that is to stay", table)
		}
	}
	postgrestest.Exec(t, db, `insert into erasures (id, about, above, covers, state, asked_by, asked_at, due_at, leased_until) values ($1, $2, '', array[$2], 'running', 'x', now(), now(), now() + interval '1 hour')`, id.New("era"), tenant)
	if err := db.System(t.Context(), func(ctx context.Context, tx postgres.Tx) error {
		_, err := tx.ExecContext(ctx, "select erase_rows(?, 'users', 10)", string(tenant))
		return err
	}); err == nil {
		t.Error("a table of nobody's")
	}
	if err := db.Update(t.Context(), tenant, func(ctx context.Context, tx postgres.Tx) error {
		_, err := tx.ExecContext(ctx, "select erase_rows(?, 'memberships', 10)", string(tenant))
		return err
	}); err == nil {
		t.Error("the application erases")
	}
}

// What an operator closed, an owner does not open by calling off an erasure.
func TestCallingOffLeavesWhatAnOperatorClosed(t *testing.T) {
	db := postgrestest.Open(t)
	blobs, err := blob.Open(t.Context(), "mem://")
	must(t, err)
	for name, late := range map[string]bool{"before it was asked for": false, "while it waited": true} {
		t.Run(name, func(t *testing.T) {
			who := tenants.Scope{Tenant: postgrestest.Tenant(t, db), Kind: tenants.Workspace, Role: tenants.Owner}
			who.User = postgrestest.Member(t, db, who.Tenant, tenants.Owner)
			s := erasure.New(db.Erasures(), blobs, anybody{}, time.Hour, time.Now)
			ask := func() {
				_, err := s.Ask(t.Context(), who, erasure.Wish{Name: "workspace of a test"})
				must(t, err)
			}
			if late {
				ask()
			}
			must(t, db.Admin().Update(t.Context(), func(tx realm.Tx) error {
				return tx.SuspendTenant(t.Context(), &realm.Tenant{ID: who.Tenant, Suspended: true, Reason: "spam"})
			}))
			if !late {
				ask()
			}
			must(t, s.CallOff(t.Context(), who.User, who.Tenant))
			if c, err := db.Registry().Closure(t.Context(), who.Tenant); err != nil || !c.Here || c.Reason != "spam" {
				t.Errorf("%+v, %v", c, err)
			}
			book, err := db.Audit().Entries(t.Context(), who.Tenant, audit.Query{Action: "tenant.keep", Limit: 5})
			if err != nil || len(book) != 1 {
				t.Errorf("the book: %+v, %v", book, err)
			}
		})
	}
}
