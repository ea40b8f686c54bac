package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
)

// enqueueIn is enqueue as one more statement of b, for a job whose insertion
// nobody waits for. The job is not one that is unique.
func (tx tx) enqueueIn(ctx context.Context, b *pgx.Batch, args river.JobArgs) error {
	_, err := tx.db.jobs.InsertManyFastTx(ctx, batched{tx.pgx, b}, []river.InsertManyParams{{Args: args}})
	return err
}

// batched is the transaction that River sees then: what would be sent joins the
// batch. River copies jobs that are to be fast into its table; row-level
// security allows no copying, and for one row an insert is as good.
type batched struct {
	*lazyTx
	b *pgx.Batch
}

// Conn is nil: River has no use for it but the settings, which are the usual ones.
func (batched) Conn() *pgx.Conn { return nil }

// Exec implements pgx.Tx. River uses it for the notification.
func (q batched) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	q.b.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

// CopyFrom implements pgx.Tx.
func (q batched) CopyFrom(_ context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (n int64, err error) {
	sql := insertSQL(table, columns)
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return n, err
		}
		q.b.Queue(sql, values...)
		n++
	}
	return n, rows.Err()
}

func insertSQL(table pgx.Identifier, columns []string) string {
	names, values := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i], values[i] = pgx.Identifier{c}.Sanitize(), "$"+strconv.Itoa(i+1)
	}
	return "insert into " + table.Sanitize() + " (" + strings.Join(names, ", ") + ") values (" + strings.Join(values, ", ") + ")"
}
