package postgres

import (
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
