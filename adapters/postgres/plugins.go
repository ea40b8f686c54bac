package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/tenants"
)

// Plugins is the catalog.Store in this database.
func (db *DB) Plugins() catalog.Store { return pluginStore{db} }

// pluginsChannel is notified when the catalog has changed.
const pluginsChannel = "carillon_plugins"

// ListenPlugins calls changed when the catalog may have changed, and once it is
// listening. It holds one connection and returns when ctx ends or the
// connection is lost.
func (db *DB) ListenPlugins(ctx context.Context, changed func()) error {
	return db.listen(ctx, pluginsChannel, changed, func(string) { changed() })
}

type pluginStore struct{ db *DB }

func (s pluginStore) View(ctx context.Context, t tenants.ID, fn func(context.Context, catalog.Tx) error) error {
	return s.db.view(ctx, t, func(ctx context.Context, tx tx) error { return fn(ctx, pluginTx{tx}) })
}

// catalogLock makes updates of one tenant's catalog take turns.
const catalogLock = 7_226_033

func (s pluginStore) Update(ctx context.Context, t tenants.ID, fn func(context.Context, catalog.Tx) error) error {
	return s.db.update(ctx, t, func(ctx context.Context, tx tx) error {
		if _, err := tx.pgx.Exec(ctx, "select pg_advisory_xact_lock($1, hashtext($2)), pg_notify($3, '')", catalogLock, string(t), pluginsChannel); err != nil {
			return err
		}
		return fn(ctx, pluginTx{tx})
	})
}

func (s pluginStore) Instance(ctx context.Context) (out []catalog.Line, err error) {
	err = s.db.system(ctx, pathPlugins, func(ctx context.Context, tx tx) error {
		var plugins []pluginRow
		if err := tx.NewSelect().Model(&plugins).Join("join tenants o on o.tenant_id = p.tenant_id and o.kind = 'operator'").
			Order("p.id").Scan(ctx); err != nil {
			return err
		}
		var active []versionRow
		if err := tx.NewSelect().Model(&active).Join("join plugins p on p.tenant_id = v.tenant_id and p.id = v.plugin and p.active = v.digest").
			Join("join tenants o on o.tenant_id = v.tenant_id and o.kind = 'operator'").Scan(ctx); err != nil {
			return err
		}
		out, err = lines(plugins, active)
		return err
	})
	return out, err
}

func lines(plugins []pluginRow, active []versionRow) (out []catalog.Line, err error) {
	byPlugin := map[string]*catalog.Version{}
	for _, r := range active {
		if byPlugin[r.Plugin], err = r.version(); err != nil {
			return nil, err
		}
	}
	for _, r := range plugins {
		out = append(out, catalog.Line{Plugin: *r.plugin(), Active: byPlugin[r.ID]})
	}
	return out, nil
}

func (s pluginStore) Closed(ctx context.Context, t tenants.ID) (map[string]catalog.Reason, error) {
	rows, err := s.db.sys.pool.Query(ctx, "/* "+string(pathPlugins)+" */ "+`
		select id, why from platforms_restricted cross join lateral platform_closed($1, id) as why where why is not null`, string(t))
	if err != nil {
		return nil, asFault(err)
	}
	out := map[string]catalog.Reason{}
	var id string
	var why catalog.Reason
	_, err = pgx.ForEachRow(rows, []any{&id, &why}, func() error {
		out[id] = why
		return nil
	})
	return out, asFault(err)
}

// pluginRow is a row of plugins. tenant_id is absent on purpose: the database
// fills it in and filters on it.
type pluginRow struct {
	bun.BaseModel `bun:"table:plugins,alias:p"`

	ID        string    `bun:"id"`
	Name      string    `bun:"name"`
	Level     string    `bun:"level"`
	Channel   string    `bun:"channel"`
	State     string    `bun:"state"`
	Active    string    `bun:"active"`
	Pending   string    `bun:"pending"`
	Previous  string    `bun:"previous"`
	Signer    string    `bun:"signer"`
	Hosts     []string  `bun:"hosts,array"`
	Scopes    []string  `bun:"scopes,array"`
	Tiers     []string  `bun:"tiers,array"`
	OptIn     bool      `bun:"opt_in"`
	Version   int       `bun:"version"`
	CreatedAt time.Time `bun:"created_at"`
	UpdatedAt time.Time `bun:"updated_at,nullzero,default:now()"`
}

func pluginToRow(p *catalog.Plugin) *pluginRow {
	return &pluginRow{
		ID: p.ID, Name: p.Name, Level: string(p.Level), Channel: string(p.Channel), State: string(p.State),
		Active: p.Active, Pending: p.Pending, Previous: p.Previous, Signer: p.Signer,
		Hosts: orEmpty(p.Hosts), Scopes: orEmpty(p.Scopes), Tiers: orEmpty(texts(p.Grants.Tiers)), OptIn: p.Grants.OptIn,
		Version: p.Row + 1, CreatedAt: p.CreatedAt,
	}
}

// orEmpty writes an empty list where null is not allowed.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (r *pluginRow) plugin() *catalog.Plugin {
	return &catalog.Plugin{
		ID: r.ID, Name: r.Name, Level: catalog.Level(r.Level), Channel: catalog.Channel(r.Channel), State: catalog.State(r.State),
		Active: r.Active, Pending: r.Pending, Previous: r.Previous, Signer: r.Signer, Hosts: r.Hosts, Scopes: r.Scopes,
		Grants: catalog.Grants{Tiers: as[tenants.Tier](r.Tiers), OptIn: r.OptIn},
		Row:    r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

type versionRow struct {
	bun.BaseModel `bun:"table:plugin_versions,alias:v"`

	Plugin   string          `bun:"plugin"`
	Digest   string          `bun:"digest"`
	Version  string          `bun:"version"`
	Level    string          `bun:"level"`
	KeyID    string          `bun:"key_id"`
	Platform string          `bun:"platform"`
	Command  []string        `bun:"command,array"`
	Manifest json.RawMessage `bun:"manifest,type:jsonb"`
	AddedBy  string          `bun:"added_by"`
	AddedAt  time.Time       `bun:"added_at"`
	Ran      bool            `bun:"ran"`
}

func versionToRow(v *catalog.Version) (*versionRow, error) {
	manifest, err := json.Marshal(v.Manifest)
	return &versionRow{
		Plugin: v.Plugin, Digest: v.Digest, Version: v.Version, Level: string(v.Level), KeyID: v.Key, Platform: v.Platform, Command: v.Command,
		Manifest: manifest, AddedBy: v.AddedBy, AddedAt: v.AddedAt, Ran: v.Ran,
	}, err
}

func (r *versionRow) version() (*catalog.Version, error) {
	v := &catalog.Version{
		Plugin: r.Plugin, Digest: r.Digest, Version: r.Version, Level: catalog.Level(r.Level), Key: r.KeyID, Platform: r.Platform, Command: r.Command,
		AddedBy: r.AddedBy, AddedAt: r.AddedAt.UTC(), Ran: r.Ran,
	}
	return v, json.Unmarshal(r.Manifest, &v.Manifest)
}

type keyOfPluginRow struct {
	bun.BaseModel `bun:"table:plugin_keys,alias:k"`

	ID      string    `bun:"id"`
	Name    string    `bun:"name"`
	Public  []byte    `bun:"public"`
	AddedBy string    `bun:"added_by"`
	AddedAt time.Time `bun:"added_at"`
}

type wordRow struct {
	bun.BaseModel `bun:"table:plugin_words,alias:w"`

	Plugin  string `bun:"plugin"`
	About   string `bun:"about"`
	Allowed bool   `bun:"allowed"`
}

type choiceRow struct {
	bun.BaseModel `bun:"table:plugin_choices,alias:c"`

	Plugin   string    `bun:"plugin"`
	Wanted   bool      `bun:"wanted"`
	ChosenBy string    `bun:"chosen_by"`
	ChosenAt time.Time `bun:"chosen_at"`
}
