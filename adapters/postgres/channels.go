package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Channels is the channels.Store in this database.
func (db *DB) Channels() channels.Store { return channelStore{db} }

type channelStore struct{ db *DB }

func (s channelStore) View(ctx context.Context, t tenants.ID, fn func(context.Context, channels.Tx) error) error {
	return s.db.view(ctx, t, func(ctx context.Context, tx tx) error { return fn(ctx, channelTx{tx, false}) })
}

func (s channelStore) Update(ctx context.Context, t tenants.ID, fn func(context.Context, channels.Tx) error) error {
	return s.db.update(ctx, t, func(ctx context.Context, tx tx) error { return fn(ctx, channelTx{tx, true}) })
}

func (s channelStore) Lineage(ctx context.Context, t tenants.ID) (line []tenants.ID, err error) {
	var up []string
	err = s.db.view(ctx, t, func(ctx context.Context, tx tx) error {
		return tx.NewRaw("select t.ancestors from tenants t where ?", tx.ours("t")).Scan(ctx, pgdialect.Array(&up))
	})
	for _, id := range slices.Backward(up) {
		line = append(line, tenants.ID(id))
	}
	return line, err
}

func (s channelStore) ByState(ctx context.Context, hash []byte) (t tenants.ID, id channels.ConnectionID, err error) {
	err = s.db.ask(ctx, pathState, "select tenant_id, id from channel_connections where state_hash = $1", []any{hash}, &t, &id)
	return t, id, err
}

func (s channelStore) DueGrants(ctx context.Context, limit int) (due []channels.Due, err error) {
	err = s.db.system(ctx, pathDue, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`select tenant_id as tenant, id as "grant" from channel_grants
			where refresh_at <= now() and (leased_until is null or leased_until <= now())
			order by refresh_at limit ?`, limit).Scan(ctx, &due)
	})
	return due, err
}

func (s channelStore) PurgeQuotas(ctx context.Context, ago time.Duration) (n int, err error) {
	err = s.db.system(ctx, pathPurge, func(ctx context.Context, tx tx) error {
		for _, table := range []quotaTable{tenantQuotas, appQuotas} {
			// slot is the last that was drawn on, and counts for a window more.
			res, err := tx.NewRaw(`delete from ?0 where coalesce(parked_until < now() - ?1 * interval '1 second', true)
				and (slot + ?2) * width < extract(epoch from now()) - ?1`, table.name, ago.Seconds(), quotaSlots+1).Exec(ctx)
			if err != nil {
				return err
			}
			gone, err := res.RowsAffected()
			if err != nil {
				return err
			}
			n += int(gone)
		}
		return nil
	})
	return n, err
}

func (s channelStore) PurgeConnections(ctx context.Context, before time.Time) (n int, err error) {
	err = s.db.system(ctx, pathPurge, func(ctx context.Context, tx tx) error {
		res, err := tx.NewRaw("delete from channel_connections where expires_at < ?", before).Exec(ctx)
		if err != nil {
			return err
		}
		deleted, err := res.RowsAffected()
		n = int(deleted)
		return err
	})
	return n, err
}

// channelTx implements channels.Tx. What an update reads, it locks: a save
// that follows is not stale then.
type channelTx struct {
	tx
	locks bool
}

func (t channelTx) locked(q *bun.SelectQuery) *bun.SelectQuery {
	if t.locks {
		return q.For("update of ?TableAlias")
	}
	return q
}

func (t channelTx) Emit(ctx context.Context, event, subject string, data any) error {
	return t.emit(ctx, event, subject, data)
}

// channelRow is a row of channels.
type channelRow struct {
	bun.BaseModel `bun:"table:channels,alias:c"`

	ID          string          `bun:"id"`
	Platform    string          `bun:"platform"`
	Instance    string          `bun:"instance"`
	Home        string          `bun:"home"`
	AccountID   string          `bun:"account_id"`
	Account     json.RawMessage `bun:"account,type:jsonb"`
	Name        string          `bun:"name"`
	GrantID     string          `bun:"grant_id,nullzero"`
	Scopes      []string        `bun:"scopes,array"`
	State       string          `bun:"state"`
	Reason      string          `bun:"reason"`
	Remedy      string          `bun:"remedy"`
	Paused      bool            `bun:"paused"`
	PausedBy    string          `bun:"paused_by"`
	PausedOn    string          `bun:"paused_on"`
	ConnectedBy string          `bun:"connected_by"`
	ConnectedAt time.Time       `bun:"connected_at,nullzero"`
	UpdatedAt   time.Time       `bun:"updated_at,nullzero,default:now()"`
	Version     int             `bun:"version"`

	ExpiresAt   time.Time `bun:"expires_at,scanonly"`
	RefreshedAt time.Time `bun:"refreshed_at,scanonly"`
	Failures    int       `bun:"failures,scanonly"`
	Problem     string    `bun:"problem,scanonly"`
}

// channels starts a SELECT of channels with the health of their grants.
func (t channelTx) channels(model any) *bun.SelectQuery {
	return t.find(model).ColumnExpr("c.*").
		ColumnExpr("g.expires_at, g.refreshed_at, coalesce(g.failures, 0) as failures, coalesce(g.problem, '') as problem").
		Join("left join channel_grants g on g.tenant_id = c.tenant_id and g.id = c.grant_id")
}

func (t channelTx) Channel(ctx context.Context, id channels.ID) (*channels.Channel, error) {
	if !t.locks {
		return t.peekChannel(ctx, id)
	}
	return t.one(ctx, "c.id = ?", string(id))
}

func (t channelTx) ByAccount(ctx context.Context, platform, home, account string) (*channels.Channel, error) {
	return t.one(ctx, "c.platform = ? and c.home = ? and c.account_id = ?", platform, home, account)
}

func (t channelTx) one(ctx context.Context, where string, args ...any) (*channels.Channel, error) {
	var r channelRow
	if err := t.locked(t.channels(&r).Where(where, args...)).Scan(ctx); err != nil {
		return nil, missing(err, "channel.not_found", "There is no such channel.")
	}
	return r.channel()
}

// missing gives "no rows" a name; other errors pass.
func missing(err error, reason, message string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, reason, "%s", message).Because(err)
	}
	return err
}

func (t channelTx) Channels(ctx context.Context, q channels.Query) ([]channels.Channel, error) {
	if q.Limit <= 0 {
		q.Limit = 20
	}
	var rows []channelRow
	find := t.channels(&rows).Where("c.id > ?", string(q.After)).OrderExpr("c.id").Limit(int64(q.Limit))
	if q.Platform != "" {
		find.Where("c.platform = ?", q.Platform)
	}
	if q.State != "" {
		find.Where("c.state = ?", string(q.State))
	}
	if q.Grant != "" {
		find.Where("c.grant_id = ?", string(q.Grant))
	}
	if err := t.locked(find).Scan(ctx); err != nil {
		return nil, err
	}
	out := make([]channels.Channel, 0, len(rows))
	for i := range rows {
		ch, err := rows[i].channel()
		if err != nil {
			return nil, err
		}
		out = append(out, *ch)
	}
	return out, nil
}

func (r *channelRow) channel() (*channels.Channel, error) {
	c := &channels.Channel{
		ID: channels.ID(r.ID), Platform: r.Platform, Instance: r.Instance, Name: r.Name, Grant: channels.GrantID(r.GrantID),
		Scopes: r.Scopes, State: channels.State(r.State), Reason: r.Reason, Remedy: r.Remedy,
		Paused: r.Paused, PausedBy: r.PausedBy, PausedOn: r.PausedOn,
		Health:      channels.Health{ExpiresAt: r.ExpiresAt, RefreshedAt: r.RefreshedAt, Failures: r.Failures, Problem: r.Problem},
		ConnectedBy: tenants.UserID(r.ConnectedBy), ConnectedAt: r.ConnectedAt, UpdatedAt: r.UpdatedAt, Version: r.Version,
	}
	return c, json.Unmarshal(r.Account, (*accountJSON)(&c.Account))
}

// accountJSON is how an account is kept.
type accountJSON social.Account

func (t channelTx) SaveChannel(ctx context.Context, c *channels.Channel) error {
	if err := c.Check(); err != nil {
		return err
	}
	account, err := json.Marshal(accountJSON(c.Account))
	if err != nil {
		return err
	}
	r := channelRow{
		ID: string(c.ID), Platform: c.Platform, Instance: c.Instance, Home: c.Home(), AccountID: c.Account.ID, Account: account, Name: c.Name,
		GrantID: string(c.Grant), Scopes: filled(c.Scopes), State: string(c.State), Reason: c.Reason, Remedy: c.Remedy,
		Paused: c.Paused, PausedBy: c.PausedBy, PausedOn: c.PausedOn,
		ConnectedBy: string(c.ConnectedBy), ConnectedAt: c.ConnectedAt, Version: c.Version + 1,
	}
	q := t.change(&r).ExcludeColumn("id", "updated_at").Set("updated_at = now()").
		Where("c.id = ? and c.version = ?", r.ID, c.Version).Returning("updated_at")
	if err := t.save(ctx, c.Version, &r, q); err != nil {
		return err
	}
	c.Version, c.UpdatedAt = r.Version, r.UpdatedAt
	return nil
}

// save inserts row, or updates it if it was there at a version.
func (t channelTx) save(ctx context.Context, version int, row any, update *bun.UpdateQuery) error {
	var res sql.Result
	var err error
	if version == 0 {
		res, err = t.NewInsert().Model(row).Returning("*").Exec(ctx)
	} else {
		res, err = update.Exec(ctx)
	}
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return channels.Stale().Because(err)
	}
	return nil
}

// filled is a list that is never null.
func filled(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
