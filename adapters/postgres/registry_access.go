package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

type accessRow struct {
	bun.BaseModel `bun:"table:access_grants"`

	ID        string    `bun:"id"`
	To        string    `bun:"to_tenant"`
	Role      string    `bun:"role"`
	Reason    string    `bun:"reason"`
	State     string    `bun:"state"`
	Hours     int       `bun:"hours"`
	Until     time.Time `bun:"until,nullzero"`
	AskedBy   string    `bun:"asked_by"`
	DecidedBy string    `bun:"decided_by"`
	CreatedAt time.Time `bun:"created_at"`
	DecidedAt time.Time `bun:"decided_at,nullzero"`
	Version   int       `bun:"version"`
}

func accessToRow(a *registry.Access) *accessRow {
	return &accessRow{
		ID: string(a.ID), To: string(a.To), Role: string(a.Role), Reason: a.Reason, State: string(a.State), Hours: a.Hours, Until: a.Until,
		AskedBy: string(a.AskedBy), DecidedBy: string(a.DecidedBy), CreatedAt: a.CreatedAt, DecidedAt: a.DecidedAt, Version: a.Version,
	}
}

func (r *accessRow) access() registry.Access {
	return registry.Access{
		ID: registry.AccessID(r.ID), To: tenants.ID(r.To), Role: tenants.Role(r.Role), Reason: r.Reason, State: registry.AccessState(r.State),
		Hours: r.Hours, Until: utc(r.Until), AskedBy: tenants.UserID(r.AskedBy), DecidedBy: tenants.UserID(r.DecidedBy),
		CreatedAt: r.CreatedAt.UTC(), DecidedAt: utc(r.DecidedAt), Version: r.Version,
	}
}

// utc leaves the zero time what it is.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

func (tx registryTx) Access(ctx context.Context, name registry.AccessID) (*registry.Access, error) {
	var r accessRow
	if err := one(tx.find(&r).Where("id = ?", string(name)).Scan(ctx), missingAccess); err != nil {
		return nil, err
	}
	a := r.access()
	return &a, nil
}

func (tx registryTx) Accesses(ctx context.Context, before registry.AccessID, limit int) ([]registry.Access, error) {
	var rows []accessRow
	if err := tx.find(&rows).Where("? = '' or id < ?", string(before), string(before)).Order("id DESC").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, err
	}
	out := make([]registry.Access, len(rows))
	for i := range rows {
		out[i] = rows[i].access()
	}
	return out, nil
}

func (tx registryTx) OpenAccess(ctx context.Context, now time.Time) (int, error) {
	n, err := tx.find((*accessRow)(nil)).
		Where("state = 'granted' and until > ? or state = 'requested' and created_at > ?", now, now.Add(-registry.RequestTTL)).Count(ctx)
	return int(n), err
}

func (tx registryTx) SaveAccess(ctx context.Context, a *registry.Access) error {
	if err := a.Check(); err != nil {
		return err
	}
	r := accessToRow(a)
	r.Version++
	if a.Version == 0 {
		if _, err := tx.NewInsert().Model(r).Exec(ctx); err != nil {
			return err
		}
	} else {
		res, err := tx.change(r).Column("state", "until", "decided_by", "decided_at", "version").
			Where("id = ?", r.ID).Where("version = ?", a.Version).Exec(ctx)
		if err := hit(res, err, staleAccess); err != nil {
			return err
		}
	}
	a.Version++
	return nil
}

// AskAccess takes the child's turn first, so that two who ask at once do not
// both find that nobody has.
func (s registryStore) AskAccess(ctx context.Context, child tenants.ID, a *registry.Access, e audit.Entry) error {
	if err := a.Check(); err != nil {
		return err
	}
	if !child.Valid() {
		return missingTenant()
	}
	err := s.db.systemIn(ctx, pathAskAccess, child, func(ctx context.Context, tx tx) error {
		res, err := tx.change((*tenantRow)(nil)).Set("authz_version = authz_version + 1").Where("parent_id = ?", string(a.To)).
			Where("tenant_id = ?", string(child)).Exec(ctx)
		if err := hit(res, err, missingTenant); err != nil {
			return err
		}
		waits, err := tx.find((*accessRow)(nil)).Where("tenant_id = ?", string(child)).Where("to_tenant = ?", string(a.To)).
			Where("state = 'requested' and created_at > ?", a.CreatedAt.Add(-registry.RequestTTL)).Exists(ctx)
		if err != nil {
			return err
		}
		if waits {
			return fault.New(fault.Conflict, "access.asked", "Access was asked for already, and waits for an answer.")
		}
		r := accessToRow(a)
		r.Version = 1
		if _, err = tx.NewInsert().Model(r).Exec(ctx); err != nil {
			return err
		}
		if err = (registryTx{tx}).Notify(ctx, registry.Notice{Kind: registry.NoticeRequested, Access: a.ID}); err != nil {
			return err
		}
		if err = tx.recordIn(ctx, a.To, e); err != nil {
			return err
		}
		return tx.Record(ctx, e)
	})
	if err == nil {
		a.Version = 1
	}
	return err
}

type receivedRow struct {
	accessRow
	ChildID    string `bun:"child_id"`
	ChildName  string `bun:"child_name"`
	ChildKind  string `bun:"child_kind"`
	ChildState string `bun:"child_state"`
}

func (s registryStore) Received(ctx context.Context, parent tenants.ID, before registry.AccessID, limit int) ([]registry.Received, error) {
	var rows []receivedRow
	err := s.db.system(ctx, pathReceived, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`select g.id, g.to_tenant, g.role, g.reason, g.state, g.hours, g.until, g.asked_by, g.decided_by, g.created_at, g.decided_at, g.version,
			       t.tenant_id as child_id, t.name as child_name, t.kind as child_kind, t.state as child_state
			  from access_grants g join tenants t on t.tenant_id = g.tenant_id
			 where g.to_tenant = ? and (? = '' or g.id < ?) order by g.id desc limit ?`,
			string(parent), string(before), string(before), limit).Scan(ctx, &rows)
	})
	out := make([]registry.Received, len(rows))
	for i, r := range rows {
		out[i] = registry.Received{Access: r.access(), Child: registry.Entry{
			ID: tenants.ID(r.ChildID), Name: r.ChildName, Kind: tenants.Kind(r.ChildKind), State: registry.State(r.ChildState),
		}}
	}
	return out, err
}

func missingAccess() *fault.Error {
	return fault.New(fault.NotFound, "access.not_found", "There is no such grant of access.")
}

func staleAccess() *fault.Error {
	return fault.New(fault.Conflict, "access.stale", "Someone else changed this grant of access. Reload it and try again.")
}
