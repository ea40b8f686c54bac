package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// grantRow is a row of channel_grants.
type grantRow struct {
	bun.BaseModel `bun:"table:channel_grants,alias:g"`

	ID          string    `bun:"id"`
	Platform    string    `bun:"platform"`
	Instance    string    `bun:"instance"`
	App         string    `bun:"app_tenant"`
	Sealed      []byte    `bun:"sealed"`
	Generation  int64     `bun:"generation"`
	Scopes      []string  `bun:"scopes,array"`
	ExpiresAt   time.Time `bun:"expires_at,nullzero"`
	RefreshAt   time.Time `bun:"refresh_at,nullzero"`
	RefreshedAt time.Time `bun:"refreshed_at,nullzero"`
	Failures    int       `bun:"failures"`
	Problem     string    `bun:"problem"`
	LeasedUntil time.Time `bun:"leased_until,nullzero"`
}

func rowOfGrant(g *channels.Grant) grantRow {
	return grantRow{
		ID: string(g.ID), Platform: g.Platform, Instance: g.Instance, App: string(g.App), Sealed: g.Sealed, Generation: g.Generation,
		Scopes: filled(g.Scopes), ExpiresAt: g.ExpiresAt, RefreshAt: g.RefreshAt, RefreshedAt: g.RefreshedAt,
		Failures: g.Failures, Problem: g.Problem,
	}
}

func (r *grantRow) grant() *channels.Grant {
	return &channels.Grant{
		ID: channels.GrantID(r.ID), Platform: r.Platform, Instance: r.Instance, App: tenants.ID(r.App), Sealed: r.Sealed,
		Generation: r.Generation, Scopes: r.Scopes, ExpiresAt: r.ExpiresAt, RefreshAt: r.RefreshAt, RefreshedAt: r.RefreshedAt,
		Failures: r.Failures, Problem: r.Problem, LeasedUntil: r.LeasedUntil,
	}
}

func (t channelTx) Grant(ctx context.Context, id channels.GrantID) (*channels.Grant, error) {
	if !t.locks {
		return t.peekGrant(ctx, id)
	}
	var r grantRow
	if err := t.locked(t.find(&r).Where("g.id = ?", string(id))).Scan(ctx); err != nil {
		return nil, missing(err, "grant.not_found", "There is no such sign-in.")
	}
	return r.grant(), nil
}

func (t channelTx) AddGrant(ctx context.Context, g *channels.Grant) error {
	if len(g.Sealed) == 0 {
		return noSecret()
	}
	r := rowOfGrant(g)
	r.Generation = 1
	_, err := t.NewInsert().Model(&r).Exec(ctx)
	return err
}

// noSecret refuses to overwrite a secret with nothing.
func noSecret() error {
	return fault.New(fault.Internal, "channel.no_secret", "Something went wrong on our side.")
}

func (t channelTx) DropGrants(ctx context.Context) error {
	_, err := t.remove((*grantRow)(nil)).
		Where("not exists (select from channels c where c.tenant_id = g.tenant_id and c.grant_id = g.id)").Exec(ctx)
	return err
}

// Lease is one statement: whoever changes the row has the lease. The database's
// clock says when one has run out.
func (t channelTx) Lease(ctx context.Context, id channels.GrantID, generation int64, ttl time.Duration) (fence int64, ok bool, err error) {
	err = t.NewRaw(`with leased as (
			update channel_grants g set fence = g.fence + 1, leased_until = clock_timestamp() + ? * interval '1 microsecond'
			 where ? and g.id = ? and g.generation = ? and (g.leased_until is null or g.leased_until <= clock_timestamp())
			returning g.id, g.fence, g.generation)
		insert into channel_renewals (grant_id, fence, generation) select id, fence, generation from leased returning fence`,
		ttl.Microseconds(), t.ours("g"), string(id), generation).Scan(ctx, &fence)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return fence, err == nil, err
}

func (t channelTx) Renew(ctx context.Context, g *channels.Grant, fence int64) (bool, error) {
	if len(g.Sealed) == 0 {
		return false, noSecret()
	}
	r := rowOfGrant(g)
	res, err := t.change(&r).
		Column("sealed", "generation", "scopes", "expires_at", "refresh_at", "refreshed_at", "failures", "problem", "leased_until").
		Where("g.id = ? and g.fence = ? and g.generation = ?", r.ID, fence, r.Generation-1).Exec(ctx)
	return t.close(ctx, res, err, r.ID, fence, "renewed")
}

func (t channelTx) Postpone(ctx context.Context, g *channels.Grant, fence int64, again time.Time, problem string) (bool, error) {
	res, err := t.change((*grantRow)(nil)).
		Set("leased_until = null, refresh_at = ?, failures = g.failures + 1, problem = ?", bun.NullTime{Time: again}, problem).
		Where("g.id = ? and g.fence = ? and g.generation = ?", string(g.ID), fence, g.Generation).Exec(ctx)
	return t.close(ctx, res, err, string(g.ID), fence, problem)
}

// close ends the journal's line if the lease was still good.
func (t channelTx) close(ctx context.Context, res sql.Result, err error, id string, fence int64, outcome string) (bool, error) {
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	_, err = t.NewRaw("update channel_renewals r set ended_at = clock_timestamp(), outcome = ? where ? and r.grant_id = ? and r.fence = ?",
		outcome, t.ours("r"), id, fence).Exec(ctx)
	return err == nil, err
}

// renewalRow is a row of channel_renewals.
type renewalRow struct {
	bun.BaseModel `bun:"table:channel_renewals,alias:r"`

	Fence      int64     `bun:"fence"`
	Generation int64     `bun:"generation"`
	StartedAt  time.Time `bun:"started_at"`
	EndedAt    time.Time `bun:"ended_at,nullzero"`
	Outcome    string    `bun:"outcome"`
}

func (t channelTx) Renewals(ctx context.Context, id channels.GrantID) ([]channels.Renewal, error) {
	var rows []renewalRow
	if err := t.find(&rows).Where("r.grant_id = ?", string(id)).OrderExpr("r.fence desc").Limit(100).Scan(ctx); err != nil {
		return nil, err
	}
	out := make([]channels.Renewal, 0, len(rows))
	for _, r := range rows {
		out = append(out, channels.Renewal{
			Fence: r.Fence, Generation: r.Generation, StartedAt: r.StartedAt, EndedAt: r.EndedAt, Outcome: r.Outcome,
		})
	}
	return out, nil
}
