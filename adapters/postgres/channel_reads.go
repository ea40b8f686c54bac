package postgres

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/tenants"
)

// These are the reads in front of every call to a platform, prepared for the
// same reason as those of work.go. They lock nothing.

const channelSQL = `
	select c.id, c.platform, c.instance, c.account_id, c.account, c.name, c.grant_id, c.scopes, c.state, c.reason, c.remedy,
	       c.paused, c.paused_by, c.paused_on, c.connected_by, c.connected_at, c.updated_at, c.version,
	       g.expires_at, g.refreshed_at, coalesce(g.failures, 0), coalesce(g.problem, '')
	  from channels c left join channel_grants g on g.tenant_id = c.tenant_id and g.id = c.grant_id
	 where {c} and c.id = $2`

func (t channelTx) peekChannel(ctx context.Context, id channels.ID) (*channels.Channel, error) {
	ch, err := readChannel(t.row(ctx, channelSQL, id))
	return ch, missing(err, "channel.not_found", "There is no such channel.")
}

func readChannel(row pgx.Row) (*channels.Channel, error) {
	var r channelRow
	err := row.Scan(&r.ID, &r.Platform, &r.Instance, &r.AccountID, &r.Account, &r.Name,
		(*zeronull.Text)(&r.GrantID), &r.Scopes, &r.State, &r.Reason, &r.Remedy,
		&r.Paused, &r.PausedBy, &r.PausedOn, &r.ConnectedBy, maybe(&r.ConnectedAt), maybe(&r.UpdatedAt), &r.Version,
		maybe(&r.ExpiresAt), maybe(&r.RefreshedAt), &r.Failures, &r.Problem)
	if err != nil {
		return nil, err
	}
	inUTC(&r.ConnectedAt, &r.UpdatedAt, &r.ExpiresAt, &r.RefreshedAt)
	return r.channel()
}

const grantSQL = `
	select g.id, g.platform, g.instance, g.app_tenant, g.sealed, g.generation, g.scopes, g.expires_at, g.refresh_at,
	       g.refreshed_at, g.failures, g.problem, g.leased_until
	  from channel_grants g where {g} and g.id = $2`

func (t channelTx) peekGrant(ctx context.Context, id channels.GrantID) (*channels.Grant, error) {
	g, err := readGrant(t.row(ctx, grantSQL, id))
	return g, missing(err, "grant.not_found", "There is no such sign-in.")
}

func readGrant(row pgx.Row) (*channels.Grant, error) {
	var r grantRow
	err := row.Scan(&r.ID, &r.Platform, &r.Instance, &r.App, &r.Sealed, &r.Generation, &r.Scopes,
		maybe(&r.ExpiresAt), maybe(&r.RefreshAt), maybe(&r.RefreshedAt), &r.Failures, &r.Problem, maybe(&r.LeasedUntil))
	if err != nil {
		return nil, err
	}
	inUTC(&r.ExpiresAt, &r.RefreshAt, &r.RefreshedAt, &r.LeasedUntil)
	return r.grant(), nil
}

const parkedSQL = `
	select q.name, q.scope, q.subject, extract(epoch from q.parked_until - clock_timestamp())::double precision
	  from channel_quotas q
	 where {q} and q.platform = $2 and q.parked_until > clock_timestamp()
	   and (q.name, q.scope, q.subject) in (select * from unnest($3::text[], $4::text[], $5::text[]))
	 order by q.parked_until desc limit 1`

// peekParked returns the longest closure among the tenant's own allowances.
func (tx tx) peekParked(ctx context.Context, platform string, names, scopes, subjects []string) (*channels.Refusal, error) {
	var r parkRow
	err := tx.row(ctx, parkedSQL, platform, names, scopes, subjects).Scan(&r.Name, &r.Scope, &r.Subject, &r.Seconds)
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r.refusal(), nil
}

const (
	lentGrantSQL = `
	select g.id, g.platform, g.instance, g.app_tenant, g.sealed, g.generation, g.scopes, g.expires_at, g.refresh_at,
	       g.refreshed_at, g.failures, g.problem, g.leased_until
	  from channel_grants g where {g} and g.id = (select c.grant_id from channels c where {c} and c.id = $2)`
	closedSQL = `
	select q.name, q.scope, q.subject, extract(epoch from q.parked_until - clock_timestamp())::double precision
	  from channel_quotas q
	 where {q} and q.platform = (select c.platform from channels c where {c} and c.id = $2) and q.parked_until > clock_timestamp()
	 order by q.parked_until desc`
)

func (s channelStore) Look(ctx context.Context, t tenants.ID, id channels.ID) (ch *channels.Channel, g *channels.Grant, closed []channels.Refusal, err error) {
	err = s.db.glance(ctx, t, func(tx tx, b *pgx.Batch) {
		tx.queue(b, channelSQL, id).QueryRow(func(row pgx.Row) (err error) {
			ch, err = readChannel(row)
			return err
		})
		tx.queue(b, lentGrantSQL, id).QueryRow(func(row pgx.Row) (err error) {
			if g, err = readGrant(row); errors.Is(err, pgx.ErrNoRows) {
				err = nil
			}
			return err
		})
		tx.queue(b, closedSQL, id).Query(func(rows pgx.Rows) error {
			var r parkRow
			_, err := pgx.ForEachRow(rows, []any{&r.Name, &r.Scope, &r.Subject, &r.Seconds}, func() error {
				closed = append(closed, *r.refusal())
				return nil
			})
			return err
		})
	})
	return ch, g, closed, missing(err, "channel.not_found", "There is no such channel.")
}
