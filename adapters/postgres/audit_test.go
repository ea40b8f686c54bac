package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

var (
	auditSeed = bytes.Repeat([]byte{7}, 32)
	auditKeys = audit.NewKeys(auditSeed)
)

// wrote puts n entries into tenant's book, a transaction each.
func wrote(t *testing.T, db *postgres.DB, tenant tenants.ID, n int) {
	t.Helper()
	for i := range n {
		must(t, db.Media().Update(t.Context(), tenant, func(tx media.Tx) error {
			return tx.Record(t.Context(), audit.Of("usr_1", "test.did", fmt.Sprint("thing_", i), "n", fmt.Sprint(i)))
		}))
	}
}

func sealed(t *testing.T, db *postgres.DB) {
	t.Helper()
	if _, err := audit.NewSealer(db.AuditChains(), auditKeys).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func report(t *testing.T, db *postgres.DB, tenant tenants.ID, keys *audit.Keys, kept ...audit.Witness) audit.Report {
	t.Helper()
	r, err := audit.NewVerifier(db.AuditChains(), keys, time.Now).Book(t.Context(), tenant, kept)
	must(t, err)
	return r
}

// The serving roles add entries and nothing else, and say nothing of when.
func TestTheAuditIsInsertOnly(t *testing.T) {
	db := postgrestest.Open(t)
	tenant := postgrestest.Tenant(t, db)
	wrote(t, db, tenant, 1)
	for role, url := range map[string]string{"app": postgrestest.Of(t, db).App, "system": postgrestest.Of(t, db).System} {
		for _, table := range []string{"audit_entries", "audit_links", "audit_heads"} {
			for _, statement := range []string{
				"update " + table + " set tenant_id = tenant_id", "delete from " + table, "truncate " + table,
				"alter table " + table + " disable row level security", "drop table " + table,
			} {
				refused(t, role, url, tenant, statement)
			}
		}
		refused(t, role, url, tenant, "insert into audit_entries (id, actor, action, subject, detail, request_id, at) values ('aud_x', 'a', 'b', '', '{}', '', 'epoch')")
	}
	app := postgrestest.Of(t, db).App
	for _, statement := range []string{
		"insert into audit_links (seq, entry_id, hash) values (1, 'aud_x', '')",
		"insert into audit_heads (seq, hash, sealed_at, key, signature) values (1, '', now(), '', '')",
		"delete from audit_waiting", "update audit_waiting set id = ''",
		"insert into audit_entries (tenant_id, id, actor, action, subject, detail, request_id) values ('" + string(tenants.NewID()) + "', 'aud_x', 'a', 'b', '', '{}', '')",
	} {
		refused(t, "app", app, tenant, statement)
	}
}

func refused(t *testing.T, role, url string, tenant tenants.ID, statement string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	must(t, err)
	defer func() { _ = c.Close(context.WithoutCancel(t.Context())) }()
	_, err = c.Exec(t.Context(), "begin; set local app.tenant_id = '"+string(tenant)+"'; "+statement)
	if err == nil || !strings.Contains(err.Error(), "42501") { // insufficient privilege, or a policy
		t.Errorf("%s: %s: %v", role, statement, err)
	}
}

// An entry is there exactly if its transaction committed.
func TestAnEntrySharesTheFateOfTheChange(t *testing.T) {
	db := postgrestest.Open(t)
	tenant, boom := postgrestest.Tenant(t, db), errors.New("boom")
	err := db.Media().Update(t.Context(), tenant, func(tx media.Tx) error {
		return errors.Join(tx.Record(t.Context(), audit.Of("usr_1", "test.did", "")), boom)
	})
	page, err2 := db.Audit().Entries(t.Context(), tenant, audit.Query{Limit: 10})
	if !errors.Is(err, boom) || err2 != nil || len(page) != 0 {
		t.Errorf("%v, %v, %+v", err, err2, page)
	}
	if err := db.Media().Update(t.Context(), tenant, func(tx media.Tx) error { return tx.Record(t.Context(), audit.Entry{}) }); err == nil {
		t.Error("an entry that says nothing was kept")
	}
}

func TestTheAuditIsFoundByWhatItSays(t *testing.T) {
	db := postgrestest.Open(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	wrote(t, db, them, 1)
	for _, e := range []audit.Entry{
		audit.Of("usr_1", "post.create", "post_1"), audit.Of("usr_2", "post.edit", "post_1"),
		{Actor: "usr_2", Behind: "opr_1", Action: "media.upload", Subject: "med_1", Detail: map[string]string{"sha256": "00"}},
	} {
		must(t, db.Media().Update(t.Context(), us, func(tx media.Tx) error { return tx.Record(t.Context(), e) }))
	}
	sealed(t, db)
	now := time.Now()
	for name, tc := range map[string]struct {
		q    audit.Query
		want []string
	}{
		"all":             {audit.Query{}, []string{"media.upload", "post.edit", "post.create"}},
		"an actor":        {audit.Query{Actor: "usr_2"}, []string{"media.upload", "post.edit"}},
		"who was behind":  {audit.Query{Actor: "opr_1"}, []string{"media.upload"}},
		"an action":       {audit.Query{Action: "post.edit"}, []string{"post.edit"}},
		"a noun":          {audit.Query{Action: "post.*"}, []string{"post.edit", "post.create"}},
		"a subject":       {audit.Query{Subject: "post_1"}, []string{"post.edit", "post.create"}},
		"a window":        {audit.Query{Since: now.Add(-time.Hour), Until: now.Add(time.Hour)}, []string{"media.upload", "post.edit", "post.create"}},
		"an empty window": {audit.Query{Since: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tc.q.Limit = 10
			page, err := db.Audit().Entries(t.Context(), us, tc.q)
			must(t, err)
			var got []string
			for _, r := range page {
				got = append(got, r.Action)
				if r.Seq == 0 || r.Hash == (audit.Hash{}) || r.Tenant != us || r.At.IsZero() {
					t.Errorf("record = %+v", r)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

// What happens to people is in the operator's book.
func TestPeopleAreInTheOperatorsBook(t *testing.T) {
	db := postgrestest.Open(t)
	user := id.New("usr")
	must(t, db.Identity().Update(t.Context(), func(tx identity.Tx) error {
		return tx.Record(t.Context(), audit.Of(user, "session.start", ""))
	}))
	page, err := db.Audit().Entries(t.Context(), postgrestest.Operator, audit.Query{Actor: user, Limit: 10})
	if err != nil || len(page) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

// Whatever the owner of the database does to a book shows.
func TestTamperingShows(t *testing.T) {
	db := postgrestest.Isolated(t)
	entry := func(n int) string {
		return fmt.Sprintf("(select entry_id from audit_links where tenant_id = $1 and seq = %d)", n)
	}
	for name, tc := range map[string]struct {
		do   string
		want []string // problem and seq
	}{
		"nothing":                  {"select $1", nil},
		"an actor is changed":      {"update audit_entries set actor = 'usr_2' where tenant_id = $1 and id = " + entry(3), []string{"changed 3"}},
		"a time is changed":        {"update audit_entries set at = at + interval '1 microsecond' where tenant_id = $1 and id = " + entry(3), []string{"changed 3"}},
		"a detail is changed":      {`update audit_entries set detail = '{"n":"x"}' where tenant_id = $1 and id = ` + entry(1), []string{"changed 1"}},
		"an entry is removed":      {"delete from audit_entries where tenant_id = $1 and id = " + entry(2), []string{"removed 2"}},
		"with its link":            {"with e as (delete from audit_entries where tenant_id = $1 and id = " + entry(2) + ") delete from audit_links where tenant_id = $1 and seq = 2", []string{"removed 2"}},
		"all links of a stretch":   {"delete from audit_links where tenant_id = $1 and seq > 3", []string{"removed 4", "inserted 0", "inserted 0", "inserted 0"}},
		"two change places":        {"with d as (delete from audit_links where tenant_id = $1 and seq in (2, 3) returning seq, entry_id, hash) insert into audit_links (tenant_id, seq, entry_id, hash) select $1, a.seq, b.entry_id, a.hash from d a join d b on b.seq = 5 - a.seq", []string{"reordered 2", "reordered 3"}},
		"one is slipped in":        {"insert into audit_entries (tenant_id, id, actor, action, subject, detail, request_id) values ($1, 'aud_slipped', 'usr_1', 'x.y', '', '{}', '')", []string{"inserted 0"}},
		"one waits without entry":  {"insert into audit_waiting (tenant_id, id) values ($1, 'aud_never')", []string{"removed 0"}},
		"a link is changed":        {"update audit_links set hash = '\\x00' where tenant_id = $1 and seq = 6", []string{"changed 6", "forged_head 6"}},
		"a head is changed":        {"update audit_heads set hash = '\\x00' where tenant_id = $1 and seq = 6", []string{"forged_head 6"}},
		"a signature is changed":   {"update audit_heads set signature = '\\x00' where tenant_id = $1 and seq = 3", []string{"forged_head 3"}},
		"a head by somebody":       {"update audit_heads set key = 'theirs' where tenant_id = $1 and seq = 6", []string{"forged_head 6"}},
		"the last head is removed": {"delete from audit_heads where tenant_id = $1 and seq = 6", []string{"unsigned 4"}},
		"everything is cut off":    {"with h as (delete from audit_heads where tenant_id = $1 and seq = 6), l as (delete from audit_links where tenant_id = $1 and seq > 3) delete from audit_entries where tenant_id = $1 and id in (select entry_id from audit_links where tenant_id = $1 and seq > 3)", []string{"cut_off 6"}},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := postgrestest.Tenant(t, db)
			wrote(t, db, tenant, 3)
			sealed(t, db)
			wrote(t, db, tenant, 3)
			sealed(t, db)
			whole := report(t, db, tenant, auditKeys)
			if len(whole.Findings) > 0 || whole.Entries != 6 || whole.Head == nil {
				t.Fatalf("before: %+v", whole)
			}
			args := []any{string(tenant)}
			postgrestest.Exec(t, db, tc.do, args...)
			kept := audit.Witness{Tenant: tenant, Seq: 6, Hash: whole.HeadHash}
			var witnesses []audit.Witness
			if strings.Contains(strings.Join(tc.want, ""), "cut_off") || tc.want == nil {
				witnesses = append(witnesses, kept)
			}
			var got []string
			for _, f := range report(t, db, tenant, auditKeys, witnesses...).Findings {
				got = append(got, fmt.Sprint(f.Problem, " ", f.Seq))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("found %v, want %v", got, tc.want)
			}
		})
	}
}

// A chain whose end was forged is not gone on with; the others are.
func TestAForgedHeadIsNotVouchedFor(t *testing.T) {
	db := postgrestest.Isolated(t)
	bad, good := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	wrote(t, db, bad, 1)
	sealed(t, db)
	postgrestest.Exec(t, db, "update audit_heads set hash = '\\x01' where tenant_id = $1", string(bad))
	wrote(t, db, bad, 1)
	wrote(t, db, good, 2)
	_, err := audit.NewSealer(db.AuditChains(), auditKeys).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), string(bad)) {
		t.Errorf("err = %v", err)
	}
	if r := report(t, db, good, auditKeys); r.Entries != 2 || len(r.Findings) > 0 {
		t.Errorf("the other one: %+v", r)
	}
	if r := report(t, db, bad, auditKeys); r.Entries != 1 {
		t.Errorf("the forged one was gone on with: %+v", r)
	}
}

// An older entry that turns up in the chain was not written when it says.
func TestABackdatedEntryShows(t *testing.T) {
	db := postgrestest.Isolated(t)
	tenant := postgrestest.Tenant(t, db)
	wrote(t, db, tenant, 1)
	sealed(t, db)
	postgrestest.Exec(t, db, `with e as (insert into audit_entries (tenant_id, id, actor, action, subject, detail, request_id, at)
		values ($1, 'aud_old', 'usr_1', 'x.y', '', '{}', '', now() - interval '1 day')) insert into audit_waiting (tenant_id, id) values ($1, 'aud_old')`, string(tenant))
	sealed(t, db)
	r := report(t, db, tenant, auditKeys)
	if len(r.Findings) != 1 || r.Findings[0].Problem != audit.Inserted || r.Findings[0].Entry != "aud_old" {
		t.Errorf("findings = %+v", r.Findings)
	}
}

// Sealers in many processes take turns, and lose and double nothing.
func TestSealersTakeTurns(t *testing.T) {
	db := postgrestest.Isolated(t)
	tenant := postgrestest.Tenant(t, db)
	done := make(chan error)
	for range 4 {
		go func() {
			var err error
			for range 20 {
				_, e := audit.NewSealer(db.AuditChains(), auditKeys).Run(t.Context())
				err = errors.Join(err, e)
			}
			done <- err
		}()
	}
	wrote(t, db, tenant, 100)
	for range 4 {
		must(t, <-done)
	}
	sealed(t, db)
	if r := report(t, db, tenant, auditKeys); r.Entries != 100 || len(r.Findings) > 0 {
		t.Errorf("%d entries, %+v", r.Entries, r.Findings)
	}
}

// Once the ends are signed anew, the key before is of no more use.
func TestRenewedHeadsNeedNoOldKey(t *testing.T) {
	db := postgrestest.Isolated(t)
	tenant, fresh := postgrestest.Tenant(t, db), bytes.Repeat([]byte{8}, 32)
	wrote(t, db, tenant, 2)
	sealed(t, db)
	if r := report(t, db, tenant, audit.NewKeys(fresh)); len(r.Findings) != 1 || r.Findings[0].Problem != audit.ForgedHead {
		t.Errorf("an unknown key: %+v", r.Findings)
	}
	n, err := audit.NewSealer(db.AuditChains(), audit.NewKeys(fresh, auditSeed)).Renew(t.Context())
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	wrote(t, db, tenant, 1)
	if _, err := audit.NewSealer(db.AuditChains(), audit.NewKeys(fresh)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := report(t, db, tenant, audit.NewKeys(fresh)); len(r.Findings) > 0 || r.Entries != 3 {
		t.Errorf("%+v", r)
	}
}

func TestAllBooksAreVerified(t *testing.T) {
	db := postgrestest.Isolated(t)
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	wrote(t, db, us, 1)
	wrote(t, db, them, 2)
	sealed(t, db)
	v := audit.NewVerifier(db.AuditChains(), auditKeys, time.Now)
	var heads []audit.Witness
	must(t, v.Heads(t.Context(), func(w audit.Witness) error { heads = append(heads, w); return nil }))
	gone := audit.Witness{Tenant: tenants.NewID(), Seq: 4, Hash: "00"}
	seen := map[tenants.ID]int{}
	must(t, v.All(t.Context(), append(heads, gone), func(r audit.Report) error {
		seen[r.Tenant] = len(r.Findings)
		return nil
	}))
	if seen[us] != 0 || seen[them] != 0 || seen[gone.Tenant] != 1 || len(seen) != 3 {
		t.Errorf("findings by book: %v", seen)
	}
}
