package postgres

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
)

// This file is what every delivery passes several times on its way out. Its
// statements are prepared, once per connection, and go out in one batch where
// none needs the other's answer: planning them anew took the database longer
// than running them.

// deferred are statements whose answers nobody waits for.
type deferred struct {
	batch  pgx.Batch
	asked  bool        // the batch asks whether an endpoint may want an event
	wanted []events.ID // those that one may want
	// known: Work came first, so hooks is what the tenant's endpoints want, and
	// told is how many events this transaction has.
	known  bool
	hooks  []string
	told   int64
	tell   []any // the arguments of events that are not in the batch yet
	notify bool
}

func (tx postTx) defers(sql string, args ...any) error {
	tx.queue(&tx.later.batch, sql, args...)
	return nil
}

// flush sends what was deferred. Every method that reads, or that writes in
// another way, does so first.
func (tx postTx) flush(ctx context.Context) error {
	tx.telling()
	if tx.later.batch.Len() > 0 {
		b := tx.later.batch
		tx.later.batch, tx.later.asked = pgx.Batch{}, false
		if err := tx.pgx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
	}
	wanted := tx.later.wanted
	tx.later.wanted = nil
	for _, e := range wanted {
		if err := tx.fanOut(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// end leaves what was deferred to the commit, unless something depends on an
// answer.
func (tx postTx) end(ctx context.Context) error {
	if tx.later.asked {
		return tx.flush(ctx)
	}
	tx.telling()
	tx.last.QueuedQueries = append(tx.later.batch.QueuedQueries, tx.last.QueuedQueries...)
	return nil
}

func (tx postTx) Emit(ctx context.Context, event, subject string, data any) error {
	d := events.Draft{Type: events.Type(event), Subject: subject, Data: data}
	eid, args, err := tx.draft(ctx, d)
	if err != nil {
		return err
	}
	if tx.later.known {
		return tx.tell(ctx, eid, d.Type, args)
	}
	tx.later.asked = true
	tx.queue(&tx.later.batch, recordSQL, append(args, tx.asks(d.Type)...)...).QueryRow(func(row pgx.Row) error {
		var wanted bool
		if err := row.Scan(&wanted, nil); err != nil || !wanted {
			return err
		}
		tx.later.wanted = append(tx.later.wanted, eid)
		return nil
	})
	return nil
}

// tell is Emit with nothing to ask.
func (tx postTx) tell(ctx context.Context, eid events.ID, t events.Type, args []any) error {
	tx.later.told++
	tx.later.tell = append(append(tx.later.tell, args...), tx.later.told)
	tx.later.notify = tx.db.hint(tx.tenant) || tx.later.notify
	if !wantedBy(tx.later.hooks, t) {
		return nil
	}
	return tx.enqueueIn(ctx, &tx.later.batch, tx.fanOutArgs(eid))
}

// telling puts the events there are into one statement of the batch.
func (tx postTx) telling() {
	const each = 7 // arguments
	if n := len(tx.later.tell) / each; n > 0 {
		tx.queue(&tx.later.batch, tellSQL(n), tx.later.tell...)
		tx.later.tell = nil
	}
	if tx.later.notify {
		tx.queue(&tx.later.batch, notifySQL, eventsChannel)
		tx.later.notify = false
	}
}

// wantedBy reports whether one of hooks matches t: each is an endpoint's
// filters with blanks between them, and none is all.
func wantedBy(hooks []string, t events.Type) bool {
	if len(hooks) == 0 {
		return false
	}
	matching := choosing(t)
	return slices.ContainsFunc(hooks, func(filters string) bool {
		return filters == "" || slices.ContainsFunc(strings.Fields(filters), func(f string) bool { return slices.Contains(matching, f) })
	})
}

// A post is locked together with its segments: the dispatcher takes those
// without asking the post, and passes over what is locked. The order is that of
// the index by post; by name, the index of all the tenant's names would do, and
// be read from end to end.
const (
	lockPostSQL     = "select p.state from posts p where {p} and p.post_id = $2 for update"
	lockSegmentsSQL = "select s.delivery_id, s.state from segments s where {s} and s.post_id = $2 order by s.delivery_id, s.position for update"
)

// workSQL is what Peek reads, and workHooksSQL has what the tenant's endpoints
// want besides.
var (
	workSQL      = workWith("")
	workHooksSQL = workWith(", array(select array_to_string(w.types, ' ') from webhook_endpoints w where {w} and w.state = 'enabled')")
)

func workWith(more string) string {
	return "select " + segmentSelect + `, clock_timestamp(), ps.missed_after_s, s.trace` + more + `
	  from deliveries d
	  join segments s on s.tenant_id = d.tenant_id and s.post_id = d.post_id and s.delivery_id = d.delivery_id
	  left join publishing_settings ps on ps.tenant_id = d.tenant_id
	 where {d} and {s} and d.delivery_id = $2 and s.post_id = $3
	 order by s.position`
}

func (tx postTx) Work(ctx context.Context, c publishing.Claim) (*publishing.Work, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	first := tx.pgx.tx == nil
	b := new(pgx.Batch)
	w := newWork(c)
	tx.queue(b, lockPostSQL, c.Post).QueryRow(func(row pgx.Row) error { return row.Scan(&w.State) })
	tx.queue(b, lockSegmentsSQL, c.Post).Query(func(rows pgx.Rows) (err error) {
		w.Rest, err = readStates(rows, c.Delivery)
		return err
	})
	tx.queue(b, workHooksSQL, c.Delivery, c.Post).Query(func(rows pgx.Rows) error {
		return readWork(rows, w, func(publishing.SegmentID, string) {}, &tx.later.hooks)
	})
	err := tx.pgx.SendBatch(ctx, b).Close()
	tx.later.known = first && err == nil
	return whole(w, err)
}

// Peek is Work without its locks, in one round trip.
func (s posts) Peek(ctx context.Context, c publishing.Claim) (*publishing.Work, error) {
	w := newWork(c)
	return whole(w, s.db.glance(ctx, c.Tenant, func(tx tx, b *pgx.Batch) {
		tx.queue(b, workSQL, c.Delivery, c.Post).Query(func(rows pgx.Rows) error {
			return readWork(rows, w, func(s publishing.SegmentID, parent string) {
				if s == c.Segment {
					linkTo(ctx, parent)
				}
			})
		})
	}))
}

func newWork(c publishing.Claim) *publishing.Work {
	return &publishing.Work{Delivery: &publishing.Delivery{ID: c.Delivery}, Settings: publishing.DefaultSettings}
}

func whole(w *publishing.Work, err error) (*publishing.Work, error) {
	if err == nil && len(w.Delivery.Segments) == 0 {
		err = fault.New(fault.NotFound, "segment.not_found", "There is no such part.")
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

func readWork(rows pgx.Rows, w *publishing.Work, traced func(publishing.SegmentID, string), more ...any) error {
	d := w.Delivery
	for rows.Next() {
		var now time.Time
		var missed *int
		var parent string
		s, err := readSegment(rows, d, append([]any{&now, &missed, &parent}, more...)...)
		if err != nil {
			return err
		}
		if missed != nil {
			w.Settings.MissedAfter = time.Duration(*missed) * time.Second
		}
		traced(s.ID, parent)
		w.Now = now.UTC()
		d.Segments = append(d.Segments, s)
	}
	return rows.Err()
}

// maybe is a time that is zero where the column is null.
func maybe(t *time.Time) *zeronull.Timestamptz { return (*zeronull.Timestamptz)(t) }

// inUTC undoes the local zone that pgx gives to times.
func inUTC(times ...*time.Time) {
	for _, t := range times {
		if !t.IsZero() {
			*t = t.UTC()
		}
	}
}

func (tx postTx) SaveSegments(_ context.Context, d *publishing.Delivery, segments ...*publishing.Segment) error {
	for _, s := range segments {
		tx.queue(&tx.later.batch, saveSegmentSQL, append([]any{s.ID}, segmentValues(d, s)[ordered:]...)...)
	}
	return nil
}

// readStates sums up the deliveries but one, from the rows of lockSegmentsSQL.
func readStates(rows pgx.Rows, but publishing.DeliveryID) (out []publishing.State, err error) {
	var chain []publishing.State
	var last publishing.DeliveryID
	for rows.Next() {
		var d publishing.DeliveryID
		var s publishing.State
		if err := rows.Scan(&d, &s); err != nil {
			return nil, err
		}
		if d == but {
			continue
		}
		if d != last && len(chain) > 0 {
			out, chain = append(out, publishing.SumSegments(chain)), nil
		}
		last, chain = d, append(chain, s)
	}
	if len(chain) > 0 {
		out = append(out, publishing.SumSegments(chain))
	}
	return out, rows.Err()
}

func (tx postTx) SetState(_ context.Context, id publishing.PostID, s publishing.State) error {
	return tx.defers("update posts p set state = $3 where {p} and p.post_id = $2 and p.state <> $3", id, s)
}

func (tx postTx) CloseAttempt(_ context.Context, s publishing.SegmentID, o publishing.Outcome, p *publishing.Problem) error {
	return tx.defers(`update attempts a set outcome = $3, problem = $4, ended_at = clock_timestamp()
		where {a} and a.segment_id = $2 and a.ended_at is null`, s, o, p)
}

func (tx postTx) ResolveAttempts(_ context.Context, s publishing.SegmentID, o publishing.Outcome) error {
	return tx.defers("update attempts a set outcome = $3 where {a} and a.segment_id = $2 and a.outcome = $4", s, o, publishing.OutcomeLost)
}
