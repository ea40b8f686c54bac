package postgres

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/erasure"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Erasures is the erasure.Store in this database.
func (db *DB) Erasures() erasure.Store { return erasureStore{db, new(atomic.Pointer[[]string])} }

type erasureStore struct {
	db     *DB
	tables *atomic.Pointer[[]string] // of tenants, in order, as the catalog had them last
}

// erasureRow is a row of erasures.
type erasureRow struct {
	bun.BaseModel `bun:"table:erasures,alias:e"`

	ID      string     `bun:"id"`
	About   string     `bun:"about"`
	Above   string     `bun:"above"`
	Covers  []string   `bun:"covers,array"`
	State   string     `bun:"state"`
	AskedBy string     `bun:"asked_by"`
	AskedAt time.Time  `bun:"asked_at"`
	DueAt   time.Time  `bun:"due_at"`
	Stage   string     `bun:"stage"`
	Rows    int64      `bun:"rows"`
	Files   int64      `bun:"files"`
	Lease   *time.Time `bun:"leased_until"`
	EndedAt *time.Time `bun:"ended_at"`
}

func (r *erasureRow) erasure() *erasure.Erasure {
	return &erasure.Erasure{
		ID: erasure.ID(r.ID), About: tenants.ID(r.About), Above: tenants.ID(r.Above), Covers: as[tenants.ID](r.Covers), State: erasure.State(r.State),
		AskedBy: tenants.UserID(r.AskedBy), AskedAt: r.AskedAt.UTC(), DueAt: r.DueAt.UTC(), Lease: moment(r.Lease), Stage: r.Stage, Rows: r.Rows, Files: r.Files, EndedAt: moment(r.EndedAt).UTC(),
	}
}

// toldOfErasure is what people of a tenant read that is to go.
const toldOfErasure = "It is to be erased"

func (s erasureStore) Ask(ctx context.Context, e *erasure.Erasure, w erasure.Wish, entry audit.Entry) error {
	return s.db.systemIn(ctx, pathErase, e.About, func(ctx context.Context, tx tx) error {
		var name, above string
		if err := tx.NewRaw("select name, coalesce(parent_id, '') from tenants where tenant_id = ? for update", string(e.About)).Scan(ctx, &name, &above); err != nil {
			return one(err, missingTenant)
		}
		if name != w.Name {
			return erasure.ErrName()
		}
		var below []string
		if err := tx.NewRaw("select name from tenants where parent_id = ? order by name limit 10", string(e.About)).Scan(ctx, &below); err != nil {
			return err
		}
		if len(below) > 0 && !w.Children {
			return erasure.ErrChildren(strings.Join(below, ", "))
		}
		e.Above = tenants.ID(above)
		_, err := tx.NewInsert().Model(&erasureRow{
			ID: string(e.ID), About: string(e.About), Above: above, Covers: []string{}, State: string(e.State), AskedBy: string(e.AskedBy), AskedAt: e.AskedAt, DueAt: e.DueAt,
		}).Exec(ctx)
		if err != nil {
			return err
		}
		return tx.closed(ctx, e, registry.Suspended, entry)
	})
}

// closed closes the tenant of an erasure, or opens it again, which is its own
// doing. One that somebody else closed stays as it is: that is theirs to undo.
func (tx tx) closed(ctx context.Context, e *erasure.Erasure, as registry.State, entry audit.Entry) error {
	reason, was, by := "", string(e.About), ""
	if as == registry.Suspended {
		reason, was, by = toldOfErasure, "", string(e.About)
	}
	err := tx.tellTenant(ctx, "update tenants set state = $1, state_reason = $2, suspended_by = nullif($3, ''), "+regraded+
		" where tenant_id = $4 and suspended_by is not distinct from nullif($5, '')", string(as), reason, by, string(e.About), was)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return errors.Join(tx.recordIn(ctx, e.About, entry), tx.recordIn(ctx, e.Above, entry))
}

func (s erasureStore) Of(ctx context.Context, user tenants.UserID, tenant tenants.ID) (*erasure.Erasure, error) {
	var r erasureRow
	err := s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		return tx.NewSelect().Model(&r).Where("e.about = ? and e.state in ('waiting', 'running')", string(tenant)).
			Where("e.asked_by = ?0 or exists (select from memberships m where m.tenant_id = e.about and m.user_id = ?0 and m.role = 'owner')", string(user)).Scan(ctx)
	})
	if err := one(err, erasure.ErrNotFound); err != nil {
		return nil, err
	}
	return r.erasure(), nil
}

func (s erasureStore) CallOff(ctx context.Context, e *erasure.Erasure, entry audit.Entry) error {
	return s.db.systemIn(ctx, pathErase, e.About, func(ctx context.Context, tx tx) error {
		res, err := tx.NewRaw("update erasures set state = 'canceled', asked_by = '', ended_at = now() where id = ? and state = 'waiting'", string(e.ID)).Exec(ctx)
		if err := hit(res, err, erasure.ErrLost); err != nil {
			return err
		}
		return tx.closed(ctx, e, registry.Active, entry)
	})
}

func (s erasureStore) Take(ctx context.Context, ttl time.Duration) (e *erasure.Erasure, err error) {
	err = s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		e = nil
		// Who opened it again, or closed it, such as an operator, had a reason.
		if _, err := tx.NewRaw(`update erasures e set state = 'canceled', asked_by = '', ended_at = now() where state = 'waiting' and due_at <= now()
			and not exists (select from tenants t where t.tenant_id = e.about and t.suspended_by = e.about)`).Exec(ctx); err != nil {
			return err
		}
		var r erasureRow
		err := tx.NewRaw(`
			update erasures set state = 'running', leased_until = now() + ? * interval '1 second',
			       covers = case when state = 'running' then covers else
			         array(select t.tenant_id from tenants t where erasures.about = any (t.ancestors) order by cardinality(t.ancestors) desc, t.tenant_id) end
			 where id = (select id from erasures where state in ('waiting', 'running') and due_at <= now() and (leased_until is null or leased_until < now())
			              order by due_at limit 1 for update skip locked)
			returning *`, ttl.Seconds()).Scan(ctx, &r)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			e = r.erasure()
		}
		return err
	})
	return e, err
}

func (s erasureStore) Progress(ctx context.Context, e *erasure.Erasure, ttl time.Duration) error {
	return s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		err := tx.NewRaw(`update erasures set stage = ?, rows = ?, files = ?, leased_until = clock_timestamp() + ? * interval '1 second'
			where id = ? and state = 'running' and leased_until = ? returning leased_until`,
			e.Stage, e.Rows, e.Files, ttl.Seconds(), string(e.ID), e.Lease).Scan(ctx, &e.Lease)
		return one(err, erasure.ErrLost)
	})
}

func (s erasureStore) Ended(ctx context.Context, tenant tenants.ID) (seq int64, hash string, err error) {
	var raw []byte
	err = s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		return tx.NewRaw("select seq, hash from audit_links where tenant_id = ? order by seq desc limit 1", string(tenant)).Scan(ctx, &seq, &raw)
	})
	if fault.Is(err, fault.NotFound) || errors.Is(err, sql.ErrNoRows) {
		return 0, "", nil
	}
	return seq, hex.EncodeToString(raw), err
}

func (s erasureStore) Tombstone(ctx context.Context, above tenants.ID, entry audit.Entry) error {
	return s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		var root string
		if err := tx.NewRaw("select tenant_id from tenants where kind = 'operator'").Scan(ctx, &root); err != nil {
			return err
		}
		books := []tenants.ID{tenants.ID(root)}
		if above != "" && !slices.Contains(books, above) {
			books = append(books, above)
		}
		for _, b := range books {
			var there bool
			err := tx.NewRaw("select exists (select from audit_entries where tenant_id = ? and action = ? and subject = ? and detail ->> 'erasure' = ?)",
				string(b), entry.Action, entry.Subject, entry.Detail["erasure"]).Scan(ctx, &there)
			if err == nil && !there {
				err = tx.recordIn(ctx, b, entry)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s erasureStore) Finish(ctx context.Context, e *erasure.Erasure) error {
	return s.db.system(ctx, pathErase, func(ctx context.Context, tx tx) error {
		res, err := tx.NewRaw(`update erasures set state = 'done', stage = '', asked_by = '', rows = ?, files = ?, leased_until = null, ended_at = now()
			where id = ? and state = 'running' and leased_until = ?`, e.Rows, e.Files, string(e.ID), e.Lease).Exec(ctx)
		return hit(res, err, erasure.ErrLost)
	})
}
