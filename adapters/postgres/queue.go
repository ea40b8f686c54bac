package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

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

// lane and kind are the keys of the dispatcher's index, segments_lanes; its
// migration says why. A statement orders by all of them even where some are
// fixed: row-level security keeps the planner from concluding that they are.
const (
	minute = "date_trunc('minute', s.next_at at time zone 'UTC')"
	kind   = "case when s.state in ('sending', 'unknown') then 0 when s.state = 'scheduled' and s.position = 0 then 2 else 1 end"
	inLane = minute + " = p.minute and s.tenant_id = p.tenant_id and s.channel_id = p.channel_id and s.next_at is not null"
	byLane = "order by " + minute + ", s.tenant_id, s.channel_id, " + kind + ", s.next_at"
)

// claimSQL takes due segments, fairly, at a cost that depends on how many it
// takes and not on how many there are. It steps from lane to lane, a lane being
// what is due of one channel in one minute; of each it looks at its share of a
// few times what is asked for. Those are numbered: each channel's in the order
// they came due, each tenant's in the order of those numbers; the lowest
// numbers go first. So whoever has ten due waits for nobody's nine thousand.
//
// What is paused, suspended or disconnected is left out, except a look at what
// is in doubt, which sends nothing, and what has waited for longer than its
// tenant lets it, begun or not, which is then missed. The row's due time moves to the end of
// the lease, so a holder that dies is found like anything else due.
//
// The platforms in $9 are left to others: this process cannot serve them now.
//
// More is chosen than taken: what another process is taking at this moment is
// passed over. The statement's own time, unlike the clock's, lets it use the
// index. Each row says where the walk ended, also the only one if nothing is due.
const claimSQL = `
with recursive lanes as (
  select $5::timestamp as minute, $6::text collate "C" as tenant_id, $7::text collate "C" as channel_id, 0 as hop
  union all
  select n.*, l.hop + 1
    from lanes l
   cross join lateral (
     select ` + minute + `, s.tenant_id, s.channel_id
       from segments s
      where s.next_at is not null and (` + minute + `, s.tenant_id, s.channel_id) > (l.minute, l.tenant_id, l.channel_id)
        and ` + minute + ` <= date_trunc('minute', statement_timestamp() at time zone 'UTC')
      order by ` + minute + `, s.tenant_id, s.channel_id
      limit 1) n
   where l.hop < $8),
houses as materialized (
  select h.tenant_id,
         make_interval(secs => (select coalesce(max(nullif(ps.missed_after_s, 0)), case when count(*) = 0 then $4::float8 end) from publishing_settings ps where ps.tenant_id = h.tenant_id)) as patience,
         not exists (select from tenants t join tenants up on up.tenant_id = any (t.ancestors)
                      where t.tenant_id = h.tenant_id and (up.paused or up.state = 'suspended')) as open
    from (select distinct tenant_id from lanes where hop > 0) h),
places as materialized (
  select l.minute, l.tenant_id, l.channel_id, statement_timestamp() - h.patience as missed,
         h.open and not exists (select from channels c where c.tenant_id = l.tenant_id and c.id = l.channel_id
                                   and (c.paused or c.state <> 'connected'
                                        or exists (select from platform_pauses pp where pp.platform = c.platform)
                                        or c.platform = any (array(select id from platforms_restricted)) and platform_closed(c.tenant_id, c.platform) is not null)) as open
    from lanes l join houses h using (tenant_id)
   where l.hop > 0
     and (cardinality($9::text[]) = 0
          or not exists (select from channels c where c.tenant_id = l.tenant_id and c.id = l.channel_id and c.platform = any ($9::text[])))),
share as materialized (select ceil(4.0 * $1::int / greatest(count(*), 1))::int as n from places where open),
due as materialized (
  select p.minute, p.tenant_id, p.channel_id, r.*
    from places p
   cross join lateral (
     (select s.segment_id, s.next_at from segments s
       where p.open and ` + inLane + ` and s.next_at <= statement_timestamp()
       ` + byLane + ` limit (select n from share))
     union all
     (select s.segment_id, s.next_at from segments s
       where not p.open and ` + inLane + ` and ` + kind + ` = 0 and s.next_at <= statement_timestamp()
       ` + byLane + ` limit $1::int)
     union all
     (select s.segment_id, s.next_at from segments s
       where not p.open and ` + inLane + ` and ` + kind + ` > 0 and s.position = 0 and s.due_at < p.missed and s.next_at <= statement_timestamp()
       ` + byLane + ` limit $1::int)) r),
fair as (
  select *, row_number() over (partition by tenant_id order by turn, next_at, segment_id) as place
    from (select *, row_number() over (partition by tenant_id, channel_id order by next_at, segment_id) as turn from due) t),
taken as (
  select mine.*
    from (select * from fair order by place, next_at) f
   cross join lateral (select s.tenant_id, s.segment_id
                         from segments s
                        where s.tenant_id = f.tenant_id and s.segment_id = f.segment_id and s.next_at <= statement_timestamp()
                          for update skip locked) mine
   limit $1::int),
claimed as (
  update segments s
     set next_at = clock_timestamp() + $2, holder = $3, held_at = clock_timestamp(), generation = s.generation + 1
    from taken
   where s.tenant_id = taken.tenant_id and s.segment_id = taken.segment_id
  returning s.tenant_id, s.post_id, s.delivery_id, s.segment_id, s.generation, s.due_at)
select l.minute, l.tenant_id, l.channel_id, l.hop,
       exists (select from due group by minute, tenant_id, channel_id having count(*) >= (select n from share)),
       c.*
  from (select * from lanes order by hop desc limit 1) l left join claimed c on true`

// A lane is where a walk over what is due stands.
type lane struct {
	minute          pgtype.Timestamp
	tenant, channel string
}

// firstLane is before all others.
var firstLane = lane{minute: pgtype.Timestamp{InfinityModifier: pgtype.NegativeInfinity, Valid: true}}

// lanes remembers where the last claim of this process stopped. With more
// channels due than one look visits, the next goes on from there, so that each
// has its turn.
type lanes struct {
	mu   sync.Mutex
	next lane
}

func (l *lanes) load() lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.next.minute.Valid {
		return firstLane
	}
	return l.next
}

func (l *lanes) store(next lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = next
}

// maxLooks bounds one Claim: at some thousands of channels with nothing to
// take, such as paused ones, the rest waits for the next.
const maxLooks = 8

func (q queue) Claim(ctx context.Context, holder string, n int, lease time.Duration) (all []publishing.Claim, err error) {
	at := q.db.lanes.load()
	around := at == firstLane // every lane will have been visited at the next end
	for range maxLooks {
		l, err := q.look(ctx, at, holder, n-len(all), lease)
		if err != nil {
			if len(all) == 0 {
				return nil, asFault(err)
			}
			break // what is taken is taken
		}
		all = append(all, l.claims...)
		switch {
		case len(all) < n && l.full && len(l.claims) > 0: // there is more in the same lanes
			continue
		case !l.end:
			at = l.last
		case around || len(all) >= n:
			q.db.lanes.store(firstLane)
			return all, nil
		default:
			at, around = firstLane, true
		}
		if len(all) >= n {
			break
		}
	}
	q.db.lanes.store(at)
	return all, nil
}

// A look is what one walk found.
type look struct {
	claims []publishing.Claim
	last   lane // visited
	end    bool // nothing due comes after it
	full   bool // a lane may have more than was looked at
}

// keepPlan, in front of a statement, keeps its plan from being made anew each
// time. Of a claim, and of a question whether something is paused, planning
// costs several times what running does.
const keepPlan = "select set_config('plan_cache_mode', 'force_generic_plan', true)"

func (q queue) look(ctx context.Context, from lane, holder string, n int, lease time.Duration) (l look, err error) {
	hops := max(256, 4*n)
	without := []string{}
	if q.without != nil {
		without = append(without, q.without()...)
	}
	b := new(pgx.Batch)
	b.Queue(keepPlan)
	b.Queue("/* "+string(pathClaim)+" */ "+claimSQL, n, lease, holder, publishing.DefaultSettings.MissedAfter.Seconds(),
		from.minute, from.tenant, from.channel, hops, without).Query(func(rows pgx.Rows) error { return l.read(rows, hops) })
	return l, q.db.sys.pool.SendBatch(ctx, b).Close()
}

func (l *look) read(rows pgx.Rows, hops int) error {
	for rows.Next() {
		var hop int
		var generation *int64
		var due *time.Time
		var c struct{ tenant, post, delivery, segment *string }
		if err := rows.Scan(&l.last.minute, &l.last.tenant, &l.last.channel, &hop, &l.full,
			&c.tenant, &c.post, &c.delivery, &c.segment, &generation, &due); err != nil {
			return err
		}
		l.end = hop < hops
		if c.segment != nil {
			l.claims = append(l.claims, publishing.Claim{
				Tenant: tenants.ID(*c.tenant), Post: publishing.PostID(*c.post), Delivery: publishing.DeliveryID(*c.delivery),
				Segment: publishing.SegmentID(*c.segment), Generation: *generation, DueAt: *due,
			})
		}
	}
	return rows.Err()
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
