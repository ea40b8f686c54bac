package postgres_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/blob"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/exports"
)

// anybody may do anything: who may what is tested where it is decided.
type anybody struct{}

func (anybody) Allow(context.Context, tenants.Scope, tenants.Action) error { return nil }

// Whoever adds a table of tenants decides whether its rows are their own.
func TestEveryTableIsExportedOrNotForAReason(t *testing.T) {
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		rows, err := c.Query(ctx, `select oid::regclass::text from pg_class where oid in `+tenantTable)
		must(t, err)
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		must(t, err)
		for _, table := range tables {
			drop, is := postgres.Exported()[table]
			reason, not := postgres.Unexported[table]
			if is == not || not && len(strings.Fields(reason)) < 4 {
				t.Errorf("%s: exported %v, not exported %v (%q): say which, in export_rows.go", table, is, not, reason)
			}
			if !is {
				continue
			}
			// What is bytes is sealed, or a hash that somebody could try guesses on.
			rows, err := c.Query(ctx, `select attname::text from pg_attribute where attrelid = $1::text::regclass and attnum > 0 and not attisdropped
				and (atttypid in ('bytea'::regtype, 'bytea[]'::regtype) or attname ~ 'secret|sealed|password|token')`, table)
			must(t, err)
			secret, err := pgx.CollectRows(rows, pgx.RowTo[string])
			must(t, err)
			for _, column := range secret {
				harmless := table == "domains" && column == "token" || strings.HasPrefix(table, "audit_")
				if !harmless && !slices.Contains(drop, column) {
					t.Errorf("%s.%s looks like a secret and is exported", table, column)
				}
			}
		}
		for table := range postgres.Exported() {
			if !slices.Contains(tables, table) {
				t.Errorf("%s is exported, and there is none", table)
			}
		}
	})
}

// an owner of everything that a tenant can have a row of.
func owner(t *testing.T, db *postgres.DB, blobs storage.Blobs) tenants.Scope {
	t.Helper()
	who, _ := filled(t, db, blobs)
	return who
}

func filled(t *testing.T, db *postgres.DB, blobs storage.Blobs) (tenants.Scope, []storage.Key) {
	t.Helper()
	tenant := postgrestest.Tenant(t, db)
	user := tenants.UserID(id.New("usr"))
	postgrestest.Exec(t, db, `insert into users (id, email, name, password_hash, created_at) values ($1::text, $1::text || '@example.com', 'Ann', 'canary-password', now())`, strings.ToLower(string(user)))
	postgrestest.Exec(t, db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'owner', 'system')", tenant, strings.ToLower(string(user)))
	who := tenants.Scope{Tenant: tenant, Kind: tenants.Workspace, User: tenants.UserID(strings.ToLower(string(user))), Role: tenants.Owner, Tier: tenants.Team}
	return who, fill(t, db, blobs, tenant)
}

// fill gives a tenant some rows, with secrets where there are any, and files,
// which it returns.
func fill(t *testing.T, db *postgres.DB, blobs storage.Blobs, tenant tenants.ID) []storage.Key {
	t.Helper()
	for range 3 {
		postgrestest.Exec(t, db, `insert into posts (tenant_id, post_id, state, content, created_by, version) values ($1, $2, 'draft', '{"parts":[{"text":"hello"}]}', 'system', 1)`, tenant, id.New("post"))
	}
	grant := id.New("grt")
	postgrestest.Exec(t, db, "insert into channel_grants (tenant_id, id, platform, sealed, generation) values ($1, $2, 'test', 'canary-sealed', 1)", tenant, grant)
	postgrestest.Exec(t, db, `insert into channels (tenant_id, id, platform, account_id, account, name, grant_id, state, version) values ($1, $2, 'test', 'a', '{}', 'A', $3, 'connected', 1)`, tenant, id.New("chn"), grant)
	postgrestest.Exec(t, db, `insert into webhook_endpoints (tenant_id, id, url, description, types, state, reason, api_version, secrets, version) values ($1, $2, 'https://example.com', '', '{}', 'enabled', '', '2026-11-01', '["canary-hook"]', 1)`, tenant, id.New("whk"))
	postgrestest.Exec(t, db, `insert into tenant_keys (tenant_id, number, kek_version, wrapped) values ($1, 1, 1, 'canary-key')`, tenant)
	postgrestest.Exec(t, db, `insert into audit_entries (tenant_id, id, actor, action, subject, detail, request_id) values ($1, $2, 'system', 'x.y', '', '{}', '')`, tenant, id.New("aud"))
	file := id.New("med")
	postgrestest.Exec(t, db, `insert into media (tenant_id, id, kind, mime, bytes, sha256, width, height, alt, name, state, created_by, created_at, version)
		values ($1, $2, 'image', 'image/png', 5, repeat('a', 64), 1, 1, '', '', 'ready', 'system', now(), 1)`, tenant, file)
	logo, replaced := id.New("pic"), id.New("pic")
	postgrestest.Exec(t, db, `insert into brands (tenant_id, product, support, accent, surface, ink, logo, sender_name, sender, reply_to, version, updated_at)
		values ($1, 'Acme', '', '', '', '', jsonb_build_object('id', $2::text, 'mime', 'image/png'), '', '', '', 1, now())`, tenant, logo)
	must(t, db.Brands().Tidy(t.Context(), tenant, replaced, time.Hour)) // bytes that no row names any more
	keys := []storage.Key{media.Key(tenant, media.ID(file)), branding.Key(tenant, logo), branding.Key(tenant, replaced)}
	for _, k := range keys {
		_, err := blobs.Put(t.Context(), k, strings.NewReader("bytes"), storage.PutOptions{Limit: 10, MIME: "image/png"})
		must(t, err)
	}
	return keys
}

func TestAnExportHoldsAllThatATenantOwns(t *testing.T) {
	db := postgrestest.Open(t)
	blobs, err := blob.Open(t.Context(), "mem://")
	must(t, err)
	who := owner(t, db, blobs)
	s := exports.New(db.Exports(), blobs, anybody{}, time.Now)
	e, err := s.Begin(t.Context(), who, false)
	must(t, err)
	if _, err := s.Begin(t.Context(), who, false); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second one at a time: %v", err)
	}
	must(t, s.Run(t.Context(), who.Tenant, e.ID))
	raw, files := archive(t, s, who, e.ID)
	var m exports.Manifest
	must(t, json.Unmarshal(files["manifest.json"], &m))
	for _, f := range m.Files {
		sum := sha256.Sum256(files[f.Name])
		if f.SHA256 != hex.EncodeToString(sum[:]) || f.Lines != int64(bytes.Count(files[f.Name], []byte("\n"))) || f.Bytes != int64(len(files[f.Name])) {
			t.Errorf("the manifest is wrong about %s: %+v", f.Name, f)
		}
	}
	at := string(who.Tenant) + "/"
	for name, want := range map[string]string{"posts": `"text": "hello"`, "memberships": "@example.com", "audit_entries": "x.y", "channels": `"account_id"`, "webhook_endpoints": "https://example.com"} {
		if !bytes.Contains(files[at+name+".jsonl"], []byte(want)) {
			t.Errorf("%s: %s", name, files[at+name+".jsonl"])
		}
	}
	if n := bytes.Count(files[at+"posts.jsonl"], []byte("\n")); n != 3 {
		t.Errorf("%d posts", n)
	}
	found := 0
	for name, content := range files {
		if (strings.HasPrefix(name, at+"media/") || strings.HasPrefix(name, at+"brand/")) && string(content) == "bytes" {
			found++
		}
		if !strings.HasPrefix(name, at) && name != "README.txt" && name != "manifest.json" {
			t.Errorf("whose is %s?", name)
		}
		for _, canary := range []string{"canary", hex.EncodeToString([]byte("canary"))} {
			if bytes.Contains(content, []byte(canary)) {
				t.Errorf("%s holds a secret", name)
			}
		}
	}
	if found != 2 || m.Media != 1 {
		t.Errorf("%d files, %d in the manifest", found, m.Media)
	}
	done, err := s.Get(t.Context(), who, e.ID)
	must(t, err)
	if sum := sha256.Sum256(raw); done.State != exports.Ready || done.SHA256 != hex.EncodeToString(sum[:]) || done.Bytes != int64(len(raw)) || done.Percent() != 100 {
		t.Errorf("%+v", done)
	}
	// Its time passes.
	postgrestest.Exec(t, db, "update exports set expires_at = now() - interval '1 second' where tenant_id = $1", who.Tenant)
	must(t, s.Sweep(t.Context()))
	if _, _, err := s.Open(t.Context(), who, e.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("an old archive: %v", err)
	}
	if _, err := blobs.Stat(t.Context(), storage.Key{Tenant: string(who.Tenant), Name: exports.Folder + string(e.ID) + "/1"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an old archive's bytes: %v", err)
	}
}

func archive(t *testing.T, s *exports.Service, who tenants.Scope, name exports.ID) (raw []byte, files map[string][]byte) {
	t.Helper()
	_, r, err := s.Open(t.Context(), who, name)
	must(t, err)
	raw, err = io.ReadAll(r)
	must(t, errors.Join(err, r.Close()))
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	files = map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		must(t, err)
		files[f.Name], err = io.ReadAll(r)
		must(t, err)
	}
	return raw, files
}

// dying is a store of files whose process ends in the middle of an archive.
type dying struct {
	storage.Blobs
	at int64
}

func (d dying) Put(_ context.Context, _ storage.Key, r io.Reader, _ storage.PutOptions) (storage.Info, error) {
	_, _ = io.CopyN(io.Discard, r, d.at)
	return storage.Info{}, fault.New(fault.Unavailable, "blob.unavailable", "Gone.")
}

func TestAnExportOutlivesItsWorker(t *testing.T) {
	db := postgrestest.Open(t)
	blobs, err := blob.Open(t.Context(), "mem://")
	must(t, err)
	who := owner(t, db, blobs)
	s := exports.New(db.Exports(), blobs, anybody{}, time.Now)
	e, err := s.Begin(t.Context(), who, false)
	must(t, err)
	// One dies without a word: what it says at the end never arrives.
	if _, err := db.Exports().Lease(t.Context(), who.Tenant, e.ID, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), who.Tenant, e.ID); !fault.Is(err, fault.RateLimited) {
		t.Errorf("while somebody is at it: %v", err)
	}
	postgrestest.Exec(t, db, "update exports set leased_until = now() - interval '1 second' where tenant_id = $1", who.Tenant)
	postgrestest.Exec(t, db, "update river.river_job set state = 'running' where args ->> 'tenant' = $1", string(who.Tenant))
	must(t, s.Sweep(t.Context()))
	must(t, s.Sweep(t.Context())) // it waits in the queue by now
	var waiting int
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		must(t, c.QueryRow(ctx, "select count(*) from river.river_job where args ->> 'export' = $1 and state = 'available'", string(e.ID)).Scan(&waiting))
	})
	if waiting != 1 {
		t.Errorf("%d jobs wait", waiting)
	}
	// Another is stopped in the middle, and says so.
	if err := exports.New(db.Exports(), dying{blobs, 300}, anybody{}, time.Now).Run(t.Context(), who.Tenant, e.ID); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a dying store: %v", err)
	}
	if _, _, err := s.Open(t.Context(), who, e.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("half an archive: %v", err)
	}
	must(t, s.Run(t.Context(), who.Tenant, e.ID))
	if _, files := archive(t, s, who, e.ID); len(files["manifest.json"]) == 0 {
		t.Error("no manifest")
	}
	// The first one wakes up: what it says counts for nothing.
	old := *e
	old.Attempt = 1
	if err := db.Exports().Progress(t.Context(), who.Tenant, &old, time.Minute); !fault.Is(err, fault.Conflict) {
		t.Errorf("a worker that was away: %v", err)
	}
}

// Whoever owns an agency takes of its workspaces those that are theirs too.
func TestAnExportReachesAsFarAsItsOwner(t *testing.T) {
	db := postgrestest.Open(t)
	blobs, err := blob.Open(t.Context(), "mem://")
	must(t, err)
	who := owner(t, db, blobs)
	var agency tenants.ID
	admin(t, func(ctx context.Context, c *pgx.Conn) {
		must(t, c.QueryRow(ctx, "select parent_id from tenants where tenant_id = $1", string(who.Tenant)).Scan(&agency))
	})
	postgrestest.Exec(t, db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'owner', 'system')", agency, who.User)
	other := postgrestest.Child(t, db, agency, tenants.Workspace)
	fill(t, db, blobs, other)
	shop := who.Tenant
	who.Tenant, who.Kind = agency, tenants.Agency
	s := exports.New(db.Exports(), blobs, anybody{}, time.Now)
	e, err := s.Begin(t.Context(), who, true)
	must(t, err)
	must(t, s.Run(t.Context(), agency, e.ID))
	_, files := archive(t, s, who, e.ID)
	for tenant, want := range map[tenants.ID]bool{agency: true, shop: true, other: false} {
		if _, is := files[string(tenant)+"/posts.jsonl"]; is != want {
			t.Errorf("%s is in it: %v", tenant, is)
		}
	}
}
