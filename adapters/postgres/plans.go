package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// A prepared statement keeps its plan until somebody analyses its tables. One
// made while a table was nearly empty was right at the time: to read all of it,
// or to go by any index that begins with the tenant, cost the same as the best
// way. It goes on to do so while ten thousand rows arrive, and the next
// analysis may be a minute away. The same holds for the plans that the server
// keeps for its own checks of foreign keys. So
//
//   - no table is read from end to end if an index leads to what is wanted, and
//   - no plan is older than maxPlanAge: a new one goes by the table's size on
//     disk, which needs no analysis.

// maxPlanAge is how long a connection keeps its plans. All of a worker's
// statements take some milliseconds to plan.
const maxPlanAge = 10 * time.Second

const plannedKey = "carillon.planned"

// replan forgets the plans of a connection that is about to be used, if they
// are old. They stay prepared.
func replan(ctx context.Context, c *pgx.Conn) (valid bool, err error) {
	kept := c.PgConn().CustomData()
	now := time.Now()
	if at, ok := kept[plannedKey].(time.Time); ok && now.Sub(at) < maxPlanAge {
		return true, nil
	}
	if _, ok := kept[plannedKey]; ok {
		if _, err := c.Exec(ctx, "discard plans", pgx.QueryExecModeSimpleProtocol); err != nil {
			return false, ctx.Err() // it is replaced
		}
	}
	kept[plannedKey] = now
	return true, nil
}
