package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// eventsChannel is notified with a tenant's name when that tenant may have news.
const eventsChannel = "carillon_events"

// Events is the events.Store in this database.
func (db *DB) Events() events.Store { return eventStore{db} }

type eventStore struct{ db *DB }

func (s eventStore) View(ctx context.Context, tenant tenants.ID, fn func(events.Tx) error) error {
	return s.db.view(ctx, tenant, func(_ context.Context, tx tx) error { return fn(eventTx{tx}) })
}

func (s eventStore) Update(ctx context.Context, tenant tenants.ID, fn func(events.Tx) error) error {
	return s.db.update(ctx, tenant, func(_ context.Context, tx tx) error { return fn(eventTx{tx}) })
}

type eventTx struct{ tx }

// emit records that eventType happened to subject, a thing's name, in this
// transaction's tenant. data marshals to a small JSON object without secrets,
// or is nil. Streams and webhooks hear of it when the transaction commits.
func (tx tx) emit(ctx context.Context, eventType, subject string, data any) error {
	_, err := tx.record(ctx, events.Draft{Type: events.Type(eventType), Subject: subject, Data: data})
	return err
}

const recordSQL = `
	with recorded as (
		insert into events (id, n, type, subject, data, request_id, idempotency_key)
		select $2::text, coalesce(max(e.n), 0) + 1, $3::text, $4::text, $5::text::jsonb, $6::text, $7::text
		  from events e where {e} and e.xid = pg_current_xact_id()
		returning 1)
	select exists (select from webhook_endpoints w where {w} and w.state = 'enabled'
	                  and (w.types = '{}' or w.types && $8::text[])),
	       case when $9::bool then pg_notify($10::text, $1::text) is null end
	  from recorded`

// tellSQL writes so many events for who has counted those of the transaction,
// and knows what endpoints want. The tenant is the column's default, as
// everywhere; $1 is not its source.
func tellSQL(events int) string {
	rows, arg := make([]string, events), 1
	for i := range rows {
		next := func(kind string) string { arg++; return fmt.Sprintf("$%d::%s", arg, kind) }
		rows[i] = "(" + next("text") + ", " + next("text") + ", " + next("text") + ", " + next("text") + "::jsonb, " +
			next("text") + ", " + next("text") + ", " + next("bigint") + ")"
	}
	return "insert into events (id, type, subject, data, request_id, idempotency_key, n) select * from (values " +
		strings.Join(rows, ", ") + ") told where $1::text is not null"
}

const notifySQL = "select pg_notify($2::text, $1::text)"

// record writes the event, its notification unless that would be one too many
// (see hints), and, if an endpoint may want it, its fan-out.
func (tx tx) record(ctx context.Context, d events.Draft) (events.ID, error) {
	eid, args, err := tx.draft(ctx, d)
	if err != nil {
		return "", err
	}
	var wanted bool
	err = tx.row(ctx, recordSQL, append(args, tx.asks(d.Type)...)...).Scan(&wanted, nil)
	if err != nil || !wanted || d.Type == events.WebhookTest {
		return eid, err
	}
	return eid, tx.fanOut(ctx, eid)
}

// draft is d's name and the arguments that all statements begin with.
func (tx tx) draft(ctx context.Context, d events.Draft) (events.ID, []any, error) {
	data, err := d.Encode()
	eid, by := events.NewID(), events.RequestOf(ctx)
	return eid, []any{eid, d.Type, d.Subject, string(data), by.ID, by.IdempotencyKey}, err
}

// asks is what follows them in recordSQL.
func (tx tx) asks(t events.Type) []any {
	return []any{choosing(t), tx.db.hint(tx.tenant), eventsChannel}
}

func (tx tx) fanOut(ctx context.Context, eid events.ID) error {
	return tx.enqueue(ctx, tx.fanOutArgs(eid), nil)
}

func (tx tx) fanOutArgs(eid events.ID) jobs.WebhookFanOut {
	return jobs.WebhookFanOut{Tenant: string(tx.tenant), Event: string(eid)}
}

// choosing lists every filter that matches t.
func choosing(t events.Type) []string {
	all := []string{"*", string(t)}
	for i, c := range t {
		if c == '.' {
			all = append(all, string(t[:i+1])+"*")
		}
	}
	return all
}

func (tx eventTx) Emit(ctx context.Context, d events.Draft) (events.ID, error) {
	return tx.record(ctx, d)
}

// eventRow is a row of events. The numbers of its place come as text: bun has
// no 64-bit transaction ids.
type eventRow struct {
	bun.BaseModel `bun:"table:events,alias:e"`

	ID             string    `bun:"id"`
	XID            string    `bun:"xid"`
	N              int64     `bun:"n"`
	Type           string    `bun:"type"`
	Subject        string    `bun:"subject"`
	Data           string    `bun:"data"`
	RequestID      string    `bun:"request_id"`
	IdempotencyKey string    `bun:"idempotency_key"`
	At             time.Time `bun:"at"`
}

func (tx eventTx) events() *bun.SelectQuery {
	return tx.find((*eventRow)(nil)).ColumnExpr("e.id, e.xid::text as xid, e.n, e.type, e.subject, e.data::text as data, e.request_id, e.idempotency_key, e.at")
}

func (tx eventTx) Event(ctx context.Context, eid events.ID) (*events.Event, error) {
	var r eventRow
	err := tx.events().Where("e.id = ?", string(eid)).Scan(ctx, &r)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "event.not_found", "There is no such event.").Because(err)
	}
	if err != nil {
		return nil, err
	}
	e := r.event(tx.tenant)
	return &e, nil
}

func (r *eventRow) event(tenant tenants.ID) events.Event {
	return events.Event{
		ID: events.ID(r.ID), Place: r.place(), Tenant: tenant, Type: events.Type(r.Type), Subject: r.Subject, Data: []byte(r.Data),
		Request: events.Request{ID: r.RequestID, IdempotencyKey: r.IdempotencyKey}, At: r.At.UTC(),
	}
}

func (r *eventRow) place() events.Place {
	xid, _ := strconv.ParseUint(r.XID, 10, 64) // an xid8 is nothing else
	return events.Place{Cursor: events.Cursor(r.ID), Commit: xid, Nth: r.N, At: r.At.UTC()}
}

func (tx eventTx) Place(ctx context.Context, c events.Cursor) (events.Place, error) {
	if c == events.Start {
		return events.Place{Cursor: events.Start}, nil
	}
	e, err := tx.Event(ctx, events.ID(c))
	if err != nil {
		return events.Place{}, err
	}
	return e.Place, nil
}

// settled is the line below which nothing can appear any more; see 0003_events.sql.
const settled = "e.xid < pg_snapshot_xmin(pg_current_snapshot())"

func (tx eventTx) Head(ctx context.Context) (events.Place, error) {
	var r eventRow
	err := tx.events().Where(settled).OrderExpr("e.xid desc, e.n desc").Limit(1).Scan(ctx, &r)
	if errors.Is(err, sql.ErrNoRows) {
		return events.Place{Cursor: events.Start}, nil
	}
	return r.place(), err
}

func (tx eventTx) Events(ctx context.Context, from events.Place, types []events.Filter, limit int) (events.Page, error) {
	var rows []eventRow
	page := events.Page{Next: from.Cursor}
	q := tx.events().Where("(e.xid, e.n) > (?::xid8, ?)", strconv.FormatUint(from.Commit, 10), from.Nth).Where(settled)
	if len(types) > 0 {
		exact, prefixes := split(types)
		q = q.Where("(e.type = any(?::text[]) or exists (select from unnest(?::text[]) as p where starts_with(e.type, p)))",
			pgdialect.Array(exact), pgdialect.Array(prefixes))
	}
	if err := q.OrderExpr("e.xid, e.n").Limit(int64(limit)+1).Scan(ctx, &rows); err != nil {
		return page, err
	}
	if page.More = len(rows) > limit; page.More {
		rows = rows[:limit]
	}
	for i := range rows {
		page.Events = append(page.Events, rows[i].event(tx.tenant))
		page.Next = events.Cursor(rows[i].ID)
	}
	// The newest event tells; "is there any" would be planned as a full scan.
	err := tx.NewRaw("select coalesce((select not "+settled+" from events e where ? order by e.xid desc, e.n desc limit 1), false)",
		tx.ours("e")).Scan(ctx, &page.Unsettled)
	return page, err
}

// split divides filters into types by name and beginnings of types.
func split(types []events.Filter) (exact, prefixes []string) {
	for _, f := range types {
		if p, ok := strings.CutSuffix(string(f), "*"); ok {
			prefixes = append(prefixes, p)
		} else {
			exact = append(exact, string(f))
		}
	}
	return exact, prefixes
}

func (tx eventTx) FirstSince(ctx context.Context, t time.Time) (events.Place, error) {
	var r eventRow
	err := tx.events().Where("e.at >= ?", t).OrderExpr("e.xid, e.n").Limit(1).Scan(ctx, &r)
	if errors.Is(err, sql.ErrNoRows) {
		return tx.Head(ctx)
	}
	p := r.place()
	return events.Place{Commit: p.Commit, Nth: p.Nth - 1}, err
}
