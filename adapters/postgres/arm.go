package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillonhq/carillon/core/publishing"
)

// armSQL is publishing.Delivery.Arm and the attempt's insertion. If somebody
// holds the segment's row, it waits, and then goes by what they made of it: the
// generation above all, which whoever cancels, edits or takes over raises. The
// post's lock is not needed, because whoever locks a post locks its segments
// too. The clock is read when the row is written, after any wait.
const armSQL = `
	with armed as (
		update segments s
		   set state = 'sending', attempt = s.attempt + 1, step = $9, armed_hash = $10, label = '', next_at = clock_timestamp() + $11::interval,
		       called_at = clock_timestamp(), doubt_at = coalesce(s.doubt_at, clock_timestamp())
		  from deliveries d
		 where {s} and s.segment_id = $2 and {d} and d.delivery_id = $3 and s.delivery_id = d.delivery_id
		   and s.generation = $4 and s.state = $5 and s.canceling = $6 and s.attempt = $7 and d.hash = $8
		returning s.segment_id, s.attempt, s.holder, s.called_at)
	insert into attempts (segment_id, n, key, request_hash, replay, holder, armed_at)
	select segment_id, attempt, $12, $10, $13, holder, called_at from armed`

// Arm is one trip: the transaction begins with its only statement and ends
// with it.
func (s posts) Arm(ctx context.Context, c publishing.Claim, a publishing.Arming) error {
	var wrote int64
	err := s.db.update(ctx, c.Tenant, func(_ context.Context, tx tx) error {
		tx.queue(tx.last, armSQL, c.Segment, c.Delivery, c.Generation, a.State, a.Canceling, a.Attempt, a.Hash,
			a.Step, a.RequestHash, a.Lease, a.Key, a.Replay).Exec(func(tag pgconn.CommandTag) error {
			wrote = tag.RowsAffected()
			return nil
		})
		return nil
	})
	if err == nil && wrote == 0 {
		return publishing.ErrLost
	}
	return err
}
