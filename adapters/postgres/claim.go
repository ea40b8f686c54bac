package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// A lane is where a walk over what is due stands; one over what is parked has
// no minutes.
type lane struct {
	minute          pgtype.Timestamp
	tenant, channel string
}

var (
	// firstLane is before all others.
	firstLane = lane{minute: pgtype.Timestamp{InfinityModifier: pgtype.NegativeInfinity, Valid: true}}
	// newLanes is where this minute and the last one begin.
	newLanes = lane{minute: pgtype.Timestamp{InfinityModifier: pgtype.Infinity, Valid: true}}
)

// A walk goes around, a look at a time.
type walk struct {
	at    lane
	whole bool // it began at the first
	over  bool // it has visited every lane
}

func (w *walk) went(to lane, end bool) {
	if w.at = to; end {
		w.at, w.whole, w.over = firstLane, true, w.whole || w.over
	}
}

// lanes remembers where the last claim of this process stopped. With more
// channels due than one look visits, the next goes on from there, so that each
// has its turn.
type lanes struct {
	mu              sync.Mutex
	waiting, parked lane
}

func (l *lanes) load() (waiting, parked walk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.waiting.minute.Valid {
		l.waiting, l.parked = firstLane, firstLane
	}
	return walk{at: l.waiting, whole: l.waiting == firstLane}, walk{at: l.parked, whole: l.parked == firstLane}
}

func (l *lanes) store(waiting, parked walk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting, l.parked = waiting.at, parked.at
}

const (
	wide      = 256 // lanes that each walk visits in a look, at least
	maxLooks  = 8   // of one Claim; what lies beyond has its turn with the next
	maxClears = 24  // besides, of those that find nothing but closed lanes to park
	parkMost  = 512 // segments, in a look
)

func (q queue) Claim(ctx context.Context, holder string, n int, lease time.Duration) (all []publishing.Claim, err error) {
	if n <= 0 { // whether the queue answers; nothing moves
		_, err := q.look(ctx, walk{at: firstLane}, walk{at: firstLane}, holder, 0, lease)
		return nil, asFault(err)
	}
	waiting, parked := q.db.lanes.load()
	defer func() { q.db.lanes.store(waiting, parked) }()
	cleared := false
	for looks, clears := 0, 0; looks < maxLooks; looks++ {
		l, err := q.look(ctx, waiting, parked, holder, n-len(all), lease)
		if isElsewhere(err) { // what may be handed out is not known before that
			_, err := q.db.CheckIdentity(ctx)
			return all, asFault(err)
		}
		if err != nil && len(all) == 0 {
			return nil, asFault(err)
		} else if err != nil {
			break // what is taken is taken
		}
		all = append(all, l.claims...)
		if len(all) < n && l.full && len(l.claims) > 0 { // there is more in the same lanes
			continue
		}
		waiting.went(l.waiting, l.waitingEnd)
		parked.went(l.parked, l.parkedEnd)
		cleared = cleared || l.cleared > 0
		switch {
		case len(all) >= n, waiting.over && parked.over && !cleared:
			return all, nil
		case waiting.over && parked.over: // what has just been parked may be to be missed
			parked, cleared = walk{at: firstLane, whole: true}, false
		case looks == 0 && clears == 0 && !l.waitingEnd: // what has just come due waits for nothing that lies before it
			news, err := q.look(ctx, walk{at: newLanes}, walk{at: firstLane, over: true}, holder, n-len(all), lease)
			all = append(all, news.claims...)
			switch {
			case err != nil && len(all) == 0:
				return nil, asFault(err)
			case err != nil || len(all) >= n:
				return all, nil
			}
		}
		if len(all) == 0 && l.cleared > wide/2 && clears < maxClears {
			looks, clears = looks-1, clears+1
		}
	}
	return all, nil
}

// A look is what one step of both walks found.
type look struct {
	claims                []publishing.Claim
	waiting, parked       lane // visited last
	waitingEnd, parkedEnd bool // nothing comes after it
	full                  bool // a lane may have more than was looked at
	cleared               int  // segments that were parked
}

// keepPlan, in front of a statement, keeps its plan from being made anew each
// time. Of a claim, and of a question whether something is paused, planning
// costs several times what running does.
const keepPlan = "select set_config('plan_cache_mode', 'force_generic_plan', true)"

func (q queue) look(ctx context.Context, waiting, parked walk, holder string, n int, lease time.Duration) (l look, err error) {
	hops := func(w walk) int {
		if w.over || n == 0 {
			return 0
		}
		return max(wide, 4*n)
	}
	without := []string{}
	if q.without != nil {
		without = append(without, q.without()...)
	}
	b := new(pgx.Batch)
	b.Queue(keepPlan)
	b.Queue("select same_database()")
	b.Queue("/* "+string(pathClaim)+" */ "+claimSQL, n, lease, holder, publishing.DefaultSettings.MissedAfter.Seconds(),
		waiting.at.minute, waiting.at.tenant, waiting.at.channel, hops(waiting),
		parked.at.tenant, parked.at.channel, hops(parked), parkMost, without).Query(func(rows pgx.Rows) error {
		return l.read(rows, hops(waiting), hops(parked))
	})
	return l, q.db.claims.SendBatch(ctx, b).Close()
}

// isElsewhere reports whether same_database stopped the statement.
func isElsewhere(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "CA001"
}

func (l *look) read(rows pgx.Rows, waitingHops, parkedHops int) error {
	l.parked = firstLane
	for rows.Next() {
		var waited, past int
		var generation *int64
		var due, waiting *time.Time
		var c struct{ tenant, post, delivery, segment *string }
		if err := rows.Scan(&l.waiting.minute, &l.waiting.tenant, &l.waiting.channel, &waited,
			&l.parked.tenant, &l.parked.channel, &past, &l.full, &l.cleared,
			&c.tenant, &c.post, &c.delivery, &c.segment, &generation, &due, &waiting); err != nil {
			return err
		}
		l.waitingEnd, l.parkedEnd = waited < max(waitingHops, 1), past < max(parkedHops, 1)
		if c.segment != nil {
			l.claims = append(l.claims, publishing.Claim{
				Tenant: tenants.ID(*c.tenant), Post: publishing.PostID(*c.post), Delivery: publishing.DeliveryID(*c.delivery),
				Segment: publishing.SegmentID(*c.segment), Generation: *generation, DueAt: *due, Waiting: *waiting,
			})
		}
	}
	return rows.Err()
}
