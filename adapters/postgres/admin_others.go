package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func missingOperator() *fault.Error {
	return fault.New(fault.NotFound, "operator.not_found", "There is no such operator.")
}

func notThere(what string) func() *fault.Error {
	return func() *fault.Error { return admin.Missing(what) }
}

const personSQL = `select id, email, name, coalesce(home_tenant, ''), created_at, coalesce(suspended_at, '0001-01-01'), suspended_reason from users `

func personOf(row pgx.CollectableRow) (u admin.User, err error) {
	err = row.Scan(&u.ID, &u.Email, &u.Name, &u.Home, &u.CreatedAt, &u.SuspendedAt, &u.Reason)
	if u.SuspendedAt.Year() < 2 {
		u.SuspendedAt = time.Time{}
	}
	return u, err
}

func (tx adminTx) Users(ctx context.Context, q admin.Search) ([]admin.User, error) {
	return collected(ctx, tx.tx, personOf, personSQL+`where id > $1
		and ($2 = '' or id = $2 or starts_with(email, lower($2)) or position(lower($2) in lower(name)) > 0) order by id limit $3`, q.After, q.Text, q.Limit)
}

func (tx adminTx) User(ctx context.Context, id tenants.UserID) (*admin.User, error) {
	found, err := collected(ctx, tx.tx, personOf, personSQL+"where id = $1", string(id))
	if err != nil || len(found) == 0 {
		return nil, one(orNone(err), notThere("user"))
	}
	return &found[0], nil
}

// orNone is the driver's word for an answer without rows.
func orNone(err error) error {
	if err == nil {
		return pgx.ErrNoRows
	}
	return err
}

func (tx adminTx) Seats(ctx context.Context, id tenants.UserID) ([]admin.Seat, error) {
	return collected(ctx, tx.tx, pgx.RowToStructByPos[admin.Seat], `select t.tenant_id, t.name, t.kind, m.role
		from memberships m join tenants t using (tenant_id) where m.user_id = $1 order by t.name, t.tenant_id limit 1000`, string(id))
}

func (tx adminTx) SuspendUser(ctx context.Context, u *admin.User) error {
	res, err := tx.NewRaw("update users set suspended_at = ?, suspended_reason = ? where id = ?", bun.NullTime{Time: u.SuspendedAt}, u.Reason, string(u.ID)).Exec(ctx)
	if err := hit(res, err, notThere("user")); err != nil || u.SuspendedAt.IsZero() {
		return err
	}
	_, err = tx.NewRaw("delete from sessions where user_id = ?", string(u.ID)).Exec(ctx)
	return err
}

const nodeSQL = `select t.tenant_id, coalesce(t.parent_id, ''), t.kind, t.name, coalesce(t.tier, ''), t.state = 'suspended', t.state_reason, t.created_at,
	       g.tier, coalesce(g.was, ''), coalesce(g.reason, ''), coalesce(g.granted_by, ''), g.granted_at, g.until
	  from tenants t left join tier_grants g using (tenant_id) `

func nodeOf(row pgx.CollectableRow) (t admin.Tenant, err error) {
	var g admin.Grant
	var tier *string
	var at, until *time.Time
	err = row.Scan(&t.ID, &t.Parent, &t.Kind, &t.Name, &t.Tier, &t.Suspended, &t.Reason, &t.CreatedAt, &tier, &g.Was, &g.Reason, &g.By, &at, &until)
	if err == nil && tier != nil {
		g.Tenant, g.Tier, g.At, g.Until = t.ID, tenants.Tier(*tier), at.UTC(), until.UTC()
		t.Grant = &g
	}
	return t, err
}

func (tx adminTx) Tenants(ctx context.Context, q admin.Search) ([]admin.Tenant, error) {
	return collected(ctx, tx.tx, nodeOf, nodeSQL+`where t.tenant_id > $1 and ($2 = '' or t.kind = $2)
		and ($3 = '' or t.tenant_id = $3 or position(lower($3) in lower(t.name)) > 0) order by t.tenant_id limit $4`, q.After, string(q.Kind), q.Text, q.Limit)
}

func (tx adminTx) Tenant(ctx context.Context, id tenants.ID) (*admin.Tenant, error) {
	lock := ""
	if tx.lock != "" {
		lock = " for update of t"
	}
	found, err := collected(ctx, tx.tx, nodeOf, nodeSQL+"where t.tenant_id = $1"+lock, string(id))
	if err != nil || len(found) == 0 {
		return nil, one(orNone(err), missingTenant)
	}
	return &found[0], nil
}

// regraded is what every change of a tenant from above brings with it.
const regraded = "updated_at = now(), version = version + 1, authz_version = authz_version + 1"

func (tx adminTx) SuspendTenant(ctx context.Context, t *admin.Tenant) error {
	state := "active"
	if t.Suspended {
		state = "suspended"
	}
	return one(tx.tellTenant(ctx, "update tenants set state = $1, state_reason = $2, suspended_by = case when $1 = 'suspended' then ancestors[1] end, "+regraded+
		" where tenant_id = $3", state, t.Reason, string(t.ID)), missingTenant)
}

func (tx adminTx) SaveTier(ctx context.Context, t *admin.Tenant) error {
	err := one(tx.tellTenant(ctx, "update tenants set tier = nullif($1, ''), "+regraded+" where tenant_id = $2", string(t.Tier), string(t.ID)), missingTenant)
	if err != nil {
		return err
	}
	if g := t.Grant; g != nil {
		_, err = tx.NewRaw(`insert into tier_grants (tenant_id, tier, was, reason, granted_by, granted_at, until) values (?, ?, nullif(?, ''), ?, ?, ?, ?)
			on conflict (tenant_id) do update set tier = excluded.tier, was = excluded.was, reason = excluded.reason,
			  granted_by = excluded.granted_by, granted_at = excluded.granted_at, until = excluded.until`,
			string(t.ID), string(g.Tier), string(g.Was), g.Reason, g.By, g.At, g.Until).Exec(ctx)
		return err
	}
	_, err = tx.NewRaw("delete from tier_grants where tenant_id = ?", string(t.ID)).Exec(ctx)
	return err
}

func (tx adminTx) DueGrants(ctx context.Context, now time.Time) ([]tenants.ID, error) {
	return collected(ctx, tx.tx, pgx.RowTo[tenants.ID], "select tenant_id from tier_grants where until <= $1 order by until limit 100", now)
}

func (tx adminTx) RoleOf(ctx context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Role, error) {
	found, err := collected(ctx, tx.tx, pgx.RowTo[tenants.Role], `select m.role from memberships m join users u on u.id = m.user_id
		where m.tenant_id = $1 and m.user_id = $2 and u.suspended_at is null`, string(tenant), string(user))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}
