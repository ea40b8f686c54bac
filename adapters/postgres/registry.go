package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

// Registry is the registry.Store in this database.
func (db *DB) Registry() registry.Store { return registryStore{db} }

// CustomRoles says what the custom roles that count in a tenant may do, for
// adapters/casbin.
func (db *DB) CustomRoles(ctx context.Context, tenant tenants.ID) (map[tenants.Role][]tenants.Action, error) {
	return registry.CustomRoles(ctx, db.Registry(), tenant)
}

type registryStore struct{ db *DB }

func (s registryStore) View(ctx context.Context, tenant tenants.ID, fn func(registry.Tx) error) error {
	return s.db.view(ctx, tenant, func(_ context.Context, tx tx) error { return fn(registryTx{tx}) })
}

// Update locks the tenant's row before anything else: that is what makes
// updates of one tenant take turns.
func (s registryStore) Update(ctx context.Context, tenant tenants.ID, fn func(registry.Tx) error) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		res, err := tx.change((*tenantRow)(nil)).Set("authz_version = authz_version + 1").Where("true").Exec(ctx)
		if err := hit(res, err, missingTenant); err != nil {
			return err
		}
		return fn(registryTx{tx})
	})
}

// tenantRow is a row of tenants. Its tenant_id is read and never written: the
// database fills it in.
type tenantRow struct {
	bun.BaseModel `bun:"table:tenants"`

	ID           string       `bun:"tenant_id,scanonly"`
	ParentID     string       `bun:"parent_id,nullzero"`
	Ancestors    []string     `bun:"ancestors,array"`
	Kind         string       `bun:"kind"`
	Name         string       `bun:"name"`
	Tier         string       `bun:"tier,nullzero"`
	State        string       `bun:"state"`
	StateReason  string       `bun:"state_reason"`
	SuspendedBy  string       `bun:"suspended_by,nullzero"`
	Paused       bool         `bun:"paused"`
	PausedReason string       `bun:"paused_reason"`
	Settings     settingsJSON `bun:"settings,type:jsonb"`
	AuthzVersion int64        `bun:"authz_version"`
	Version      int          `bun:"version"`
	CreatedAt    time.Time    `bun:"created_at"`
	UpdatedAt    time.Time    `bun:"updated_at"`
}

type settingsJSON struct {
	TimeZone string `json:"time_zone,omitempty"`
	Locale   string `json:"locale,omitempty"`
}

func tenantToRow(t *registry.Tenant) *tenantRow {
	return &tenantRow{
		ParentID: string(t.Parent), Ancestors: texts(t.Ancestors), Kind: string(t.Kind), Name: t.Name, Tier: string(t.Tier),
		State: string(t.State), StateReason: t.StateReason, Paused: t.Paused, PausedReason: t.PausedReason,
		Settings: settingsJSON(t.Settings), AuthzVersion: t.Authz, Version: t.Version, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt,
	}
}

func (r *tenantRow) tenant() *registry.Tenant {
	return &registry.Tenant{
		ID: tenants.ID(r.ID), Parent: tenants.ID(r.ParentID), Ancestors: as[tenants.ID](r.Ancestors),
		Kind: tenants.Kind(r.Kind), Name: r.Name, Tier: tenants.Tier(r.Tier), State: registry.State(r.State), StateReason: r.StateReason,
		SuspendedBy: tenants.ID(r.SuspendedBy),
		Paused:      r.Paused, PausedReason: r.PausedReason, Settings: registry.Settings(r.Settings), Authz: r.AuthzVersion, Version: r.Version,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

func (s registryStore) Standing(ctx context.Context, tenant tenants.ID, user tenants.UserID) (st registry.Standing, err error) {
	// The sum of the versions moves with either: an agency's roles count in its
	// workspaces.
	err = s.db.ask(ctx, pathResolve, `
		select t.kind, coalesce(up.tier, 'free'), up.suspended, up.paused, up.authz, coalesce(m.role, ''),
		       coalesce(g.id, ''), coalesce(g.role, ''), coalesce(g.home, '')
		  from tenants t
		  left join memberships m on m.tenant_id = t.tenant_id and m.user_id = $2
		       and not exists (select from users u where u.id = m.user_id and u.suspended_at is not null)
		  cross join lateral (
		    select bool_or(a.state = 'suspended') as suspended, bool_or(a.paused) as paused,
		           (array_agg(a.tier order by cardinality(a.ancestors) desc) filter (where a.tier is not null))[1] as tier,
		           sum(a.authz_version) filter (where a.tenant_id = t.tenant_id or a.tenant_id = t.parent_id and t.kind = 'workspace')::bigint as authz
		      from tenants a where a.tenant_id = any (t.ancestors)) up
		  left join lateral (
		    select g.id, g.role, h.role as home
		      from memberships h join access_grants g on g.tenant_id = t.tenant_id and g.to_tenant = h.tenant_id
		     where m.role is null and h.tenant_id = t.parent_id and h.user_id = $2
		       and g.state = 'granted' and g.until > clock_timestamp()
		     order by g.id desc limit 1) g on true
		 where t.tenant_id = $1`,
		[]any{string(tenant), string(user)},
		&st.Kind, &st.Tier, &st.Suspended, &st.Paused, &st.Authz, &st.Role, &st.Grant, &st.GrantRole, &st.Home)
	if fault.Is(err, fault.NotFound) {
		return st, missingTenant()
	}
	return st, err
}

func (s registryStore) Closure(ctx context.Context, tenant tenants.ID) (c registry.Closure, err error) {
	err = s.db.ask(ctx, pathResolve, "select "+closureColumns+` from tenants t left join tenants up on up.tenant_id = coalesce(t.suspended_by, t.parent_id)
		where t.tenant_id = $1`, []any{string(tenant)}, &c.Here, &c.Reason, &c.Ask)
	if fault.Is(err, fault.NotFound) {
		return c, missingTenant()
	}
	return c, err
}

// closureColumns are what people of t may know of its suspension. up is the one
// that suspended it, or else the one directly above.
const closureColumns = "t.state = 'suspended' as here, case when t.state = 'suspended' then t.state_reason else '' end as reason, coalesce(up.name, '') as ask"

type placeRow struct {
	TenantID  string
	ParentID  string
	Ancestors []string `bun:",array"`
	Name      string
	Kind      string
	State     string
	Role      string
	Here      bool
	Reason    string
	Ask       string
}

func (r placeRow) entry() registry.Entry {
	return registry.Entry{ID: tenants.ID(r.TenantID), Name: r.Name, Kind: tenants.Kind(r.Kind), State: registry.State(r.State)}
}

func (s registryStore) Mine(ctx context.Context, user tenants.UserID) ([]registry.Place, error) {
	var rows []placeRow
	err := s.db.system(ctx, pathMine, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`
			select t.tenant_id, coalesce(t.parent_id, '') as parent_id, t.ancestors, t.name, t.kind, m.role,
			       case when exists (select from tenants a where a.tenant_id = any (t.ancestors) and a.state = 'suspended')
			            then 'suspended' else 'active' end as state, `+closureColumns+`
			  from memberships m join tenants t on t.tenant_id = m.tenant_id left join tenants up on up.tenant_id = coalesce(t.suspended_by, t.parent_id)
			 where m.user_id = ? order by t.name, t.tenant_id`, string(user)).Scan(ctx, &rows)
	})
	out := make([]registry.Place, len(rows))
	for i, r := range rows {
		out[i] = registry.Place{Entry: r.entry(), Parent: tenants.ID(r.ParentID), Path: as[tenants.ID](r.Ancestors), Role: tenants.Role(r.Role)}
		if out[i].State == registry.Suspended {
			out[i].Closure = registry.Closure{Here: r.Here, Reason: r.Reason, Ask: r.Ask}
		}
	}
	return out, err
}

func (s registryStore) Children(ctx context.Context, parent, after tenants.ID, limit int) ([]registry.Entry, error) {
	var rows []placeRow
	err := s.db.system(ctx, pathChildren, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`select tenant_id, name, kind, state from tenants
			where parent_id = ? and tenant_id > ? order by tenant_id limit ?`, string(parent), string(after), limit).Scan(ctx, &rows)
	})
	out := make([]registry.Entry, len(rows))
	for i, r := range rows {
		out[i] = r.entry()
	}
	return out, err
}

// operatorLock makes those who would create the operator take turns.
const operatorLock = 7_226_032

func (s registryStore) Create(ctx context.Context, t *registry.Tenant, owner registry.Member, e audit.Entry) error {
	if err := t.Check(); err != nil {
		return err
	}
	row := tenantToRow(t)
	row.AuthzVersion, row.Version = 1, 1
	err := s.db.systemIn(ctx, pathCreate, t.ID, func(ctx context.Context, tx tx) (err error) {
		above, err := ancestorsOf(ctx, tx, t.Parent)
		if err != nil {
			return err
		}
		row.Ancestors = append(above, string(t.ID))
		if _, err = tx.NewInsert().Model(row).Exec(ctx); err != nil {
			return err
		}
		m := memberToRow(&owner)
		m.Version = 1
		if _, err = tx.NewInsert().Model(m).Exec(ctx); err != nil {
			return err
		}
		if t.Parent != "" {
			if err = tx.recordIn(ctx, t.Parent, e); err != nil {
				return err
			}
		}
		return tx.Record(ctx, e)
	})
	if err != nil {
		return err
	}
	t.Ancestors, t.Authz, t.Version = as[tenants.ID](row.Ancestors), 1, 1
	return nil
}

// ancestorsOf is parent's path from the root, held so that nobody suspends it
// under the child that is being created.
func ancestorsOf(ctx context.Context, tx tx, parent tenants.ID) ([]string, error) {
	if parent == "" {
		var exists bool
		if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock(?)", operatorLock); err != nil {
			return nil, err
		}
		if err := tx.NewRaw("select exists (select from tenants where kind = 'operator')").Scan(ctx, &exists); err != nil {
			return nil, err
		}
		if exists {
			return nil, fault.New(fault.Conflict, "tenant.operator_exists", "This installation has an operator.")
		}
		return nil, nil
	}
	var row tenantRow
	var closed bool
	err := tx.NewSelect().Model(&row).Where("tenant_id = ?", string(parent)).For("share").Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, missingTenant()
	}
	if err != nil {
		return nil, err
	}
	err = tx.NewRaw("select exists (select from tenants where tenant_id in (?) and state = 'suspended')", bun.List(row.Ancestors)).Scan(ctx, &closed)
	if err == nil && closed {
		return nil, fault.New(fault.Conflict, "tenant.suspended_above", "Nothing can be created below a suspended tenant.")
	}
	return row.Ancestors, err
}

func (s registryStore) Operator(ctx context.Context) (root tenants.ID, err error) {
	err = s.db.ask(ctx, pathOperator, "select tenant_id from tenants where kind = 'operator'", nil, &root)
	return root, err
}

func (s registryStore) SetState(ctx context.Context, parent, child tenants.ID, state registry.State, reason string, e audit.Entry) error {
	if !child.Valid() {
		return missingTenant()
	}
	return s.db.systemIn(ctx, pathSuspend, child, func(ctx context.Context, tx tx) error {
		err := tx.tellTenant(ctx, "update tenants set state = $1, state_reason = $2, suspended_by = case when $1 = 'suspended' then parent_id end, "+regraded+
			" where tenant_id = $3 and parent_id = $4 and coalesce(suspended_by, parent_id) = parent_id", string(state), reason, string(child), string(parent))
		if errors.Is(err, sql.ErrNoRows) {
			return closedAbove(ctx, tx, parent, child)
		}
		if err != nil {
			return err
		}
		return errors.Join(tx.recordIn(ctx, parent, e), tx.recordIn(ctx, child, e))
	})
}

// closedAbove says why parent cannot open or close child.
func closedAbove(ctx context.Context, tx tx, parent, child tenants.ID) error {
	var name string
	err := tx.NewRaw(`select up.name from tenants t join tenants up on up.tenant_id = t.suspended_by
		where t.tenant_id = ? and t.parent_id = ?`, string(child), string(parent)).Scan(ctx, &name)
	if err := one(err, missingTenant); err != nil {
		return err
	}
	return registry.SuspendedAbove(name)
}
