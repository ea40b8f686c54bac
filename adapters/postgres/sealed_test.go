package postgres_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// A new column that could hold something sealed is rotated, or says what it
// holds instead.
func TestEveryColumnThatMayBeSealedIsKnown(t *testing.T) {
	db := postgrestest.Open(t)
	conn, err := pgx.Connect(t.Context(), postgrestest.Of(t, db).Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), `select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
		where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
		  and a.atttypid in ('bytea'::regtype, 'bytea[]'::regtype, 'jsonb'::regtype, 'jsonb[]'::regtype, 'json'::regtype) order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range there {
		if !slices.Contains(postgres.SealedColumns(), c) && postgres.PlainBytes[c] == "" {
			t.Errorf("%s: list it in sealedColumns if it is sealed, else in plainBytes with what it holds", c)
		}
	}
	for _, c := range postgres.SealedColumns() {
		if !slices.Contains(there, c) || postgres.PlainBytes[c] != "" {
			t.Errorf("%s: strike it off", c)
		}
	}
	for c := range postgres.PlainBytes {
		if !slices.Contains(there, c) {
			t.Errorf("%s: strike it off", c)
		}
	}
}

// Whatever is sealed, in whichever column, is sealed anew by a new data key;
// then the old one can go, and everything opens as before.
func TestEverythingSealedIsSealedAnew(t *testing.T) {
	db := postgrestest.Isolated(t)
	ctx := t.Context()
	iss := newIssuer(t)
	p := &practice{at: iss.URL}
	s := channelProcess(t, db, p, time.Now)
	who, id := signIn(t, db, s)
	waiting, err := s.Start(ctx, who, channels.StartRequest{Platform: "test.practice"})
	if err != nil {
		t.Fatal(err)
	}
	e := vault.NewEnvelope(db.DataKeys(), vault.Single([]byte("0123456789abcdef0123456789abcdef")), time.Now)
	root := plant(t, db, e, who.Tenant)

	boxes := db.Boxes()
	old := snapshot(t, boxes, who.Tenant, root)
	if len(old) < len(postgres.SealedColumns()) {
		t.Fatalf("the test plants too little: %d", len(old))
	}
	n, err := e.Replace(ctx, boxes, true, nil)
	if err != nil || n < len(old) {
		t.Fatalf("%d of %d sealed anew, %v", n, len(old), err)
	}
	if rest, _, err := e.Waiting(ctx, boxes); err != nil || len(rest) > 0 {
		t.Errorf("left: %v, %v", rest, err)
	}
	if dropped, left, err := e.Drop(ctx, boxes); err != nil || dropped != 0 || left == 0 {
		t.Errorf("another process may still seal by it: %d dropped, %d left, %v", dropped, left, err)
	}
	postgrestest.Exec(t, db, "update tenant_keys set created_at = now() - interval '1 hour'")
	if dropped, left, err := e.Drop(ctx, boxes); err != nil || dropped < 2 || left != 0 {
		t.Errorf("%d dropped, %d left, %v", dropped, left, err)
	}

	later := vault.NewEnvelope(db.DataKeys(), vault.Single([]byte("0123456789abcdef0123456789abcdef")), time.Now)
	for _, b := range slices.Concat(snapshot(t, boxes, who.Tenant), snapshot(t, boxes, root)) {
		owner := who.Tenant
		if b.Column == "operators.factor" || b.Column == "totp_apps.sealed" {
			owner = root
		}
		if _, err := later.Open(ctx, owner, b.Place, b.Sealed); err != nil {
			t.Errorf("%s %s: %v", b.Column, b.Row, err)
		}
		if slices.ContainsFunc(old, func(o vault.Box) bool { return bytes.Equal(o.Sealed, b.Sealed) }) {
			t.Errorf("%s %s is as it was", b.Column, b.Row)
		}
	}
	// And the contexts that sealed it still open it, where they say it is.
	again := channelProcess(t, db, p, time.Now)
	if _, err := again.Publish(ctx, tenants.SystemScope(who.Tenant), id, social.PublishRequest{Commit: true}); err != nil {
		t.Error(err)
	}
	u, err := url.Parse(waiting.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := again.Callback(ctx, waiting.Binding, u.Query().Get("state"), map[string]string{"code": channelCanary + " code"}); err != nil || c.Stage != channels.Done {
		t.Errorf("%+v, %v", c, err)
	}
}

// plant puts something sealed in the columns that channels do not use.
func plant(t *testing.T, db *postgres.DB, e *vault.Envelope, us tenants.ID) (root tenants.ID) {
	t.Helper()
	ctx := t.Context()
	root, err := db.Registry().Operator(ctx)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(owner tenants.ID, place string) []byte {
		sealed, err := e.Seal(ctx, owner, place, []byte(channelCanary))
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	type secret struct {
		Row    string `json:"row"`
		Sealed []byte `json:"sealed"`
	}
	var secrets []secret
	for i := range 2 {
		row := fmt.Sprintf("webhook_endpoints/whk_1/key_%d", i)
		secrets = append(secrets, secret{row, seal(us, row)})
	}
	list, err := json.Marshal(secrets)
	if err != nil {
		t.Fatal(err)
	}
	postgrestest.Exec(t, db, `insert into webhook_endpoints (tenant_id, id, url, description, types, state, reason, api_version, secrets, version)
		values ($1, 'whk_1', 'https://example.com', '', '{}', 'enabled', '', '2026-11-01', $2, 1)`, us, list)
	postgrestest.Exec(t, db, `insert into operators (id, email, name, factor, created_at) values ('opr_1', 'o@example.com', 'O', $1, now())`, seal(root, "operators/opr_1/factor"))
	const user = "usr_sealed"
	postgrestest.Exec(t, db, "insert into users (id, email, name, password_hash, created_at) values ($1, 's@example.com', 'S', '', now())", user)
	postgrestest.Exec(t, db, `insert into totp_apps (user_id, confirmed, id, sealed, created_at) values ($1, false, 'tot_1', $2, now())`, user, seal(root, "totp/tot_1"))
	return root
}

// snapshot is every box of some tenants.
func snapshot(t *testing.T, boxes vault.Boxes, of ...tenants.ID) (out []vault.Box) {
	t.Helper()
	for _, tenant := range of {
		for after := (vault.Box{}); ; {
			page, err := boxes.Older(t.Context(), tenant, 1<<20, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, page...)
			if len(page) < 2 {
				break
			}
			after = page[1]
		}
	}
	return out
}
