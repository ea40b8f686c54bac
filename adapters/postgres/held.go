package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
)

// toldAbove is what whoever paused a platform or a tenant said about it, which
// those below do not see by themselves. It is asked apart from blockedSQL, which
// runs before each send.
const toldAbove = `
select asked.id, coalesce(case asked.why
         when 'platform.paused' then (select pp.reason from platform_pauses pp where pp.platform = c.platform)
         when 'tenant.paused' then t.paused_reason
         when 'tenant.paused_above' then (select up.paused_reason from tenants up
            where up.tenant_id = any (t.ancestors) and up.paused order by cardinality(up.ancestors) limit 1) end, '')
  from unnest($2::text[], $3::text[]) as asked (id, why) join tenants t on t.tenant_id = $1
  left join channels c on c.tenant_id = $1 and c.id = asked.id`

// toldHere is what people said who paused channels of their own.
const toldHere = "select id, paused_on from channels where tenant_id = $1 and id = any ($2::text[])"

// told adds to the reasons of blocked what people are told.
func (tx postTx) told(ctx context.Context, reasons map[channels.ID]string) (map[channels.ID]publishing.Block, error) {
	out := make(map[channels.ID]publishing.Block, len(reasons))
	var here, above []channels.ID
	var why []string
	for ch, reason := range reasons {
		out[ch] = publishing.Block{Reason: reason}
		switch reason {
		case "channel.paused":
			here = append(here, ch)
		case "platform.paused", "tenant.paused", "tenant.paused_above":
			above, why = append(above, ch), append(why, reason)
		}
	}
	var id channels.ID
	var told string
	collect := func(rows pgx.Rows, err error) error {
		if err == nil {
			_, err = pgx.ForEachRow(rows, []any{&id, &told}, func() error {
				out[id] = publishing.Block{Reason: out[id].Reason, Told: told}
				return nil
			})
		}
		return asFault(err)
	}
	if len(here) > 0 {
		if err := collect(tx.pgx.Query(ctx, toldHere, tx.tenant, here)); err != nil {
			return nil, err
		}
	}
	if len(above) == 0 {
		return out, nil
	}
	return out, collect(tx.db.sys.pool.Query(ctx, "/* "+string(pathBlocked)+" */ "+toldAbove, tx.tenant, above, why))
}
