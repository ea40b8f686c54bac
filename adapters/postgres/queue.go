package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// Queue is the publishing.Queue in this database: the dispatcher's way across
// tenants. Its role sees that a segment is due and whose it is, and no content.
func (db *DB) Queue() publishing.Queue { return queue{db} }

type queue struct{ db *DB }

// claimSQL takes due segments, fairly. Each channel's segments are numbered in
// the order they came due, each tenant's in the order of those numbers, and
// the lowest numbers go first: whoever has ten due waits for nobody's nine
// thousand. What is paused, suspended or disconnected is left out, except a
// look at what is in doubt, which sends nothing. The row's due time moves to
// the end of the lease, so a holder that dies is found like anything else due.
const claimSQL = `
with due as (
  select s.tenant_id, s.segment_id, s.next_at,
         row_number() over (partition by s.tenant_id, s.channel_id order by s.next_at, s.segment_id) as turn
    from segments s
   where s.next_at <= clock_timestamp()
     and (s.state in ('sending', 'unknown')
          or not exists (select from channels c where c.tenant_id = s.tenant_id and c.id = s.channel_id
                            and (c.paused or c.state <> 'connected'
                                 or exists (select from platform_pauses pp where pp.platform = c.platform))))
     and (s.state in ('sending', 'unknown')
          or not exists (select from tenants t join tenants up on up.tenant_id = any (t.ancestors)
                          where t.tenant_id = s.tenant_id and (up.paused or up.state = 'suspended')))),
fair as (
  select tenant_id, segment_id
    from (select *, row_number() over (partition by tenant_id order by turn, next_at, segment_id) as place from due) d
   order by place, next_at
   limit $1),
taken as (
  select s.tenant_id, s.segment_id
    from segments s join fair using (tenant_id, segment_id)
   where s.next_at <= clock_timestamp()
     for update of s skip locked)
update segments s
   set next_at = clock_timestamp() + $2, holder = $3, held_at = clock_timestamp(), generation = s.generation + 1
  from taken
 where s.tenant_id = taken.tenant_id and s.segment_id = taken.segment_id
returning s.tenant_id, s.post_id, s.delivery_id, s.segment_id, s.generation, s.due_at`

func (q queue) Claim(ctx context.Context, holder string, n int, lease time.Duration) ([]publishing.Claim, error) {
	rows, err := q.db.sys.pool.Query(ctx, "/* "+string(pathClaim)+" */ "+claimSQL, n, lease, holder)
	if err != nil {
		return nil, asFault(err)
	}
	out, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (c publishing.Claim, err error) {
		err = r.Scan(&c.Tenant, &c.Post, &c.Delivery, &c.Segment, &c.Generation, &c.DueAt)
		return c, err
	})
	return out, asFault(err)
}

// blockedSQL names what keeps channels of one tenant from sending; the widest
// reason first, because it is the one to end before the others matter.
const blockedSQL = `
with above as (
  select bool_or(up.state = 'suspended') as suspended, bool_or(up.paused) as paused,
         bool_or(up.paused and up.tenant_id = t.tenant_id) as here
    from tenants t join tenants up on up.tenant_id = any (t.ancestors)
   where t.tenant_id = $1)
select asked.id,
       case when a.suspended then 'tenant.suspended' when a.here then 'tenant.paused' when a.paused then 'tenant.paused_above'
            when c.state <> 'connected' then 'channel.' || c.state when c.paused then 'channel.paused' else 'platform.paused' end
  from above a cross join unnest($2::text[]) as asked (id)
  left join channels c on c.tenant_id = $1 and c.id = asked.id
  left join platform_pauses pp on pp.platform = c.platform
 where a.suspended or a.paused or c.state <> 'connected' or c.paused or pp.platform is not null`

func (q queue) Blocked(ctx context.Context, who tenants.ID, ch channels.ID) (string, error) {
	reasons, err := q.blocked(ctx, who, []channels.ID{ch})
	return reasons[ch], err
}

func (q queue) blocked(ctx context.Context, who tenants.ID, chs []channels.ID) (map[channels.ID]string, error) {
	rows, err := q.db.sys.pool.Query(ctx, "/* "+string(pathBlocked)+" */ "+blockedSQL, who, chs)
	if err != nil {
		return nil, asFault(err)
	}
	out := map[channels.ID]string{}
	var id channels.ID
	var reason string
	_, err = pgx.ForEachRow(rows, []any{&id, &reason}, func() error {
		out[id] = reason
		return nil
	})
	return out, asFault(err)
}
