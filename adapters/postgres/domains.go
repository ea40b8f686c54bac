package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/domains"
)

// Domains is the domains.Store in this database.
func (db *DB) Domains() domains.Store { return domainStore{db} }

// hostsChannel is notified, by triggers, when what is served or how it looks
// changed.
const hostsChannel = "carillon_hosts"

// ListenHosts calls heard when what is served or how it looks changed, and once
// it is listening. It holds one connection and returns when ctx ends or the
// connection is lost.
func (db *DB) ListenHosts(ctx context.Context, heard func()) error {
	return db.listen(ctx, hostsChannel, heard, func(string) { heard() })
}

type domainStore struct{ db *DB }

type domainTx struct{ tx }

func (s domainStore) View(ctx context.Context, tenant tenants.ID, fn func(domains.Tx) error) error {
	return s.db.view(ctx, tenant, func(_ context.Context, tx tx) error { return fn(domainTx{tx}) })
}

// domainLock makes updates of one tenant's claims take turns, with a hash of
// the tenant beside it.
const domainLock = 7_226_019

func (s domainStore) Update(ctx context.Context, tenant tenants.ID, fn func(domains.Tx) error) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		if err := tx.inTurn(ctx, domainLock); err != nil {
			return err
		}
		return fn(domainTx{tx})
	})
}

func (s domainStore) Due(ctx context.Context, now time.Time, limit int) (due []domains.Due, err error) {
	err = s.db.system(ctx, pathDomains, func(ctx context.Context, tx tx) error {
		due, err = collected(ctx, tx, pgx.RowToStructByPos[domains.Due],
			"select tenant_id, id from domains where due_at <= $1 order by due_at limit $2", now, limit)
		return err
	})
	return due, err
}

func (s domainStore) Served(ctx context.Context) (all []domains.Place, err error) {
	err = s.db.system(ctx, pathDomains, func(ctx context.Context, tx tx) error {
		all, err = collected(ctx, tx, pgx.RowToStructByPos[domains.Place], "select host, holder, canonical from served_hosts")
		return err
	})
	return all, err
}

type domainRow struct {
	bun.BaseModel `bun:"table:domains"`

	ID        string    `bun:"id"`
	Host      string    `bun:"host"`
	Token     string    `bun:"token"`
	Mail      bool      `bun:"mail"`
	State     string    `bun:"state"`
	Canonical bool      `bun:"canonical"`
	Problem   string    `bun:"problem"`
	CheckedAt time.Time `bun:"checked_at,nullzero"`
	ProvenAt  time.Time `bun:"proven_at,nullzero"`
	LostAt    time.Time `bun:"lost_at,nullzero"`
	DueAt     time.Time `bun:"due_at,nullzero"`
	Version   int       `bun:"version"`
	CreatedAt time.Time `bun:"created_at"`
	UpdatedAt time.Time `bun:"updated_at"`
}

func (r *domainRow) domain() domains.Domain {
	return domains.Domain{
		ID: domains.ID(r.ID), Host: r.Host, Token: r.Token, Mail: r.Mail, State: domains.State(r.State), Canonical: r.Canonical, Problem: domains.Problem(r.Problem),
		CheckedAt: utc(r.CheckedAt), ProvenAt: utc(r.ProvenAt), LostAt: utc(r.LostAt), DueAt: utc(r.DueAt),
		Version: r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

func (tx domainTx) Domains(ctx context.Context) ([]domains.Domain, error) {
	var rows []domainRow
	if err := tx.find(&rows).Order("id").Scan(ctx); err != nil {
		return nil, err
	}
	out := make([]domains.Domain, len(rows))
	for i := range rows {
		out[i] = rows[i].domain()
	}
	return out, nil
}

func (tx domainTx) Domain(ctx context.Context, name domains.ID) (*domains.Domain, error) {
	var r domainRow
	if err := one(tx.find(&r).Where("id = ?", string(name)).Scan(ctx), missingDomain); err != nil {
		return nil, err
	}
	d := r.domain()
	return &d, nil
}

func (tx domainTx) Save(ctx context.Context, d *domains.Domain) error {
	if err := d.Check(); err != nil {
		return err
	}
	r := &domainRow{
		ID: string(d.ID), Host: d.Host, Token: d.Token, Mail: d.Mail, State: string(d.State), Canonical: d.Canonical, Problem: string(d.Problem),
		CheckedAt: d.CheckedAt, ProvenAt: d.ProvenAt, LostAt: d.LostAt, DueAt: d.DueAt, Version: d.Version + 1, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
	}
	if d.Version == 0 {
		if _, err := tx.NewInsert().Model(r).Exec(ctx); err != nil {
			return err
		}
	} else {
		res, err := tx.change(r).Column("state", "canonical", "problem", "checked_at", "proven_at", "lost_at", "due_at", "version", "updated_at").
			Where("id = ?", r.ID).Where("version = ?", d.Version).Exec(ctx)
		if err := hit(res, err, staleDomain); err != nil {
			return err
		}
	}
	d.Version++
	return nil
}

func (tx domainTx) Remove(ctx context.Context, d *domains.Domain) error {
	_, err := tx.remove((*domainRow)(nil)).Where("id = ?", string(d.ID)).Exec(ctx)
	return err
}

func (tx domainTx) Tell(ctx context.Context, d *domains.Domain, t domains.Turn) error {
	if err := tx.emit(ctx, string(t), string(d.ID), d.Told()); err != nil || t == domains.TurnProven {
		return err
	}
	return tx.enqueue(ctx, jobs.DomainNotice{Tenant: string(tx.tenant), Domain: string(d.ID), Turn: string(t)}, nil)
}

func missingDomain() *fault.Error {
	return fault.New(fault.NotFound, "domain.not_found", "There is no such host.")
}

func staleDomain() *fault.Error {
	return fault.New(fault.Conflict, "domain.stale", "Someone else changed this host. Reload it and try again.")
}
