package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/publishing"
)

// postDeliveryRow is a row of deliveries.
type postDeliveryRow struct {
	bun.BaseModel `bun:"table:deliveries,alias:d"`

	ID       string         `bun:"delivery_id,pk"`
	Post     string         `bun:"post_id"`
	Channel  string         `bun:"channel_id"`
	Format   string         `bun:"format"`
	Settings map[string]any `bun:"settings,type:jsonb"`
	Hash     string         `bun:"hash"`
	DueAt    time.Time      `bun:"due_at"`
}

var deliveriesSQL = "select " + segmentSelect + `
	  from deliveries d join segments s on s.tenant_id = d.tenant_id and s.post_id = d.post_id and s.delivery_id = d.delivery_id
	 where {d} and {s} and d.post_id = any ($2)
	 order by d.delivery_id, s.position`

func (tx postTx) Deliveries(ctx context.Context, posts ...publishing.PostID) (out []*publishing.Delivery, err error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	rows, err := tx.query(ctx, deliveriesSQL, posts)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var last *publishing.Delivery
	for rows.Next() {
		d := new(publishing.Delivery)
		s, err := readSegment(rows, d)
		if err != nil {
			return nil, err
		}
		if last == nil || last.ID != d.ID {
			last = d
			out = append(out, d)
		}
		last.Segments = append(last.Segments, s)
	}
	return out, rows.Err()
}

func (tx postTx) SaveDelivery(ctx context.Context, d *publishing.Delivery) error {
	if err := tx.flush(ctx); err != nil {
		return err
	}
	r := &postDeliveryRow{ID: string(d.ID), Post: string(d.Post), Channel: string(d.Channel), Format: d.Format,
		Settings: d.Settings, Hash: d.Hash, DueAt: d.DueAt}
	if _, err := tx.NewInsert().Model(r).On("conflict (tenant_id, delivery_id) do update").
		Set("format = excluded.format, settings = excluded.settings, hash = excluded.hash, due_at = excluded.due_at").Exec(ctx); err != nil {
		return err
	}
	keep := make([]string, len(d.Segments))
	for i, s := range d.Segments {
		keep[i] = string(s.ID)
	}
	if _, err := tx.NewRaw("delete from segments s where ? and s.post_id = ? and s.delivery_id = ? and s.segment_id not in (?)", tx.ours("s"), r.Post, r.ID, bun.List(keep)).Exec(ctx); err != nil {
		return err
	}
	b := new(pgx.Batch)
	for _, s := range d.Segments {
		tx.queue(b, addSegmentSQL, append(append([]any{s.ID}, segmentValues(d, s)...), d.ID, d.Post, d.Channel, traceOf(ctx))...)
	}
	return tx.pgx.SendBatch(ctx, b).Close()
}

func (tx postTx) DeleteDelivery(ctx context.Context, id publishing.DeliveryID) error {
	if err := tx.flush(ctx); err != nil {
		return err
	}
	_, err := tx.remove((*postDeliveryRow)(nil)).Where("delivery_id = ?", string(id)).Exec(ctx)
	return err
}
