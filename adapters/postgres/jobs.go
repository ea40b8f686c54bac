package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/uptrace/bun"

	work "github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/ports/fault"
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
		was, err := tx.db.jobs.JobGetTx(ctx, tx.pgx, row.QueueID)
		if errors.Is(err, river.ErrNotFound) {
			return jobs.ErrNotFound()
		}
		if err != nil {
			return err
		}
		now, err := tx.db.jobs.JobCancelTx(ctx, tx.pgx, row.QueueID)
		if errors.Is(err, river.ErrNotFound) {
			return jobs.ErrNotFound()
		}
		if err := errors.Join(err, tx.Record(ctx, e)); err != nil {
			return err
		}
		if was.FinalizedAt != nil || now.FinalizedAt == nil {
			return nil
		}
		return tx.ended(ctx, id, row, jobs.Canceled)
	})
}

// ended tells of it.
func (tx tx) ended(ctx context.Context, id jobs.ID, row jobRow, as jobs.Status) error {
	return tx.emit(ctx, jobs.EventUpdated, string(id), jobs.Told{Type: row.Type, Subject: row.Subject, Status: as})
}

// riverStates are River's words for how a job ended.
var riverStates = map[jobs.Status]string{jobs.Succeeded: "completed", jobs.Failed: "discarded", jobs.Canceled: "cancelled"}

// EndJob implements the queue's Ender: what River would write of the job after
// its work, with the event, in one transaction. River then finds that it is
// over, and leaves it alone.
func (db *DB) EndJob(ctx context.Context, e work.Ending) error {
	return db.update(ctx, e.Tenant, func(ctx context.Context, tx tx) error {
		row, err := tx.named(ctx, e.Job)
		if fault.Is(err, fault.NotFound) || err == nil && row.QueueID != e.Queue.ID {
			return nil // it goes on under this name, or nobody knows the name any more
		}
		if err != nil {
			return err
		}
		res, err := tx.NewRaw(`update river.river_job set state = ?::river.river_job_state, finalized_at = now(),
			errors = case when ? = '' then errors else array_append(errors, ?::jsonb) end where id = ? and state = 'running'`,
			riverStates[e.Status], message(e.Err), attemptError(e), row.QueueID).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return tx.ended(ctx, e.Job, row, e.Status)
	})
}

// errDied is what is known of a try that nobody ended.
var errDied = errors.New("the process died in the middle of it")

// EndStuck implements the queue's Stuck. A job that somebody asked to end, and
// whose process died, ends as canceled. An export is not stuck, however long it
// takes: who follows a worker that died, and when it is given up, its lease says.
func (db *DB) EndStuck(ctx context.Context, after time.Duration) error {
	var all []work.Ending
	err := db.system(ctx, pathStuck, func(ctx context.Context, tx tx) error {
		rows, err := tx.pgx.Query(ctx, `select id, args ->> 'tenant', metadata ->> 'carillon_job', attempt, jsonb_exists(metadata, 'cancel_attempted_at')
			from river.river_job where state = 'running' and attempted_at < now() - $1::interval and jsonb_exists(metadata, 'carillon_job')
			 and (attempt >= max_attempts or jsonb_exists(metadata, 'cancel_attempted_at')) and kind <> $2 order by id limit 1000`, after, work.ExportTenant{}.Kind())
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, stuck)
		return err
	})
	for _, e := range all {
		err = errors.Join(err, db.EndJob(ctx, e))
	}
	return err
}

func stuck(row pgx.CollectableRow) (work.Ending, error) {
	e, canceled := work.Ending{Queue: new(rivertype.JobRow), Status: jobs.Failed, Err: errDied}, false
	err := row.Scan(&e.Queue.ID, &e.Tenant, &e.Job, &e.Queue.Attempt, &canceled)
	if canceled {
		e.Status = jobs.Canceled
	}
	return e, err
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// attemptError is an entry of a job's errors, as River writes them.
func attemptError(e work.Ending) string {
	raw, _ := json.Marshal(rivertype.AttemptError{At: time.Now().UTC(), Attempt: e.Queue.Attempt, Error: message(e.Err)}) // plain values
	return string(raw)
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
	res, err := tx.db.jobs.InsertTx(ctx, tx.pgx, args, work.Named(job, opts))
	if err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(&jobRow{ID: string(job), Type: kind, Subject: subject, QueueID: res.Job.ID}).
		On("conflict (tenant_id, job_id) do update").Set("queue_id = excluded.queue_id").Exec(ctx)
	return err
}
