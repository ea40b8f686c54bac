package postgres

import (
	"context"

	"github.com/riverqueue/river"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
)

// The doors are private to the package; its tests, which need postgrestest and
// so live outside, come in through here.

type Tx = tx

func (db *DB) View(ctx context.Context, t tenants.ID, fn func(context.Context, Tx) error) error {
	return db.view(ctx, t, fn)
}

func (db *DB) Update(ctx context.Context, t tenants.ID, fn func(context.Context, Tx) error) error {
	return db.update(ctx, t, fn)
}

func (db *DB) System(ctx context.Context, fn func(context.Context, Tx) error) error {
	return db.system(ctx, "test", fn)
}

func (tx Tx) Enqueue(ctx context.Context, args river.JobArgs) error {
	return tx.enqueue(ctx, args, nil)
}

func (tx Tx) Find(model any) *bun.SelectQuery   { return tx.find(model) }
func (tx Tx) Change(model any) *bun.UpdateQuery { return tx.change(model) }
func (tx Tx) Remove(model any) *bun.DeleteQuery { return tx.remove(model) }

// WithoutDoor is a way that must not exist.
func (db *DB) WithoutDoor(ctx context.Context) error {
	return db.app.bun.RunInTx(ctx, nil, func(context.Context, bun.Tx) error { return nil })
}

var (
	AsFault      = asFault
	Global       = global
	Definers     = definers
	Distribution = distribution
)

type Reference = reference

func NewReference(from, to string) Reference { return reference{from, to} }

func (tx Tx) Name(ctx context.Context, job jobs.ID, kind, subject string, args river.JobArgs) error {
	return tx.name(ctx, job, kind, subject, args, nil)
}
