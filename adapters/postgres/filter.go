package postgres

import (
	"context"
	"regexp"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// find starts a SELECT of model's rows in this tenant.
func (tx tx) find(model any) *bun.SelectQuery { return mine(tx, tx.NewSelect().Model(model)) }

// change starts an UPDATE of model's rows in this tenant. The caller adds the
// condition that picks them.
func (tx tx) change(model any) *bun.UpdateQuery { return mine(tx, tx.NewUpdate().Model(model)) }

// remove starts a DELETE of model's rows in this tenant. The caller adds the
// condition that picks them.
func (tx tx) remove(model any) *bun.DeleteQuery { return mine(tx, tx.NewDelete().Model(model)) }

// mine adds this tenant's condition to a query with a model.
func mine[Q interface {
	Where(query string, args ...any) Q
}](tx tx, q Q) Q {
	if tx.db.walls.NoFilters {
		return q
	}
	return q.Where("?TableAlias.tenant_id = ?", string(tx.tenant))
}

// ours is this tenant's condition on the table or alias, for a statement
// written by hand: tx.NewRaw("select … from posts p where ? and …", tx.ours("p")).
func (tx tx) ours(alias string) schema.QueryWithArgs {
	if tx.db.walls.NoFilters {
		return bun.SafeQuery("true")
	}
	return bun.SafeQuery("?.tenant_id = ?", bun.Ident(alias), string(tx.tenant))
}

// The statements below are prepared by pgx, for paths where planning each anew
// would cost the most. $1 is this tenant, and {p} is its condition on the table
// or alias p.

// query runs a prepared statement that answers rows.
func (tx tx) query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return tx.pgx.Query(ctx, tx.mineIn(sql), tx.with(args)...)
}

// row runs a prepared statement that answers one row.
func (tx tx) row(ctx context.Context, sql string, args ...any) pgx.Row {
	return tx.pgx.QueryRow(ctx, tx.mineIn(sql), tx.with(args)...)
}

// queue adds a prepared statement to a batch.
func (tx tx) queue(b *pgx.Batch, sql string, args ...any) *pgx.QueuedQuery {
	return b.Queue(tx.mineIn(sql), tx.with(args)...)
}

func (tx tx) with(args []any) []any { return append([]any{string(tx.tenant)}, args...) }

// written keeps statements with their conditions written out; there are as
// many as there are in the source.
var written sync.Map

var placeholder = regexp.MustCompile(`\{([a-z]+)\}`)

func (tx tx) mineIn(sql string) string {
	if tx.db.walls.NoFilters {
		return placeholder.ReplaceAllString(sql, "$$1::text is not null")
	}
	if known, ok := written.Load(sql); ok {
		return known.(string) //nolint:errcheck // nothing else is kept there
	}
	out := placeholder.ReplaceAllString(sql, "$1.tenant_id = $$1")
	written.Store(sql, out)
	return out
}
