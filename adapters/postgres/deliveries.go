package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/social"
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

func (r *postDeliveryRow) delivery() *publishing.Delivery {
	return &publishing.Delivery{
		ID: publishing.DeliveryID(r.ID), Post: publishing.PostID(r.Post), Channel: channels.ID(r.Channel),
		Format: r.Format, Settings: r.Settings, Hash: r.Hash, DueAt: r.DueAt,
	}
}

// segmentRow is a row of segments.
type segmentRow struct {
	bun.BaseModel `bun:"table:segments,alias:s"`

	ID         string              `bun:"segment_id,pk"`
	Delivery   string              `bun:"delivery_id"`
	Post       string              `bun:"post_id"`
	Channel    string              `bun:"channel_id"`
	DueAt      time.Time           `bun:"due_at"`
	Position   int                 `bun:"position"`
	Comment    bool                `bun:"comment"`
	Part       json.RawMessage     `bun:"part,type:jsonb"`
	Revision   int                 `bun:"revision"`
	State      string              `bun:"state"`
	NextAt     time.Time           `bun:"next_at,nullzero"`
	Holder     string              `bun:"holder"`
	Generation int64               `bun:"generation"`
	Step       []byte              `bun:"step,type:bytea"`
	Label      string              `bun:"label"`
	Attempt    int                 `bun:"attempt"`
	Tries      int                 `bun:"tries"`
	DoubtAt    time.Time           `bun:"doubt_at,nullzero"`
	ReplyTo    *social.Ref         `bun:"reply_to,type:jsonb"`
	Root       *social.Ref         `bun:"root,type:jsonb"`
	Ref        *social.Ref         `bun:"ref,type:jsonb"`
	LiveAt     time.Time           `bun:"live_at,nullzero"`
	Problem    *publishing.Problem `bun:"problem,type:jsonb"`
	Evidence   string              `bun:"evidence"`
	ArmedHash  string              `bun:"armed_hash"`
	CalledAt   time.Time           `bun:"called_at,nullzero"`
	Verify     bool                `bun:"verify"`
	Canceling  bool                `bun:"canceling"`
}

func (r *segmentRow) segment() (*publishing.Segment, error) {
	s := &publishing.Segment{
		ID: publishing.SegmentID(r.ID), Position: r.Position, Comment: r.Comment, Revision: r.Revision,
		State: publishing.State(r.State), NextAt: r.NextAt, Holder: r.Holder, Generation: r.Generation,
		Step: r.Step, Label: r.Label, Attempt: r.Attempt, Tries: r.Tries, DoubtAt: r.DoubtAt,
		ReplyTo: r.ReplyTo, Root: r.Root, Ref: r.Ref, LiveAt: r.LiveAt, Problem: r.Problem,
		Evidence: publishing.Evidence(r.Evidence), ArmedHash: r.ArmedHash,
		CalledAt: r.CalledAt, Verify: r.Verify, Canceling: r.Canceling,
	}
	return s, json.Unmarshal(r.Part, &s.Part)
}

func rowOfSegment(d *publishing.Delivery, s *publishing.Segment) (segmentRow, error) {
	part, err := json.Marshal(s.Part)
	return segmentRow{
		ID: string(s.ID), Delivery: string(d.ID), Post: string(d.Post), Channel: string(d.Channel), DueAt: d.DueAt,
		Position: s.Position, Comment: s.Comment, Part: part, Revision: s.Revision, State: string(s.State),
		NextAt: s.NextAt, Holder: s.Holder, Generation: s.Generation, Step: s.Step, Label: s.Label,
		Attempt: s.Attempt, Tries: s.Tries, DoubtAt: s.DoubtAt, ReplyTo: s.ReplyTo, Root: s.Root, Ref: s.Ref,
		LiveAt: s.LiveAt, Problem: s.Problem, Evidence: string(s.Evidence), ArmedHash: s.ArmedHash,
		CalledAt: s.CalledAt, Verify: s.Verify, Canceling: s.Canceling,
	}, err
}

func (tx postTx) Deliveries(ctx context.Context, posts ...publishing.PostID) ([]*publishing.Delivery, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	var ds []postDeliveryRow
	if err := tx.find(&ds).Where("d.post_id in (?)", bun.List(posts)).Order("d.delivery_id").Scan(ctx); err != nil || len(ds) == 0 {
		return nil, err
	}
	var ss []segmentRow
	if err := tx.find(&ss).Where("s.post_id in (?)", bun.List(posts)).Order("s.delivery_id", "s.position").Scan(ctx); err != nil {
		return nil, err
	}
	return assemble(ds, ss)
}

func assemble(ds []postDeliveryRow, ss []segmentRow) ([]*publishing.Delivery, error) {
	out := make([]*publishing.Delivery, len(ds))
	byID := make(map[string]*publishing.Delivery, len(ds))
	for i := range ds {
		out[i] = ds[i].delivery()
		byID[ds[i].ID] = out[i]
	}
	for i := range ss {
		s, err := ss[i].segment()
		if err != nil {
			return nil, err
		}
		d := byID[ss[i].Delivery]
		d.Segments = append(d.Segments, s)
	}
	return out, nil
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
	if _, err := tx.remove((*segmentRow)(nil)).Where("delivery_id = ? and segment_id not in (?)", r.ID, bun.List(keep)).Exec(ctx); err != nil {
		return err
	}
	return tx.saveSegments(ctx, d, d.Segments)
}

const segmentColumns = `due_at = excluded.due_at, position = excluded.position, comment = excluded.comment, part = excluded.part,
	revision = excluded.revision, state = excluded.state, next_at = excluded.next_at, holder = excluded.holder,
	held_at = case when excluded.holder = '' then null else s.held_at end,
	generation = excluded.generation, step = excluded.step, label = excluded.label, attempt = excluded.attempt,
	tries = excluded.tries, doubt_at = excluded.doubt_at, reply_to = excluded.reply_to, root = excluded.root,
	ref = excluded.ref, live_at = excluded.live_at, problem = excluded.problem, evidence = excluded.evidence,
	armed_hash = excluded.armed_hash, called_at = excluded.called_at, verify = excluded.verify, canceling = excluded.canceling`

func (tx postTx) saveSegments(ctx context.Context, d *publishing.Delivery, segments []*publishing.Segment) error {
	rows := make([]segmentRow, len(segments))
	for i, s := range segments {
		var err error
		if rows[i], err = rowOfSegment(d, s); err != nil {
			return err
		}
	}
	_, err := tx.NewInsert().Model(&rows).On("conflict (tenant_id, segment_id) do update").Set(segmentColumns).Exec(ctx)
	return err
}

func (tx postTx) DeleteDelivery(ctx context.Context, id publishing.DeliveryID) error {
	if err := tx.flush(ctx); err != nil {
		return err
	}
	_, err := tx.remove((*postDeliveryRow)(nil)).Where("delivery_id = ?", string(id)).Exec(ctx)
	return err
}
