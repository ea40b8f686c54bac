package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
)

// This file has the one list of a segment's columns. A segment is read in one
// way and saved in two, and all three go by it: segmentColumns, segmentValues
// and segmentTargets name the same things in the same order.

var segmentColumns = []string{
	"due_at", "position", "comment", "part", // what was ordered; the first is its delivery's
	"holder", "revision", "state", "next_at", "generation", "step", "label", "attempt", "tries",
	"doubt_at", "reply_to", "root", "ref", "live_at", "problem", "evidence", "visibility", "warnings",
	"armed_hash", "called_at", "ordered_at", "verify", "canceling",
}

func segmentValues(d *publishing.Delivery, s *publishing.Segment) []any {
	return []any{
		d.DueAt, s.Position, s.Comment, s.Part,
		s.Holder, s.Revision, s.State, zeronull.Timestamptz(s.NextAt), s.Generation, s.Step, s.Label, s.Attempt, s.Tries,
		zeronull.Timestamptz(s.DoubtAt), s.ReplyTo, s.Root, s.Ref, zeronull.Timestamptz(s.LiveAt), s.Problem, s.Evidence, s.Hidden, s.Warnings,
		s.ArmedHash, zeronull.Timestamptz(s.CalledAt), zeronull.Timestamptz(s.OrderedAt), s.Verify, s.Canceling,
	}
}

func segmentTargets(d *publishing.Delivery, s *publishing.Segment) []any {
	return []any{
		&d.DueAt, &s.Position, &s.Comment, &s.Part,
		&s.Holder, &s.Revision, &s.State, maybe(&s.NextAt), &s.Generation, &s.Step, &s.Label, &s.Attempt, &s.Tries,
		maybe(&s.DoubtAt), &s.ReplyTo, &s.Root, &s.Ref, maybe(&s.LiveAt), &s.Problem, &s.Evidence, &s.Hidden, &s.Warnings,
		&s.ArmedHash, maybe(&s.CalledAt), maybe(&s.OrderedAt), &s.Verify, &s.Canceling,
	}
}

// ordered is how many of segmentColumns only a delivery's own save writes.
const ordered = 4

// $1 is the tenant and $2 the segment; what a step changes begins with $3, its holder.
var (
	saveSegmentSQL = "update segments s set held_at = case when $3 = '' then null else s.held_at end, " +
		columns(segmentColumns[ordered:], func(i int, c string) string { return fmt.Sprintf("%s = $%d", c, i+3) }) +
		" where {s} and s.segment_id = $2"

	// The tenant is the column's default, as everywhere; $1 is not its source.
	addSegmentSQL = "insert into segments as s (segment_id, " + strings.Join(segmentColumns, ", ") + ", delivery_id, post_id, channel_id, trace) " +
		"select $2::text, " + eachColumn(func(i int, _ string) string { return fmt.Sprintf("$%d", i+3) }) +
		fmt.Sprintf(", $%d, $%d, $%d, $%d where $1::text is not null", len(segmentColumns)+3, len(segmentColumns)+4, len(segmentColumns)+5, len(segmentColumns)+6) +
		" on conflict (tenant_id, segment_id) do update set held_at = case when excluded.holder = '' then null else s.held_at end, " +
		"trace = case when excluded.trace = '' then s.trace else excluded.trace end, " +
		eachColumn(func(_ int, c string) string { return c + " = excluded." + c })

	// segmentSelect is what readSegment scans.
	segmentSelect = "d.delivery_id, d.post_id, d.channel_id, d.format, d.settings, d.hash, s.segment_id, " +
		eachColumn(func(_ int, c string) string { return "s." + c })
)

func eachColumn(write func(i int, column string) string) string {
	return columns(segmentColumns, write)
}

func columns(of []string, write func(i int, column string) string) string {
	out := make([]string, len(of))
	for i, c := range of {
		out[i] = write(i, c)
	}
	return strings.Join(out, ", ")
}

// readSegment scans a row of segmentSelect and what follows it.
func readSegment(row pgx.Rows, d *publishing.Delivery, more ...any) (*publishing.Segment, error) {
	s := new(publishing.Segment)
	into := append([]any{&d.ID, &d.Post, &d.Channel, &d.Format, &d.Settings, &d.Hash, &s.ID}, segmentTargets(d, s)...)
	if err := row.Scan(append(into, more...)...); err != nil {
		return nil, err
	}
	inUTC(&d.DueAt, &s.NextAt, &s.DoubtAt, &s.LiveAt, &s.CalledAt, &s.OrderedAt)
	return s, nil
}

const refsSQL = `select s.ref->>'id' from segments s
	 where {s} and s.channel_id = $2 and s.ref->>'id' <> '' and s.live_at >= $3 order by s.live_at desc limit 1000`

func (tx postTx) Refs(ctx context.Context, ch channels.ID, since time.Time) ([]string, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	rows, err := tx.query(ctx, refsSQL, ch, since)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (tx postTx) DropAttempt(_ context.Context, s publishing.SegmentID) error {
	return tx.defers("delete from attempts a where {a} and a.segment_id = $2 and a.ended_at is null", s)
}
