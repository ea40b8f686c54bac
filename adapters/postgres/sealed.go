package postgres

import (
	"context"
	"encoding/base64"
	"slices"
	"sync/atomic"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// A sealedColumn is where an Envelope's boxes are kept, and how to find them. A
// column of bytes is here or among plainBytes: a test reads the catalog.
type sealedColumn struct {
	name  string // table.column
	from  string // x is its alias
	row   string // names one of a tenant's, as text
	place string // what it was sealed for, as its context writes it
	box   string // the bytes
	set   string // puts in ? where was ?, both in base64, for row ?
	root  bool   // of no tenant: sealed by the installation's own keys, and reached as the system
}

var sealedColumns = []sealedColumn{
	{
		name: "channel_apps.sealed", from: "channel_apps x", row: "x.platform || ' ' || x.instance",
		place: "'channel_apps/' || x.platform || '/' || x.instance || '/sealed/' || x.version", box: "x.sealed",
		set: "update channel_apps x set sealed = decode(?0, 'base64') where x.sealed = decode(?1, 'base64')",
	},
	{
		name: "channel_connections.sealed", from: "channel_connections x", row: "x.id",
		place: "'channel_connections/' || x.id || '/sealed/' || x.version", box: "x.sealed",
		set: "update channel_connections x set sealed = decode(?0, 'base64') where x.sealed = decode(?1, 'base64')",
	},
	{
		name: "channel_grants.sealed", from: "channel_grants x", row: "x.id",
		place: "'channel_grants/' || x.id || '/sealed/' || x.generation", box: "x.sealed",
		set: "update channel_grants x set sealed = decode(?0, 'base64') where x.sealed = decode(?1, 'base64')",
	},
	{
		name: "operators.factor", from: "operators x", row: "x.id",
		place: "'operators/' || x.id || '/factor'", box: "x.factor", root: true,
		set: "update operators x set factor = decode(?0, 'base64') where x.factor = decode(?1, 'base64')",
	},
	{
		name: "totp_apps.sealed", from: "totp_apps x", row: "x.id", place: "'totp/' || x.id", box: "x.sealed", root: true,
		set: "update totp_apps x set sealed = decode(?0, 'base64') where x.sealed = decode(?1, 'base64')",
	},
	{ // a list: the current secret, and while it is rotated the one before
		name: "webhook_endpoints.secrets", from: "webhook_endpoints x cross join lateral jsonb_array_elements(x.secrets) e", row: "e ->> 'row'",
		place: "e ->> 'row'", box: "decode(e ->> 'sealed', 'base64')",
		set: `update webhook_endpoints x set secrets = (select jsonb_agg(case when e ->> 'sealed' = ?1 then jsonb_set(e, '{sealed}', to_jsonb(?0::text)) else e end order by n)
			from jsonb_array_elements(x.secrets) with ordinality s(e, n)) where x.secrets @> jsonb_build_array(jsonb_build_object('sealed', ?1::text))`,
	},
}

// plainBytes are the columns of bytes and documents that hold nothing sealed,
// each with what they do hold.
var plainBytes = map[string]string{
	"tenant_keys.wrapped": "data keys, wrapped; Envelope.Rotate wraps them anew",
	"kept_keys.wrapped":   "keys that stay, wrapped likewise",

	"refresh_tokens.hash": "a hash", "one_time_tokens.hash": "a hash", "api_keys.hash": "a hash", "recovery_codes.hash": "a hash",
	"challenges.hash": "a hash", "devices.hash": "a hash", "sessions.device": "a hash", "invitations.hashes": "hashes",
	"operators.link_hash": "a hash", "operator_sessions.hash": "a hash", "impersonations.hash": "a hash",
	"channel_connections.state_hash": "a hash", "channel_connections.binding_hash": "a hash",
	"sign_in_attempts.state": "a hash", "sign_in_attempts.binder": "a hash",

	"brands.logo": "a picture's name and measures", "brands.favicon": "a picture's name and measures",

	"passkeys.credential": "how a device calls its key", "passkeys.record": "a public key", "challenges.state": "what a device is asked to sign",
	"plugin_keys.public": "a public key",

	"audit_links.hash": "a hash of entries", "audit_heads.hash": "a hash of entries", "audit_heads.signature": "a signature",

	"segments.step": "what a plugin goes on with; the host keeps credentials out of it", "idempotency_keys.body": "an answer, or none if it shows a secret",

	"tenants.settings": "a document", "events.data": "a document", "webhook_deliveries.log": "a document", "channels.account": "a document",
	"channel_connections.form": "a document", "channel_connections.choices": "a document", "channel_apps.settings": "a document, without secrets",
	"posts.content": "a document", "deliveries.settings": "a document", "segments.part": "a document", "segments.reply_to": "a document",
	"segments.root": "a document", "segments.ref": "a document", "segments.problem": "a document", "attempts.problem": "a document",
	"post_metrics.counts": "a document", "post_findings.violations": "a document", "segments.warnings": "a document", "plugin_versions.manifest": "a document", "audit_entries.detail": "a document",
}

// Boxes is what the vault sealed in this database.
func (db *DB) Boxes() vault.Boxes { return boxes{db, new(atomic.Pointer[tenants.ID])} }

type boxes struct {
	db   *DB
	root *atomic.Pointer[tenants.ID] // the operator's tenant, once it is known
}

func (s boxes) Holders(ctx context.Context, after tenants.ID, limit int) (out []tenants.ID, err error) {
	err = s.db.system(ctx, pathRewrap, func(ctx context.Context, tx tx) error {
		return tx.NewRaw("select distinct tenant_id from tenant_keys where tenant_id > ? order by tenant_id limit ?", string(after), limit).Scan(ctx, &out)
	})
	return out, err
}

// in runs fn where t's boxes of a column can be reached: in t, or as the system
// for what is the installation's own.
func (s boxes) in(ctx context.Context, t tenants.ID, c sealedColumn, fn func(context.Context, tx) error) error {
	if c.root {
		return s.db.system(ctx, pathRewrap, fn)
	}
	return s.db.update(ctx, t, fn)
}

// operator is the tenant of whoever runs this installation; empty: nobody yet.
func (s boxes) operator(ctx context.Context) (tenants.ID, error) {
	if known := s.root.Load(); known != nil {
		return *known, nil
	}
	root, err := s.db.Registry().Operator(ctx)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err == nil {
		s.root.Store(&root)
	}
	return root, err
}

// columns are those that t may have something in, in order of their names.
func (s boxes) columns(ctx context.Context, t tenants.ID) ([]sealedColumn, error) {
	root, err := s.operator(ctx)
	return slices.DeleteFunc(slices.Clone(sealedColumns), func(c sealedColumn) bool { return c.root && t != root }), err
}

func (s boxes) Older(ctx context.Context, t tenants.ID, newest int, after vault.Box, limit int) (out []vault.Box, err error) {
	all, err := s.columns(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.name < after.Column || len(out) == limit {
			continue
		}
		row := ""
		if c.name == after.Column {
			row = after.Row
		}
		some, err := s.older(ctx, t, c, newest, row, limit-len(out))
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// older reads one column. The number of the data key is in the bytes, after the
// first, see vault.Envelope.
func (s boxes) older(ctx context.Context, t tenants.ID, c sealedColumn, newest int, after string, limit int) (out []vault.Box, err error) {
	var rows []struct {
		Row, Place string
		Box        []byte
	}
	err = s.in(ctx, t, c, func(ctx context.Context, tx tx) error {
		ours := tx.ours("x")
		if c.root {
			ours = always
		}
		return tx.NewRaw(`select `+c.row+` as row, `+c.place+` as place, `+c.box+` as box from `+c.from+`
			where ? and `+c.box+` is not null and substring(`+c.box+` from 2 for 4) <> int4send(?) and `+c.row+` collate "C" > ?
			order by `+c.row+` collate "C" limit ?`, ours, newest, after, limit).Scan(ctx, &rows)
	})
	for _, r := range rows {
		out = append(out, vault.Box{Column: c.name, Row: r.Row, Place: r.Place, Sealed: r.Box})
	}
	return out, err
}

func (s boxes) Replace(ctx context.Context, t tenants.ID, b vault.Box, fresh []byte) (done bool, err error) {
	c := sealedColumns[slices.IndexFunc(sealedColumns, func(c sealedColumn) bool { return c.name == b.Column })]
	text := base64.StdEncoding.EncodeToString
	err = s.in(ctx, t, c, func(ctx context.Context, tx tx) error {
		ours := tx.ours("x")
		if c.root {
			ours = always
		}
		res, err := tx.NewRaw(c.set+" and ?2", text(fresh), text(b.Sealed), ours).Exec(ctx)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		done = n > 0
		return err
	})
	return done, err
}

// dropAfter is how old a data key has to be for nobody to hold the one before
// it for the newest: longer than they are remembered, and then some.
const dropAfter = "15 minutes"

func (s boxes) DropKeys(ctx context.Context, t tenants.ID, newest int) (n int, err error) {
	err = s.db.systemIn(ctx, pathRewrap, t, func(ctx context.Context, tx tx) error {
		res, err := tx.remove((*dataKeyRow)(nil)).Where("k.number < ?", newest).
			Where("exists (select from tenant_keys n where ? and n.number = ? and n.created_at < now() - interval '"+dropAfter+"')", tx.ours("n"), newest).Exec(ctx)
		if err != nil {
			return err
		}
		rows, err := res.RowsAffected()
		n = int(rows)
		return err
	})
	return n, err
}

// always is the condition on what is of no tenant.
var always = bun.SafeQuery("true")
