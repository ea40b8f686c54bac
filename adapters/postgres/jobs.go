package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// JobNames is the jobs.Store in this database.
func (db *DB) JobNames() jobs.Store { return jobNames{db} }

type jobNames struct{ db *DB }

type jobRow struct {
	bun.BaseModel `bun:"table:jobs,alias:j"`

	ID        string    `bun:"job_id"`
	Type      string    `bun:"type"`
	Subject   string    `bun:"subject"`
	QueueID   int64     `bun:"queue_id"`
	CreatedAt time.Time `bun:"created_at,nullzero,default:now()"`
}

// queued is what the queue says of a job.
type queued struct {
	State       string     `bun:"state"`
	Canceled    bool       `bun:"canceled"` // by somebody, not by the work itself
	Attempt     int        `bun:"attempt"`
	FinalizedAt *time.Time `bun:"finalized_at"`
}

func (s jobNames) Job(ctx context.Context, tenant tenants.ID, id jobs.ID) (*jobs.Job, error) {
	var row jobRow
	var q []queued
	err := s.db.view(ctx, tenant, func(ctx context.Context, tx tx) (err error) {
		if row, err = tx.named(ctx, id); err != nil {
			return err
		}
		return tx.NewRaw(`select state::text, jsonb_exists(metadata, 'cancel_attempted_at') as canceled, attempt, finalized_at from river.river_job
			where id = ? and args ->> 'tenant' = ?`, row.QueueID, string(tenant)).Scan(ctx, &q)
	})
	if err != nil {
		return nil, err
	}
	if len(q) == 0 { // the queue has forgotten it: it finished long ago
		return nil, jobs.ErrNotFound()
	}
	status := statusOf(q[0].State)
	if status == jobs.Failed && q[0].Canceled {
		status = jobs.Canceled
	}
	return &jobs.Job{
		ID: id, Type: row.Type, Subject: row.Subject, Status: status, Tries: q[0].Attempt,
		CreatedAt: row.CreatedAt.UTC(), FinishedAt: moment(q[0].FinalizedAt).UTC(),
	}, nil
}

func (tx tx) named(ctx context.Context, id jobs.ID) (jobRow, error) {
	var rows []jobRow
	if err := tx.find(&rows).Where("job_id = ?", string(id)).Scan(ctx); err != nil {
		return jobRow{}, err
	}
	if len(rows) == 0 {
		return jobRow{}, jobs.ErrNotFound()
	}
	return rows[0], nil
}

// Cancel leaves the queue's policy to see to it that the job is this tenant's.
func (s jobNames) Cancel(ctx context.Context, tenant tenants.ID, id jobs.ID, e audit.Entry) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		row, err := tx.named(ctx, id)
		if err != nil {
			return err
		}
		_, err = tx.db.jobs.JobCancelTx(ctx, tx.pgx, row.QueueID)
		if errors.Is(err, river.ErrNotFound) {
			return jobs.ErrNotFound()
		}
		return errors.Join(err, tx.Record(ctx, e))
	})
}

// statusOf reads River's states.
func statusOf(state string) jobs.Status {
	switch state {
	case "running":
		return jobs.Running
	case "completed":
		return jobs.Succeeded
	case "cancelled", "discarded":
		return jobs.Failed
	}
	return jobs.Waiting
}

// name is enqueue with a name that can be asked for. Work that goes on as
// another job of the queue keeps its name.
func (tx tx) name(ctx context.Context, job jobs.ID, kind, subject string, args river.JobArgs, opts *river.InsertOpts) error {
	res, err := tx.db.jobs.InsertTx(ctx, tx.pgx, args, opts)
	if err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(&jobRow{ID: string(job), Type: kind, Subject: subject, QueueID: res.Job.ID}).
		On("conflict (tenant_id, job_id) do update").Set("queue_id = excluded.queue_id").Exec(ctx)
	return err
}
