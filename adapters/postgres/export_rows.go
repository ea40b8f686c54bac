package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/tenants"
)

// A thing is a table of tenants as an export has it.
type thing struct {
	table string
	drop  []string // columns that are secret, or machinery
}

// exported are the tables whose rows are a tenant's own, in the order in which
// an archive has them.
var exported = []thing{
	{table: "tenants"}, {table: "memberships"}, {table: "roles"}, {table: "invitations", drop: []string{"hashes"}}, {table: "ownership_offers"},
	{table: "access_grants"}, {table: "brands"}, {table: "domains"}, {table: "publishing_settings"}, {table: "tier_grants"}, {table: "feature_overrides"},
	{table: "plugin_choices"}, {table: "api_keys", drop: []string{"hash"}},
	{table: "channel_apps", drop: []string{"sealed"}}, {table: "channels"}, {table: "channel_grants", drop: []string{"sealed", "fence", "leased_until"}},
	{table: "media"}, {table: "posts"}, {table: "post_findings"}, {table: "deliveries"},
	{table: "segments", drop: []string{"step", "holder", "held_at", "generation"}}, {table: "attempts"}, {table: "post_metrics"},
	{table: "webhook_endpoints", drop: []string{"secrets"}}, {table: "events"}, {table: "webhook_deliveries"},
	{table: "spend_accounts"}, {table: "spend_holds", drop: []string{"tenants", "subjects"}},
	{table: "audit_entries"}, {table: "audit_links"}, {table: "audit_heads"},
}

// unexported are the other tables of tenants, each with its reason. The catalog
// test refuses a table that is in neither list.
var unexported = map[string]string{
	"destroyed_keys":      "tenants whose keys were destroyed, and so no tenant's thing",
	"tenant_keys":         "keys of what is sealed, which is not exported either",
	"channel_connections": "attempts to sign in, for minutes; they hold secrets",
	"channel_renewals":    "the journal of a machine: how tokens were renewed",
	"channel_quotas":      "counters of what platforms allow",
	"channel_checks":      "how far a check of planned posts is",
	"sunset_notices":      "which notices were sent",
	"idempotency_keys":    "answers kept for a day for programs that ask again",
	"jobs":                "names of work in the queue",
	"exports":             "archives that were made before, and their progress",
	"audit_waiting":       "names of entries that are not sealed yet; they are exported",
	"plugins":             "the installation's catalog, in the operator's tenant",
	"plugin_versions":     "the installation's catalog, in the operator's tenant",
	"plugin_keys":         "the installation's catalog, in the operator's tenant",
	"plugin_words":        "the operator's word about tenants",
}

func (exportStore) Kinds(context.Context) ([]string, error) {
	names := make([]string, len(exported))
	for i, k := range exported {
		names[i] = k.table
	}
	return names, nil
}

// Page reads in the order of the primary key.
func (s exportStore) Page(ctx context.Context, tenant tenants.ID, name string, after []string, limit int) (things []json.RawMessage, next []string, err error) {
	i := slices.IndexFunc(exported, func(one thing) bool { return one.table == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("postgres: there is no kind %q", name)
	}
	k := exported[i]
	key, err := s.primary(ctx, k.table)
	if err != nil {
		return nil, nil, err
	}
	query, args := k.page(key, after, limit)
	err = s.db.view(ctx, tenant, func(ctx context.Context, tx tx) error {
		rows, err := tx.query(ctx, query, args...)
		if err != nil {
			return err
		}
		things, next = nil, nil
		var one string
		var at []string
		_, err = pgx.ForEachRow(rows, []any{&one, &at}, func() error {
			things, next = append(things, json.RawMessage(one)), at
			return nil
		})
		return err
	})
	if err == nil && name == "memberships" {
		things, err = s.named(ctx, things)
	}
	if len(things) < limit || len(key) == 0 {
		next = nil
	}
	return things, next, err
}

// page is the statement for rows after a position. What stands for names and
// types comes from the catalog; values are parameters.
func (k thing) page(key []column, after []string, limit int) (string, []any) {
	args := []any{k.drop, limit}
	names, texts, marks := make([]string, len(key)), make([]string, len(key)), make([]string, len(key))
	for i, c := range key {
		names[i] = "k." + pgx.Identifier{c.name}.Sanitize()
		texts[i] = names[i] + "::text"
		marks[i] = fmt.Sprintf("$%d::text::%s", i+4, c.kind)
		if after != nil {
			args = append(args, after[i])
		}
	}
	query := "select (to_jsonb(k) - coalesce($2::text[], '{}'))::text, array[" + strings.Join(texts, ", ") + "]::text[] from " + pgx.Identifier{k.table}.Sanitize() + " k where {k}"
	if after != nil {
		query += " and (" + strings.Join(names, ", ") + ") > (" + strings.Join(marks, ", ") + ")"
	}
	if len(key) > 0 {
		query += " order by " + strings.Join(names, ", ")
	}
	return query + " limit $3", args
}

// column is one of a primary key.
type column struct{ name, kind string }

// primary is what tells a table's rows apart within a tenant.
func (s exportStore) primary(ctx context.Context, table string) (key []column, err error) {
	if known, ok := s.keys.Load(table); ok {
		key, _ = known.([]column)
		return key, nil
	}
	rows, err := s.db.app.pool.Query(ctx, `
		select a.attname::text, format_type(a.atttypid, a.atttypmod)
		  from pg_index i cross join unnest(i.indkey::int2[]) with ordinality k (n, at) join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n
		 where i.indisprimary and i.indrelid = $1::text::regclass and a.attname <> 'tenant_id' order by k.at`, table)
	if err != nil {
		return nil, asFault(err)
	}
	key, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c column, err error) {
		err = row.Scan(&c.name, &c.kind)
		return c, err
	})
	if err == nil {
		s.keys.Store(table, key)
	}
	return key, asFault(err)
}

// named adds to members who they are: a membership has but a name for them.
func (s exportStore) named(ctx context.Context, things []json.RawMessage) (out []json.RawMessage, err error) {
	err = s.db.system(ctx, pathNamed, func(ctx context.Context, tx tx) error {
		rows, err := tx.pgx.Query(ctx, `
			select (m.j || coalesce((select jsonb_build_object('name', u.name, 'email', u.email) from users u where u.id = m.j ->> 'user_id'), '{}'))::text
			  from unnest($1::jsonb[]) with ordinality m (j, at) order by m.at`, things)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (one json.RawMessage, err error) {
			var raw string
			err = row.Scan(&raw)
			return json.RawMessage(raw), err
		})
		return err
	})
	return out, err
}
