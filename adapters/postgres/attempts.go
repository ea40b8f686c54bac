package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/publishing"
)

// attemptRow is a row of attempts.
type attemptRow struct {
	bun.BaseModel `bun:"table:attempts,alias:a"`

	Segment     string              `bun:"segment_id,pk"`
	N           int                 `bun:"n,pk"`
	Key         string              `bun:"key"`
	RequestHash string              `bun:"request_hash"`
	Replay      bool                `bun:"replay"`
	Holder      string              `bun:"holder"`
	ArmedAt     time.Time           `bun:"armed_at"`
	EndedAt     time.Time           `bun:"ended_at,nullzero"`
	Outcome     string              `bun:"outcome"`
	Problem     *publishing.Problem `bun:"problem,type:jsonb"`
}

func (r *attemptRow) attempt() publishing.Attempt {
	return publishing.Attempt{
		Segment: publishing.SegmentID(r.Segment), N: r.N, Key: r.Key, RequestHash: r.RequestHash, Replay: r.Replay,
		Holder: r.Holder, ArmedAt: r.ArmedAt, EndedAt: r.EndedAt, Outcome: publishing.Outcome(r.Outcome), Problem: r.Problem,
	}
}

func (tx postTx) Attempts(ctx context.Context, post publishing.PostID) ([]publishing.Attempt, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	var rows []attemptRow
	err := tx.find(&rows).Join("join segments s on s.tenant_id = a.tenant_id and s.segment_id = a.segment_id").
		Where("s.post_id = ?", string(post)).Order("a.segment_id", "a.n").Scan(ctx)
	out := make([]publishing.Attempt, len(rows))
	for i := range rows {
		out[i] = rows[i].attempt()
	}
	return out, err
}

// metricsRow is a row of post_metrics.
type metricsRow struct {
	bun.BaseModel `bun:"table:post_metrics,alias:m"`

	Segment string             `bun:"segment_id,pk"`
	At      time.Time          `bun:"at,pk"`
	Counts  map[string]float64 `bun:"counts,type:jsonb"`
}

func (tx postTx) SaveMetrics(ctx context.Context, all []publishing.Measured) error {
	if err := tx.flush(ctx); err != nil {
		return err
	}
	rows := make([]metricsRow, len(all))
	for i, m := range all {
		rows[i] = metricsRow{Segment: string(m.Segment), At: m.At, Counts: m.Values}
	}
	_, err := tx.NewInsert().Model(&rows).On("conflict (tenant_id, segment_id, at) do update").Set("counts = excluded.counts").Exec(ctx)
	return err
}

func (tx postTx) Metrics(ctx context.Context, post publishing.PostID) ([]publishing.Measured, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	var rows []metricsRow
	err := tx.find(&rows).Join("join segments s on s.tenant_id = m.tenant_id and s.segment_id = m.segment_id").
		Where("s.post_id = ?", string(post)).Order("m.segment_id", "m.at").Scan(ctx)
	out := make([]publishing.Measured, len(rows))
	for i, r := range rows {
		out[i] = publishing.Measured{Segment: publishing.SegmentID(r.Segment), At: r.At, Values: r.Counts}
	}
	return out, err
}
