package postgres

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Audit is the audit.Store in this database.
func (db *DB) Audit() audit.Store { return auditStore{db} }

type auditStore struct{ db *DB }

// entrySQL writes an entry into the book of the transaction's tenant, whose
// name is the column's default, as everywhere; $1 is not its source.
const entrySQL = `
	with said as (
		insert into audit_entries (id, actor, behind, action, subject, detail, request_id)
		values ($2::text, $3::text, $4::text, $5::text, $6::text, $7::text::jsonb, $8::text))
	insert into audit_waiting (id) select $2::text where $1::text is not null`

// entryInSQL writes one into another tenant's book, or the operator's.
const entryInSQL = `
	with book as (
		select tenant_id from tenants where tenant_id = nullif($1::text, '') or $1::text = '' and kind = 'operator'),
	said as (
		insert into audit_entries (tenant_id, id, actor, behind, action, subject, detail, request_id)
		select tenant_id, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text::jsonb, $8::text from book)
	insert into audit_waiting (tenant_id, id) select tenant_id, $2::text from book`

// Record implements audit.Recorder. The entry travels with the commit: it costs
// no trip of its own.
func (tx tx) Record(ctx context.Context, e audit.Entry) error {
	args, err := entryArgs(ctx, e)
	if err != nil {
		return err
	}
	tx.queue(tx.last, entrySQL, args...)
	return nil
}

// recordIn is Record in the book of another tenant, for a system path; without
// a name, of the operator. If there is none yet, nobody reads what is not kept.
func (tx tx) recordIn(ctx context.Context, tenant tenants.ID, e audit.Entry) error {
	args, err := entryArgs(ctx, e)
	if err != nil {
		return err
	}
	tx.last.Queue(entryInSQL, append([]any{string(tenant)}, args...)...)
	return nil
}

func entryArgs(ctx context.Context, e audit.Entry) ([]any, error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	detail := e.Detail
	if detail == nil {
		detail = map[string]string{}
	}
	raw, err := json.Marshal(detail)
	return []any{string(audit.NewID()), e.Actor, e.Behind, e.Action, e.Subject, string(raw), events.RequestOf(ctx).ID}, err
}

// entryRow is a row of audit_entries with its link, if it has one.
type entryRow struct {
	bun.BaseModel `bun:"table:audit_entries,alias:a"`

	TenantID  string            `bun:"tenant_id,scanonly"`
	ID        string            `bun:"id"`
	Actor     string            `bun:"actor"`
	Behind    string            `bun:"behind"`
	Action    string            `bun:"action"`
	Subject   string            `bun:"subject"`
	Detail    map[string]string `bun:"detail,type:jsonb"`
	RequestID string            `bun:"request_id"`
	At        time.Time         `bun:"at"`
	Seq       int64             `bun:"seq,scanonly"`
	Hash      []byte            `bun:"hash,scanonly"`
	There     bool              `bun:"there,scanonly"` // a link may outlive its entry
}

const entryColumns = "a.tenant_id, a.id, a.actor, a.behind, a.action, a.subject, a.detail, a.request_id, a.at"

func (r *entryRow) record() audit.Record {
	out := audit.Record{
		Entry: audit.Entry{Actor: r.Actor, Behind: r.Behind, Action: r.Action, Subject: r.Subject, Detail: r.Detail},
		ID:    audit.ID(r.ID), Tenant: tenants.ID(r.TenantID), At: r.At.UTC(), RequestID: r.RequestID, Seq: r.Seq,
	}
	copy(out.Hash[:], r.Hash)
	return out
}

// clocksApart is how far the clock that names entries may be from the one that
// dates them.
const clocksApart = 10 * time.Minute

func (s auditStore) Entries(ctx context.Context, tenant tenants.ID, q audit.Query) ([]audit.Record, error) {
	var rows []entryRow
	err := s.db.view(ctx, tenant, func(ctx context.Context, tx tx) error {
		sel := tx.find(&rows).ColumnExpr(entryColumns + ", coalesce(l.seq, 0) as seq, l.hash").
			Join("left join audit_links l on l.tenant_id = a.tenant_id and l.entry_id = a.id").
			OrderExpr("a.id desc").Limit(int64(q.Limit))
		return choosingEntries(sel, q).Scan(ctx)
	})
	out := make([]audit.Record, len(rows))
	for i := range rows {
		out[i] = rows[i].record()
	}
	return out, err
}

// choosingEntries adds q's conditions. Names of entries sort by time, so a
// window of time is one of names, give or take what clocks differ by.
func choosingEntries(sel *bun.SelectQuery, q audit.Query) *bun.SelectQuery {
	if q.Before != "" {
		sel = sel.Where("a.id < ?", string(q.Before))
	}
	if q.Actor != "" {
		sel = sel.Where("(a.actor = ?0 or a.behind = ?0)", q.Actor)
	}
	if prefix, some := strings.CutSuffix(q.Action, "*"); some {
		sel = sel.Where("starts_with(a.action, ?)", prefix)
	} else if q.Action != "" {
		sel = sel.Where("a.action = ?", q.Action)
	}
	if q.Subject != "" {
		sel = sel.Where("a.subject = ?", q.Subject)
	}
	if !q.Since.IsZero() {
		sel = sel.Where("a.at >= ?", q.Since).Where("a.id >= ?", id.Floor("aud", q.Since.Add(-clocksApart)))
	}
	if !q.Until.IsZero() {
		sel = sel.Where("a.at < ?", q.Until).Where("a.id < ?", id.Floor("aud", q.Until.Add(clocksApart)))
	}
	return sel
}
