package postgres

import (
	"context"
	"errors"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/registry"
)

type nearRoleRow struct {
	roleRow
	Inherited bool `bun:"inherited"`
}

// RolesFor looks at a workspace's agency through the system door: its roles
// count below, and nothing else of it shows.
func (s registryStore) RolesFor(ctx context.Context, tenant tenants.ID) ([]registry.Role, error) {
	var rows []nearRoleRow
	err := s.db.system(ctx, pathRoles, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`select distinct on (r.name) r.name, r.title, r.actions, r.version, r.created_at, r.updated_at, r.tenant_id <> t.tenant_id as inherited
			  from tenants t join roles r on r.tenant_id = t.tenant_id or t.kind = 'workspace' and r.tenant_id = t.parent_id
			 where t.tenant_id = ? order by r.name, inherited`, string(tenant)).Scan(ctx, &rows)
	})
	out := make([]registry.Role, len(rows))
	for i, r := range rows {
		out[i] = r.role()
		out[i].Inherited = r.Inherited
	}
	return out, err
}

// RemoveRole takes the turns of the tenant and of all workspaces in which the
// name means this role, so that nobody is given it meanwhile. The one that it
// is taken from comes first: it is in nobody else's way.
func (s registryStore) RemoveRole(ctx context.Context, tenant tenants.ID, name string, instead tenants.Role, e audit.Entry) error {
	return s.db.systemIn(ctx, pathRemoveRole, tenant, func(ctx context.Context, tx tx) error {
		res, err := tx.change((*tenantRow)(nil)).Set("authz_version = authz_version + 1").Where("tenant_id = ?", string(tenant)).Exec(ctx)
		if err := hit(res, err, missingRole); err != nil {
			return err
		}
		res, err = tx.remove((*roleRow)(nil)).Where("tenant_id = ?", string(tenant)).Where("name = ?", name).Exec(ctx)
		if err := hit(res, err, missingRole); err != nil {
			return err
		}
		var reach []string
		if err := tx.NewRaw(`update tenants t set authz_version = authz_version + 1
			 where t.tenant_id = ?0 or t.parent_id = ?0 and t.kind = 'workspace'
			       and not exists (select from roles r where r.tenant_id = t.tenant_id and r.name = ?1)
			returning t.tenant_id`, string(tenant), name).Scan(ctx, &reach); err != nil {
			return err
		}
		if err := replaceRole(ctx, tx, reach, "custom:"+name, instead, e); err != nil {
			return err
		}
		return tx.Record(ctx, e)
	})
}

func replaceRole(ctx context.Context, tx tx, reach []string, role string, instead tenants.Role, e audit.Entry) error {
	var held bool
	if err := tx.NewRaw(`select exists (select from memberships where tenant_id in (?0) and role = ?1)
		or exists (select from invitations where tenant_id in (?0) and role = ?1 and state = 'pending')`,
		bun.List(reach), role).Scan(ctx, &held); err != nil || !held {
		return err
	}
	if instead == "" {
		return fault.New(fault.Conflict, "role.in_use", "Somebody has this role or is invited with it. Say which one they get instead.")
	}
	var changed []struct { // an invited person has no user
		Tenant string `bun:"tenant_id"`
		User   string `bun:"user_id"`
	}
	if err := tx.NewRaw(`with m as (
			update memberships set role = ?2, granted_by = ?3, version = version + 1, updated_at = now() where tenant_id in (?0) and role = ?1 returning tenant_id, user_id),
		i as (
			update invitations set role = ?2, version = version + 1, updated_at = now() where tenant_id in (?0) and role = ?1 and state = 'pending' returning tenant_id)
		select tenant_id, user_id from m union select tenant_id, '' from i order by 1, 2`, bun.List(reach), role, string(instead), e.Actor).Scan(ctx, &changed); err != nil {
		return err
	}
	entered := tx.tenant
	for _, c := range changed {
		at := tenants.ID(c.Tenant)
		if at != entered && at != tx.tenant {
			if err := tx.recordIn(ctx, at, e); err != nil {
				return err
			}
		}
		entered = at
		if c.User == "" {
			continue
		}
		if err := tx.tell(ctx, at, registry.EventMember, c.User, registry.ToldMember{Role: instead}); err != nil {
			return err
		}
	}
	return nil
}

// tell emits an event of another tenant, in a transaction through the system
// door: whose rows are written is said for its statements alone.
func (tx tx) tell(ctx context.Context, tenant tenants.ID, eventType, subject string, data any) error {
	as := func(t tenants.ID) error {
		_, err := tx.pgx.Exec(ctx, "select set_config('app.tenant_id', $1, true)", string(t))
		return err
	}
	if err := as(tenant); err != nil {
		return err
	}
	there := tx
	there.tenant = tenant
	return errors.Join(there.emit(ctx, eventType, subject, data), as(tx.tenant))
}
