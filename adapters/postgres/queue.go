package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// Queue is the publishing.Queue in this database: the dispatcher's way across
// tenants. Its role sees that a segment is due and whose it is, and no content.
func (db *DB) Queue() publishing.Queue { return queue{db: db} }

// QueueWithout is a Queue that leaves the platforms that without names, before
// each claim anew, to other processes: all of what is due on them, also what is
// in doubt.
func (db *DB) QueueWithout(without func() []string) publishing.Queue { return queue{db, without} }

type queue struct {
	db      *DB
	without func() []string // nil: nothing is left to others
}

// lane and kind are the keys of the dispatcher's index, segments_waiting;
// segments_parked has what claims found closed (migrations 0009 and 0014 say
// why). A statement orders by all of them even where some are fixed: row-level
// security keeps the planner from concluding that they are.
const (
	minute    = "date_trunc('minute', s.next_at at time zone 'UTC')"
	kind      = "case when s.state in ('sending', 'unknown') then 0 when s.state = 'scheduled' and s.position = 0 then 2 else 1 end"
	isWaiting = "s.next_at is not null and s.parked_for is distinct from s.next_at"
	inLane    = minute + " = p.minute and s.tenant_id = p.tenant_id and s.channel_id = p.channel_id and " + isWaiting
	byLane    = "order by " + minute + ", s.tenant_id, s.channel_id, " + kind + ", s.next_at"
	onShelf   = "s.parked_for = s.next_at and s.tenant_id = p.tenant_id and s.channel_id = p.channel_id"
	byAge     = "order by s.tenant_id, s.channel_id, s.position desc, s.due_at"
	isDue     = "s.next_at <= statement_timestamp()"
)

// claimSQL takes due segments, fairly, at a cost that depends on how many it
// takes and not on how many there are. It steps from lane to lane, a lane being
// what is due of one channel in one minute; of each it looks at its share of a
// few times what is asked for. Those are numbered: each channel's in the order
// they came due, each tenant's in the order of those numbers; the lowest
// numbers go first. So whoever has ten due waits for nobody's nine thousand.
//
// Where a channel is closed (paused, suspended, disconnected, not allowed), only
// a look at what is in doubt is taken, which sends nothing. The rest is parked,
// some of each lane, and is in nobody's way from then on. A second walk goes over
// what is parked, a step per channel: what has opened is due like anything
// else, without anybody having said so, and what nobody came for, for longer than its tenant
// lets it, is taken to be missed: that counts from when it was last due for something, begun or not. The row's due time moves
// to the end of the lease, so a holder that dies is found like anything else
// due; and, as at every change of it, the row is parked no more.
//
// The platforms in $13 are left to others: this process cannot serve them now.
//
// More is chosen than taken: what another process is taking at this moment is
// passed over. The statement's own time, unlike the clock's, lets it use the
// index. Each row says where the walks ended, also the only one if nothing is due.
const claimSQL = `
with recursive lanes as (
  select case when $5 = 'infinity'::timestamp then date_trunc('minute', statement_timestamp() at time zone 'UTC') - interval '1 minute' else $5 end as minute,
         $6::text collate "C" as tenant_id, $7::text collate "C" as channel_id, 0 as hop
  union all
  select n.*, l.hop + 1
    from lanes l
   cross join lateral (
     select ` + minute + `, s.tenant_id, s.channel_id
       from segments s
      where ` + isWaiting + ` and (` + minute + `, s.tenant_id, s.channel_id) > (l.minute, l.tenant_id, l.channel_id)
        and ` + minute + ` <= date_trunc('minute', statement_timestamp() at time zone 'UTC')
      order by ` + minute + `, s.tenant_id, s.channel_id
      limit 1) n
   where l.hop < $8),
shelves as (
  select $9::text collate "C" as tenant_id, $10::text collate "C" as channel_id, 0 as hop
  union all
  select n.*, l.hop + 1
    from shelves l
   cross join lateral (
     select s.tenant_id, s.channel_id
       from segments s
      where s.parked_for = s.next_at and (s.tenant_id, s.channel_id) > (l.tenant_id, l.channel_id)
      order by s.tenant_id, s.channel_id
      limit 1) n
   where l.hop < $11),
visited as materialized (select tenant_id, channel_id from lanes where hop > 0 union select tenant_id, channel_id from shelves where hop > 0),
houses as materialized (
  select h.tenant_id,
         make_interval(secs => (select coalesce(max(nullif(ps.missed_after_s, 0)), case when count(*) = 0 then $4::float8 end) from publishing_settings ps where ps.tenant_id = h.tenant_id)) as patience,
         not exists (select from tenants t join tenants up on up.tenant_id = any (t.ancestors)
                      where t.tenant_id = h.tenant_id and (up.paused or up.state = 'suspended')) as open
    from (select distinct tenant_id from visited) h),
shut as materialized (
  select k.tenant_id, k.platform
    from (select distinct c.tenant_id, c.platform from visited v join channels c on c.tenant_id = v.tenant_id and c.id = v.channel_id
           where c.platform = any (array(select id from platforms_restricted))) k
   cross join lateral platform_closures(k.tenant_id, k.platform)),
doors as materialized (
  select v.tenant_id, v.channel_id, statement_timestamp() - h.patience as missed,
         h.open and not exists (select from channels c where c.tenant_id = v.tenant_id and c.id = v.channel_id
                                   and (c.paused or c.state <> 'connected'
                                        or exists (select from platform_pauses pp where pp.platform = c.platform)
                                        or (c.tenant_id, c.platform) in (select tenant_id, platform from shut))) as open
    from visited v join houses h using (tenant_id)
   where cardinality($13::text[]) = 0
      or not exists (select from channels c where c.tenant_id = v.tenant_id and c.id = v.channel_id and c.platform = any ($13::text[]))),
places as materialized (
  select l.minute, d.* from lanes l join doors d using (tenant_id, channel_id) where l.hop > 0
  union all
  select null, d.* from shelves l join doors d using (tenant_id, channel_id) where l.hop > 0),
share as materialized (select ceil(4.0 * $1::int / greatest(count(*), 1))::int as n from places where open),
due as materialized (
  select p.minute, p.tenant_id, p.channel_id, r.*
    from places p
   cross join lateral (
     (select s.segment_id, s.next_at from segments s
       where p.minute is not null and p.open and ` + inLane + ` and ` + isDue + `
       ` + byLane + ` limit (select n from share))
     union all
     (select s.segment_id, s.next_at from segments s
       where p.minute is not null and not p.open and ` + inLane + ` and ` + kind + ` = 0 and ` + isDue + `
       ` + byLane + ` limit $1::int)
     union all
     (select s.segment_id, s.next_at from segments s
       where p.minute is null and p.open and ` + onShelf + ` and ` + isDue + `
       ` + byAge + ` limit (select n from share))
     union all
     (select s.segment_id, s.next_at from segments s
       where p.minute is null and not p.open and ` + onShelf + ` and s.position = 0 and s.due_at < p.missed and s.next_at < p.missed and ` + isDue + `
       ` + byAge + ` limit $1::int)) r),
fair as (
  select *, row_number() over (partition by tenant_id order by turn, next_at, segment_id) as place
    from (select *, row_number() over (partition by tenant_id, channel_id order by next_at, segment_id) as turn from due) t),
taken as (
  select mine.*
    from (select * from fair order by place, next_at) f
   cross join lateral (select s.tenant_id, s.segment_id, s.next_at as waiting
                         from segments s
                        where s.tenant_id = f.tenant_id and s.segment_id = f.segment_id and ` + isDue + `
                          for update skip locked) mine
   limit $1::int),
claimed as (
  update segments s
     set next_at = clock_timestamp() + $2, holder = $3, held_at = clock_timestamp(), generation = s.generation + 1
    from taken
   where s.tenant_id = taken.tenant_id and s.segment_id = taken.segment_id
  returning s.tenant_id, s.post_id, s.delivery_id, s.segment_id, s.generation, s.due_at, taken.waiting),
closed as (
  select m.*
    from places p
   cross join lateral (select s.tenant_id, s.segment_id
                         from segments s
                        where p.minute is not null and not p.open and ` + inLane + ` and ` + kind + ` > 0 and ` + isDue + `
                        ` + byLane + ` limit 16
                          for update skip locked) m
   limit $12),
parked as (
  update segments s set parked_for = s.next_at from closed
   where s.tenant_id = closed.tenant_id and s.segment_id = closed.segment_id
  returning 1)
select l.minute, l.tenant_id, l.channel_id, l.hop, h.tenant_id, h.channel_id, h.hop,
       exists (select from due group by minute, tenant_id, channel_id having count(*) >= (select n from share)),
       (select count(*) from parked),
       c.*
  from (select * from lanes order by hop desc limit 1) l
 cross join (select * from shelves order by hop desc limit 1) h
  left join claimed c on true`

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
            when c.state <> 'connected' then 'channel.' || c.state when c.paused then 'channel.paused'
            when pp.platform is not null then 'platform.paused' else platform_closed(c.tenant_id, c.platform) end
  from above a cross join unnest($2::text[]) as asked (id)
  left join channels c on c.tenant_id = $1 and c.id = asked.id
  left join platform_pauses pp on pp.platform = c.platform
 where a.suspended or a.paused or c.state <> 'connected' or c.paused or pp.platform is not null
    or c.platform = any (array(select id from platforms_restricted)) and platform_closed(c.tenant_id, c.platform) is not null`

func (q queue) Blocked(ctx context.Context, who tenants.ID, ch channels.ID) (string, error) {
	reasons, err := q.blocked(ctx, who, []channels.ID{ch})
	return reasons[ch], err
}

func (q queue) blocked(ctx context.Context, who tenants.ID, chs []channels.ID) (map[channels.ID]string, error) {
	out := map[channels.ID]string{}
	var id channels.ID
	var reason string
	b := new(pgx.Batch)
	b.Queue(keepPlan)
	b.Queue("/* "+string(pathBlocked)+" */ "+blockedSQL, who, chs).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&id, &reason}, func() error {
			out[id] = reason
			return nil
		})
		return err
	})
	return out, asFault(q.db.sys.pool.SendBatch(ctx, b).Close())
}
