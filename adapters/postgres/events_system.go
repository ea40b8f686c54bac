package postgres

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/tenants"
)

// ListenEvents calls heard with tenants that may have news, and ready once it
// listens; what happened before that must be looked up. It holds one
// connection and returns when ctx ends or the connection is lost.
func (db *DB) ListenEvents(ctx context.Context, ready func(), heard func(tenants.ID)) error {
	return db.listen(ctx, eventsChannel, ready, func(payload string) { heard(tenants.ID(payload)) })
}

// pruneBatch bounds one transaction of PruneEvents: open ones delay streams.
const pruneBatch = 5000

// PruneEvents forgets events older than keep, and with them their deliveries.
// It also mends what a crash or a restore may leave: a pending delivery whose
// try is an hour late is queued again, and events from a database with higher
// transaction numbers go below the line of readers, in their old order.
func (db *DB) PruneEvents(ctx context.Context, keep time.Duration) error {
	for more := true; more; {
		if err := db.system(ctx, pathEventsPrune, func(ctx context.Context, tx tx) error {
			res, err := tx.NewRaw(`delete from events where (tenant_id, id) in (
				select tenant_id, id from events where at < ? limit ?)`, time.Now().Add(-keep), pruneBatch).Exec(ctx)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			more = n == pruneBatch
			return err
		}); err != nil {
			return err
		}
	}
	if err := db.system(ctx, pathEventsPrune, restoreOrder); err != nil {
		return err
	}
	return db.system(ctx, pathEventsPrune, requeueLate)
}

// restoreOrder gives events from the future of this database places before
// all others. A transaction never draws number 1. It looks at the newest event
// of each tenant, one index probe, before it reads any tenant's whole log.
func restoreOrder(ctx context.Context, tx tx) error {
	_, err := tx.NewRaw(`with ahead as (
			select t.tenant_id from tenants t where pg_snapshot_xmax(pg_current_snapshot()) <=
				(select e.xid from events e where e.tenant_id = t.tenant_id order by e.xid desc, e.n desc limit 1)),
		lowered as (
			select e.tenant_id, e.id, row_number() over (partition by e.tenant_id order by e.xid, e.n) + coalesce(
				(select max(m.n) from events m where m.tenant_id = e.tenant_id and m.xid = '1'), 0) as n
			from events e join ahead using (tenant_id) where e.xid >= pg_snapshot_xmax(pg_current_snapshot()))
		update events e set xid = '1', n = l.n from lowered l where e.tenant_id = l.tenant_id and e.id = l.id`).Exec(ctx)
	return err
}

// requeueLate gives late deliveries a job again. Two jobs for one try do no
// harm: the second finds it recorded.
func requeueLate(ctx context.Context, tx tx) error {
	var late []struct {
		Tenant   string `bun:"tenant_id"`
		ID       string `bun:"id"`
		Attempts int    `bun:"attempts"`
	}
	if err := tx.NewRaw(`select tenant_id, id, attempts from webhook_deliveries
		where state = 'pending' and next_at < now() - interval '1 hour' order by next_at limit 1000`).Scan(ctx, &late); err != nil {
		return err
	}
	for _, d := range late {
		args := jobs.WebhookDeliver{Tenant: d.Tenant, Delivery: d.ID, Attempt: d.Attempts + 1}
		if err := tx.enqueue(ctx, args, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}); err != nil {
			return err
		}
	}
	return nil
}
