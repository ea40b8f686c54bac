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
// look at what is in doubt, which sends nothing, and what has waited for longer
// than its tenant lets it, which is then missed. The row's due time moves to
// the end of the lease, so a holder that dies is found like anything else due.
//
// It looks at everything that is due, so it is asked for many at a time, and
// whether a channel may send is found out once per channel. It chooses more
// than it takes: what another process is taking at this moment is passed over.
// The statement's own time, unlike the clock's, lets it use the index.
const claimSQL = `
with due as materialized (
  select s.tenant_id, s.channel_id, s.segment_id, s.next_at, s.state in ('sending', 'unknown') as doubt,
         case when s.state = 'scheduled' and s.position = 0 then s.due_at end as unstarted
    from segments s
   where s.next_at <= statement_timestamp()),
places as materialized (
  select p.tenant_id, p.channel_id,
         make_interval(secs => (select coalesce(max(nullif(ps.missed_after_s, 0)), case when count(*) = 0 then $4::float8 end) from publishing_settings ps where ps.tenant_id = p.tenant_id)) as patience,
         not exists (select from channels c where c.tenant_id = p.tenant_id and c.id = p.channel_id
                        and (c.paused or c.state <> 'connected'
                             or exists (select from platform_pauses pp where pp.platform = c.platform)))
         and not exists (select from tenants t join tenants up on up.tenant_id = any (t.ancestors)
                          where t.tenant_id = p.tenant_id and (up.paused or up.state = 'suspended')) as open
    from (select distinct tenant_id, channel_id from due) p),
turns as (
  select due.*, row_number() over (partition by tenant_id, channel_id order by next_at, segment_id) as turn
    from due join places using (tenant_id, channel_id)
   where open or doubt or unstarted < statement_timestamp() - patience),
fair as (
  select *
    from (select *, row_number() over (partition by tenant_id order by turn, next_at, segment_id) as place
            from turns where turn <= 4 * $1::int) t
   where place <= 4 * $1::int
   order by place, next_at
   limit 4 * $1::int),
taken as (
  select mine.*
    from (select * from fair order by place, next_at) f
   cross join lateral (select s.tenant_id, s.segment_id
                         from segments s
                        where s.tenant_id = f.tenant_id and s.segment_id = f.segment_id and s.next_at <= statement_timestamp()
                          for update skip locked) mine
   limit $1::int)
update segments s
   set next_at = clock_timestamp() + $2, holder = $3, held_at = clock_timestamp(), generation = s.generation + 1
  from taken
 where s.tenant_id = taken.tenant_id and s.segment_id = taken.segment_id
returning s.tenant_id, s.post_id, s.delivery_id, s.segment_id, s.generation, s.due_at`

func (q queue) Claim(ctx context.Context, holder string, n int, lease time.Duration) ([]publishing.Claim, error) {
	rows, err := q.db.sys.pool.Query(ctx, "/* "+string(pathClaim)+" */ "+claimSQL, n, lease, holder,
		publishing.DefaultSettings.MissedAfter.Seconds())
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
