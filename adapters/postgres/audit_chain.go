package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// AuditChains is the audit.Chains in this database.
func (db *DB) AuditChains() audit.Chains { return chains{db} }

type chains struct{ db *DB }

// sealLock makes those who would seal take turns.
const sealLock = 7_226_033

func (c chains) Waiting(ctx context.Context, limit int, skip map[tenants.ID]error, seal audit.SealFunc) (n int, failed map[tenants.ID]error, err error) {
	err = c.db.system(ctx, pathSeal, func(ctx context.Context, tx tx) error {
		var mine bool
		var now time.Time
		if err := tx.NewRaw("select pg_try_advisory_xact_lock(?), clock_timestamp()", sealLock).Scan(ctx, &mine, &now); err != nil || !mine {
			return err
		}
		books, err := waiting(ctx, tx, limit, skip)
		if err != nil {
			return err
		}
		n, failed = 0, map[tenants.ID]error{}
		for _, b := range books {
			links, head, err := seal(b.tenant, b.head, b.entries, now)
			if err != nil {
				failed[b.tenant] = err
				continue
			}
			keepSeal(tx.last, b.tenant, links, head)
			n += len(links)
		}
		return nil
	})
	return n, failed, err
}

// A book is what waits of one tenant, and where its chain ends.
type book struct {
	tenant  tenants.ID
	head    *audit.Head
	entries []audit.Record
}

func waiting(ctx context.Context, tx tx, limit int, skip map[tenants.ID]error) ([]*book, error) {
	left := make([]string, 0, len(skip))
	for t := range skip {
		left = append(left, string(t))
	}
	var rows []entryRow
	err := tx.NewRaw(`
		select `+entryColumns+` from audit_entries a
		  join (select tenant_id, id from audit_waiting w where w.tenant_id <> all (?::text[]) order by tenant_id, id limit ?) w using (tenant_id, id)
		 order by a.tenant_id, a.at, a.id`, pgdialect.Array(left), limit).Scan(ctx, &rows)
	if err != nil {
		return nil, err
	}
	var books []*book
	for i := range rows {
		r := rows[i].record()
		if len(books) == 0 || books[len(books)-1].tenant != r.Tenant {
			head, err := lastHead(ctx, tx, r.Tenant)
			if err != nil {
				return nil, err
			}
			books = append(books, &book{tenant: r.Tenant, head: head})
		}
		b := books[len(books)-1]
		b.entries = append(b.entries, r)
	}
	return books, nil
}

type headRow struct {
	bun.BaseModel `bun:"table:audit_heads,alias:h"`

	Seq       int64     `bun:"seq"`
	Hash      []byte    `bun:"hash"`
	SealedAt  time.Time `bun:"sealed_at"`
	Key       string    `bun:"key"`
	Signature []byte    `bun:"signature"`
}

func (r *headRow) head() audit.Head {
	h := audit.Head{Seq: r.Seq, SealedAt: r.SealedAt.UTC(), Key: r.Key, Signature: r.Signature}
	copy(h.Hash[:], r.Hash)
	return h
}

// lastHead is where a chain ends; nil if it has not begun.
func lastHead(ctx context.Context, tx tx, tenant tenants.ID) (*audit.Head, error) {
	var r headRow
	err := tx.NewSelect().Model(&r).Where("tenant_id = ?", string(tenant)).OrderExpr("seq desc, sealed_at desc").Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	h := r.head()
	return &h, err
}

const headSQL = `insert into audit_heads (tenant_id, seq, hash, sealed_at, key, signature) values ($1, $2, $3, $4, $5, $6)`

// keepSeal writes a stretch of one chain, which no longer waits.
func keepSeal(b *pgx.Batch, tenant tenants.ID, links []audit.Link, head audit.Head) {
	seqs, ids, hashes := make([]int64, len(links)), make([]string, len(links)), make([][]byte, len(links))
	for i, l := range links {
		seqs[i], ids[i], hashes[i] = l.Seq, string(l.ID), l.Hash[:]
	}
	b.Queue(`insert into audit_links (tenant_id, seq, entry_id, hash)
		select $1, * from unnest($2::bigint[], $3::text[], $4::bytea[])`, string(tenant), seqs, ids, hashes)
	b.Queue(headSQL, string(tenant), head.Seq, head.Hash[:], head.SealedAt, head.Key, head.Signature)
	b.Queue(`delete from audit_waiting where tenant_id = $1 and id = any ($2::text[])`, string(tenant), ids)
}

func (c chains) Books(ctx context.Context, after tenants.ID, limit int) (out []tenants.ID, err error) {
	err = c.db.system(ctx, pathVerify, func(ctx context.Context, tx tx) error {
		// A hop over the index from tenant to tenant, not a look at each entry.
		return tx.NewRaw(`
			with recursive books as (
				select min(tenant_id) as tenant_id from (
					(select tenant_id from audit_entries where tenant_id > ?0 order by tenant_id limit 1) union all
					(select tenant_id from audit_heads where tenant_id > ?0 order by tenant_id limit 1)) first
				union all
				select (select min(tenant_id) from (
					(select tenant_id from audit_entries where tenant_id > b.tenant_id order by tenant_id limit 1) union all
					(select tenant_id from audit_heads where tenant_id > b.tenant_id order by tenant_id limit 1)) next)
				  from books b where b.tenant_id is not null)
			select tenant_id from books where tenant_id is not null limit ?1`, string(after), limit).Scan(ctx, &out)
	})
	return out, err
}

func (c chains) Links(ctx context.Context, tenant tenants.ID, after int64, limit int) ([]audit.Link, error) {
	var rows []entryRow
	err := c.db.system(ctx, pathVerify, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`
			select l.seq, l.entry_id as id, l.hash, a.id is not null as there, l.tenant_id,
			       coalesce(a.actor, '') as actor, coalesce(a.behind, '') as behind, coalesce(a.action, '') as action,
			       coalesce(a.subject, '') as subject, coalesce(a.detail, '{}') as detail, coalesce(a.request_id, '') as request_id,
			       coalesce(a.at, 'epoch') as at
			  from audit_links l left join audit_entries a on a.tenant_id = l.tenant_id and a.id = l.entry_id
			 where l.tenant_id = ? and l.seq > ? order by l.seq limit ?`, string(tenant), after, limit).Scan(ctx, &rows)
	})
	out := make([]audit.Link, len(rows))
	for i := range rows {
		r := rows[i].record()
		out[i] = audit.Link{Seq: r.Seq, ID: r.ID, Hash: r.Hash}
		if rows[i].There {
			out[i].Record = &r
		}
	}
	return out, err
}

func (c chains) Heads(ctx context.Context, tenant tenants.ID, after int64, limit int) ([]audit.Head, error) {
	var rows []headRow
	err := c.db.system(ctx, pathVerify, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`
			select * from (
				select seq, hash, sealed_at, key, signature from audit_heads where tenant_id = ? and seq > ?
				 order by seq fetch first ? rows with ties) h order by seq, sealed_at, key`, string(tenant), after, limit).Scan(ctx, &rows)
	})
	out := make([]audit.Head, len(rows))
	for i := range rows {
		out[i] = rows[i].head()
	}
	return out, err
}

func (c chains) Last(ctx context.Context, tenant tenants.ID) (h *audit.Head, err error) {
	err = c.db.system(ctx, pathVerify, func(ctx context.Context, tx tx) error {
		h, err = lastHead(ctx, tx, tenant)
		return err
	})
	return h, err
}

func (c chains) AddHead(ctx context.Context, tenant tenants.ID, h audit.Head) error {
	return c.db.system(ctx, pathSeal, func(_ context.Context, tx tx) error {
		tx.last.Queue(headSQL, string(tenant), h.Seq, h.Hash[:], h.SealedAt, h.Key, h.Signature)
		return nil
	})
}

func (c chains) Loose(ctx context.Context, tenant tenants.ID, limit int) (slipped, gone []audit.ID, err error) {
	err = c.db.system(ctx, pathVerify, func(ctx context.Context, tx tx) error {
		if err := tx.NewRaw(`
			select a.id from audit_entries a where a.tenant_id = ?0
			   and not exists (select from audit_links l where l.tenant_id = a.tenant_id and l.entry_id = a.id)
			   and not exists (select from audit_waiting w where w.tenant_id = a.tenant_id and w.id = a.id)
			 order by a.id limit ?1`, string(tenant), limit).Scan(ctx, &slipped); err != nil {
			return err
		}
		return tx.NewRaw(`
			select w.id from audit_waiting w where w.tenant_id = ?0
			   and not exists (select from audit_entries a where a.tenant_id = w.tenant_id and a.id = w.id)
			 order by w.id limit ?1`, string(tenant), limit).Scan(ctx, &gone)
	})
	return slipped, gone, err
}

func (c chains) Oldest(ctx context.Context, tenant tenants.ID) (time.Time, error) {
	var at sql.NullTime
	err := c.db.ask(ctx, pathVerify, `
		select (select min(a.at) from audit_waiting w join audit_entries a using (tenant_id, id) where w.tenant_id = $1)`,
		[]any{string(tenant)}, &at)
	return at.Time.UTC(), err
}
