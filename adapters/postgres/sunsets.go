package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/tenants"
)

const untoldSQL = `
	select distinct c.tenant_id from channels c
	 where c.platform = $1 and c.state <> 'disconnected'
	   and not exists (select from sunset_notices n
	     where n.tenant_id = c.tenant_id and n.platform = $1 and n.api_version = $2 and n.sunset = $3::date)
	 limit $4`

func (s channelStore) Untold(ctx context.Context, x channels.Sunset, limit int) (out []tenants.ID, err error) {
	err = s.db.system(ctx, pathSunset, func(ctx context.Context, tx tx) error {
		rows, err := tx.pgx.Query(ctx, untoldSQL, x.Platform, x.APIVersion, x.On, limit)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowTo[tenants.ID])
		return err
	})
	return out, err
}

const noteSunsetSQL = `
	insert into sunset_notices (platform, api_version, sunset) values ($1, $2, $3::date) on conflict do nothing`

func (t channelTx) NoteSunset(ctx context.Context, x channels.Sunset) (bool, error) {
	done, err := t.pgx.Exec(ctx, noteSunsetSQL, x.Platform, x.APIVersion, x.On)
	return done.RowsAffected() > 0, err
}
