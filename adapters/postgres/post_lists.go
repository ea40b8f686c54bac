package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/carillonhq/carillon/core/publishing"
)

// Lists are read often and a calendar is long, so they are prepared, and
// scanned without reflection over rows.

const postsSQL = `
	select p.post_id, p.state, p.content, p.local_time, p.timezone, p.publish_at, p.created_by, p.version, p.created_at, p.updated_at
	  from posts p where {p}`

func (tx postTx) Posts(ctx context.Context, f publishing.Filter) ([]*publishing.Post, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	sql, args := postsQuery(postsSQL, f)
	rows, err := tx.query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (*publishing.Post, error) {
		p := new(publishing.Post)
		err := r.Scan(&p.ID, &p.State, &p.Content, &p.Schedule.Local, &p.Schedule.Zone, maybe(&p.Schedule.At),
			&p.CreatedBy, &p.Version, &p.CreatedAt, &p.UpdatedAt)
		inUTC(&p.Schedule.At, &p.CreatedAt, &p.UpdatedAt)
		return p, err
	})
}

// postsQuery writes a filter as a statement. There are as many statements as
// combinations of conditions, none of which holds a value.
func postsQuery(find string, f publishing.Filter) (sql string, args []any) {
	var b strings.Builder
	b.WriteString(find)
	add := func(condition string, arg any) {
		args = append(args, arg)
		fmt.Fprintf(&b, condition, len(args)+1) // $1 is the tenant
	}
	if !f.From.IsZero() {
		add(" and p.publish_at >= $%d", f.From)
	}
	if !f.To.IsZero() {
		add(" and p.publish_at < $%d", f.To)
	}
	if f.After != "" {
		add(map[bool]string{false: " and p.post_id < $%d", true: " and p.post_id > $%d"}[f.Reverse], f.After)
	}
	if len(f.States) > 0 {
		add(" and p.state = any ($%d)", f.States)
	}
	switch {
	case f.Channel == "":
	case slices.Equal(f.States, []publishing.State{publishing.Scheduled}): // there is an index of those
		add(" and p.post_id in (select s.post_id from segments s where {s} and s.channel_id = $%d and s.state = 'scheduled' and s.position = 0)", f.Channel)
	default:
		// A draft has no deliveries yet; its channels are in its content.
		add(" and jsonb_path_query_array(p.content, '$.variants[*].channel') ? $%d", f.Channel)
	}
	if f.AtRisk {
		b.WriteString(` and p.state = 'scheduled' and exists (select from post_findings f
			where f.tenant_id = p.tenant_id and f.post_id = p.post_id and f.post_version = p.version)`)
	}
	switch {
	case f.From.IsZero() && f.Reverse:
		b.WriteString(" order by p.post_id")
	case f.From.IsZero():
		b.WriteString(" order by p.post_id desc")
	case f.Reverse:
		b.WriteString(" order by p.publish_at desc, p.post_id desc")
	default:
		b.WriteString(" order by p.publish_at, p.post_id")
	}
	if f.Limit > 0 {
		add(" limit $%d", f.Limit)
	}
	return b.String(), args
}

// calendarSQL takes apart in the database what a calendar shows a part of.
const calendarSQL = `
	select p.post_id, p.state, p.publish_at, p.timezone,
	       coalesce(left(ltrim(p.content #>> '{parts,0,text}', E' \t\r\n'), 200), ''), coalesce(p.content #>> '{parts,0,media,0,media}', ''),
	       coalesce(jsonb_array_length(nullif(p.content -> 'parts', 'null')), 0), jsonb_path_query_array(p.content, '$.variants[*].channel')
	  from posts p where {p}`

func (tx postTx) Calendar(ctx context.Context, f publishing.Filter) ([]publishing.Entry, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	sql, args := postsQuery(calendarSQL, f)
	rows, err := tx.query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.AppendRows(make([]publishing.Entry, 0, 64), rows, func(r pgx.CollectableRow) (e publishing.Entry, err error) {
		err = r.Scan(&e.ID, &e.State, &e.At, &e.Zone, &e.Text, &e.Media, &e.Parts, &e.Channels)
		e.At, e.Text = e.At.UTC(), publishing.FirstLine(e.Text)
		return e, err
	})
}

const outlinesSQL = `
	select d.delivery_id, d.post_id, d.channel_id, d.format, d.due_at,
	       s.segment_id, s.position, s.comment, s.state, s.ref, s.live_at, s.problem, s.visibility, s.warnings
	  from deliveries d join segments s on s.tenant_id = d.tenant_id and s.post_id = d.post_id and s.delivery_id = d.delivery_id
	 where {d} and {s} and d.post_id = any ($2)
	 order by d.delivery_id, s.position`

func (tx postTx) Outlines(ctx context.Context, posts ...publishing.PostID) ([]*publishing.Delivery, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	b := new(pgx.Batch)
	b.Queue(keepPlan)
	tx.queue(b, outlinesSQL, posts)
	answers := tx.pgx.SendBatch(ctx, b)
	defer func() { _ = answers.Close() }()
	if _, err := answers.Exec(); err != nil {
		return nil, err
	}
	rows, err := answers.Query()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*publishing.Delivery
	var last *publishing.Delivery
	for rows.Next() {
		var d publishing.Delivery
		s := new(publishing.Segment)
		if err := rows.Scan(&d.ID, &d.Post, &d.Channel, (*zeronull.Text)(&d.Format), &d.DueAt,
			&s.ID, &s.Position, &s.Comment, &s.State, &s.Ref, maybe(&s.LiveAt), &s.Problem, &s.Hidden, &s.Warnings); err != nil {
			return nil, err
		}
		if last == nil || last.ID != d.ID {
			last = &d
			out = append(out, last)
		}
		inUTC(&last.DueAt, &s.LiveAt)
		last.Segments = append(last.Segments, s)
	}
	return out, rows.Err()
}
