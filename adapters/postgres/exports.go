package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/uptrace/bun"

	work "github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/exports"
)

// Exports is the exports.Store in this database.
func (db *DB) Exports() exports.Store { return exportStore{db, new(sync.Map)} }

type exportStore struct {
	db   *DB
	keys *sync.Map // primary keys by table; a program's tables do not change
}

// exportRow is a row of exports.
type exportRow struct {
	bun.BaseModel `bun:"table:exports,alias:e"`

	ID          string     `bun:"id"`
	Job         string     `bun:"job_id"`
	State       string     `bun:"state"`
	Children    bool       `bun:"include_children"`
	Covers      []string   `bun:"covers,array"`
	RequestedBy string     `bun:"requested_by"`
	Stage       string     `bun:"stage"`
	Done        int        `bun:"done"`
	Total       int        `bun:"total"`
	Rows        int64      `bun:"rows"`
	Bytes       int64      `bun:"bytes"`
	SHA256      string     `bun:"sha256"`
	Attempt     int        `bun:"attempt"`
	LeasedUntil time.Time  `bun:"leased_until"`
	CreatedAt   time.Time  `bun:"created_at"`
	FinishedAt  *time.Time `bun:"finished_at"`
	ExpiresAt   *time.Time `bun:"expires_at"`
}

func exportToRow(e *exports.Export) *exportRow {
	return &exportRow{
		ID: string(e.ID), Job: e.Job, State: string(e.State), Children: e.Children, Covers: texts(e.Covers), RequestedBy: e.RequestedBy,
		Stage: e.Stage, Done: e.Done, Total: e.Total, Rows: e.Rows, Bytes: e.Bytes, SHA256: e.SHA256, Attempt: e.Attempt,
		CreatedAt: e.CreatedAt, FinishedAt: instant(e.FinishedAt), ExpiresAt: instant(e.ExpiresAt),
	}
}

func (r *exportRow) export() *exports.Export {
	return &exports.Export{
		ID: exports.ID(r.ID), Job: r.Job, State: exports.State(r.State), Children: r.Children, Covers: as[tenants.ID](r.Covers), RequestedBy: r.RequestedBy,
		Stage: r.Stage, Done: r.Done, Total: r.Total, Rows: r.Rows, Bytes: r.Bytes, SHA256: r.SHA256, Attempt: r.Attempt,
		CreatedAt: r.CreatedAt.UTC(), FinishedAt: moment(r.FinishedAt).UTC(), ExpiresAt: moment(r.ExpiresAt).UTC(),
	}
}

func (s exportStore) Owned(ctx context.Context, tenant tenants.ID, user tenants.UserID) (below []tenants.ID, err error) {
	err = s.db.system(ctx, pathOwned, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`
			select t.tenant_id from memberships m join tenants t on t.tenant_id = m.tenant_id
			 where m.user_id = ?0 and m.role = 'owner' and ?1 = any (t.ancestors) and t.tenant_id <> ?1
			   and not exists (select from tenants a where a.tenant_id = any (t.ancestors) and a.state = 'suspended')
			 order by t.ancestors`, string(user), string(tenant)).Scan(ctx, &below)
	})
	return below, err
}

func (s exportStore) Create(ctx context.Context, tenant tenants.ID, e *exports.Export, entry audit.Entry) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		// Whoever the job wakes is first; the lease of nobody has just run out.
		_, err := tx.NewInsert().Model(exportToRow(e)).Value("leased_until", "now() + interval '1 minute'").Exec(ctx)
		if err != nil {
			return err
		}
		if err := tx.exportJob(ctx, tenant, jobs.ID(e.Job), e.ID); err != nil {
			return err
		}
		return tx.Record(ctx, entry)
	})
}

func (tx tx) exportJob(ctx context.Context, tenant tenants.ID, job jobs.ID, name exports.ID) error {
	return tx.name(ctx, job, "tenant.export", string(name), work.ExportTenant{Tenant: string(tenant), Export: string(name)}, &river.InsertOpts{Queue: work.QueueLater})
}

func (s exportStore) Export(ctx context.Context, tenant tenants.ID, name exports.ID) (e *exports.Export, err error) {
	err = s.db.view(ctx, tenant, func(ctx context.Context, tx tx) error {
		e, err = tx.export(ctx, name, "")
		return err
	})
	return e, err
}

func (tx tx) export(ctx context.Context, name exports.ID, lock string) (*exports.Export, error) {
	var r exportRow
	q := tx.find(&r).Where("e.id = ?", string(name))
	if lock != "" {
		q = q.For(lock)
	}
	if err := one(q.Scan(ctx), exports.ErrNotFound); err != nil {
		return nil, err
	}
	return r.export(), nil
}

func (s exportStore) Exports(ctx context.Context, tenant tenants.ID, before exports.ID, limit int) (page []exports.Export, err error) {
	var rows []exportRow
	err = s.db.view(ctx, tenant, func(ctx context.Context, tx tx) error {
		q := tx.find(&rows)
		if before != "" {
			q = q.Where("e.id < ?", string(before))
		}
		return q.OrderExpr("e.id desc").Limit(int64(limit)).Scan(ctx)
	})
	for i := range rows {
		page = append(page, *rows[i].export())
	}
	return page, err
}

func (s exportStore) Note(ctx context.Context, tenant tenants.ID, entry audit.Entry) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error { return tx.Record(ctx, entry) })
}

func (s exportStore) Lease(ctx context.Context, tenant tenants.ID, name exports.ID, ttl time.Duration) (e *exports.Export, err error) {
	err = s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		if e, err = tx.export(ctx, name, "UPDATE"); err != nil || e.State != exports.Running {
			return err
		}
		// The first attempt need not wait for the lease that its row was made with.
		res, err := tx.change((*exportRow)(nil)).Set("attempt = attempt + 1, leased_until = now() + ? * interval '1 second'", ttl.Seconds()).
			Where("e.id = ? and (e.attempt = 0 or e.leased_until < now())", string(name)).Exec(ctx)
		e.Attempt++
		return hit(res, err, exports.ErrLost)
	})
	return e, err
}

func (s exportStore) Progress(ctx context.Context, tenant tenants.ID, e *exports.Export, ttl time.Duration) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		res, err := tx.change(exportToRow(e)).Column("stage", "done", "total", "rows", "bytes").Set("leased_until = now() + ? * interval '1 second'", ttl.Seconds()).
			Where("e.id = ? and e.state = 'running' and e.attempt = ?", string(e.ID), e.Attempt).Exec(ctx)
		return hit(res, err, exports.ErrLost)
	})
}

func (s exportStore) Finish(ctx context.Context, tenant tenants.ID, e *exports.Export, entry audit.Entry) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		res, err := tx.change(exportToRow(e)).Column("state", "stage", "done", "total", "rows", "bytes", "sha256", "finished_at", "expires_at").
			Where("e.id = ? and e.state = 'running' and e.attempt = ?", string(e.ID), e.Attempt).Exec(ctx)
		if err := hit(res, err, exports.ErrLost); err != nil {
			return err
		}
		if e.State == exports.Ready {
			if err := tx.emit(ctx, exports.EventReady, string(e.ID), exports.Told{Bytes: e.Bytes, ExpiresAt: e.ExpiresAt}); err != nil {
				return err
			}
		}
		return tx.Record(ctx, entry)
	})
}

func (s exportStore) Left(ctx context.Context, limit int) ([]exports.Ref, error) {
	return s.refs(ctx, "state = 'running' and leased_until < now() order by leased_until", limit)
}

func (s exportStore) Outdated(ctx context.Context, limit int) ([]exports.Ref, error) {
	return s.refs(ctx, "state = 'ready' and expires_at < now() order by expires_at", limit)
}

func (s exportStore) refs(ctx context.Context, which string, limit int) (refs []exports.Ref, err error) {
	err = s.db.system(ctx, pathExports, func(ctx context.Context, tx tx) error {
		return tx.NewRaw("select tenant_id as tenant, id from exports where "+which+" limit ?", limit).Scan(ctx, &refs)
	})
	return refs, err
}

func (s exportStore) Requeue(ctx context.Context, tenant tenants.ID, name exports.ID) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		e, err := tx.export(ctx, name, "UPDATE")
		if err != nil || e.State != exports.Running {
			return err
		}
		var waits bool
		err = tx.NewRaw(`select exists (select from jobs j join river.river_job r on r.id = j.queue_id
			where ? and j.job_id = ? and r.args ->> 'tenant' = ? and r.state in ('available', 'scheduled', 'retryable'))`, tx.ours("j"), e.Job, string(tenant)).Scan(ctx, &waits)
		if err != nil || waits {
			return err
		}
		return tx.exportJob(ctx, tenant, jobs.ID(e.Job), name)
	})
}

func (s exportStore) Expire(ctx context.Context, tenant tenants.ID, name exports.ID) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		_, err := tx.change((*exportRow)(nil)).Set("state = 'expired'").Where("e.id = ? and e.state = 'ready'", string(name)).Exec(ctx)
		return err
	})
}
