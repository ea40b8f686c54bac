package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

type registryTx struct{ tx }

func (tx registryTx) Tenant(ctx context.Context) (*registry.Tenant, error) {
	var r tenantRow
	if err := one(tx.find(&r).Scan(ctx), missingTenant); err != nil {
		return nil, err
	}
	r.ID = string(tx.tenant) // no query selects it: see tenantRow
	return r.tenant(), nil
}

func (tx registryTx) SaveTenant(ctx context.Context, t *registry.Tenant) error {
	if err := t.Check(); err != nil {
		return err
	}
	r := tenantToRow(t)
	r.Version++
	res, err := tx.change(r).Column("name", "settings", "paused", "paused_reason", "version", "updated_at").
		Where("version = ?", t.Version).Exec(ctx)
	if err := hit(res, err, staleTenant); err != nil {
		return err
	}
	t.Version++
	return tx.emit(ctx, registry.EventUpdated, string(tx.tenant), t.Told())
}

type memberRow struct {
	bun.BaseModel `bun:"table:memberships"`

	UserID    string    `bun:"user_id"`
	Role      string    `bun:"role"`
	GrantedBy string    `bun:"granted_by"`
	Version   int       `bun:"version"`
	CreatedAt time.Time `bun:"created_at"`
	UpdatedAt time.Time `bun:"updated_at"`
}

func memberToRow(m *registry.Member) *memberRow {
	return &memberRow{
		UserID: string(m.User), Role: string(m.Role), GrantedBy: m.GrantedBy,
		Version: m.Version, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

func (r *memberRow) member() registry.Member {
	return registry.Member{
		User: tenants.UserID(r.UserID), Role: tenants.Role(r.Role), GrantedBy: r.GrantedBy,
		Version: r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

func (tx registryTx) Member(ctx context.Context, user tenants.UserID) (*registry.Member, error) {
	var r memberRow
	if err := one(tx.find(&r).Where("user_id = ?", string(user)).Scan(ctx), missingMember); err != nil {
		return nil, err
	}
	m := r.member()
	return &m, nil
}

func (tx registryTx) Members(ctx context.Context, after tenants.UserID, limit int) ([]registry.Member, error) {
	var rows []memberRow
	if err := tx.find(&rows).Where("user_id > ?", string(after)).Order("user_id").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, err
	}
	out := make([]registry.Member, len(rows))
	for i := range rows {
		out[i] = rows[i].member()
	}
	return out, nil
}

// Owners is that of every Tx that has one: the people whose the tenant is.
func (tx tx) Owners(ctx context.Context) (all []tenants.UserID, err error) {
	err = tx.find((*memberRow)(nil)).Column("user_id").Where("role = ?", string(tenants.Owner)).Order("user_id").Scan(ctx, &all)
	return all, err
}

func (tx registryTx) SaveMember(ctx context.Context, m *registry.Member) error {
	r := memberToRow(m)
	r.Version++
	if m.Version == 0 {
		if _, err := tx.NewInsert().Model(r).Exec(ctx); err != nil {
			return err
		}
	} else {
		res, err := tx.change(r).Column("role", "granted_by", "version", "updated_at").
			Where("user_id = ?", r.UserID).Where("version = ?", m.Version).Exec(ctx)
		if err := hit(res, err, staleMember); err != nil {
			return err
		}
	}
	m.Version++
	return tx.emit(ctx, registry.EventMember, string(m.User), registry.ToldMember{Role: m.Role})
}

func (tx registryTx) RemoveMember(ctx context.Context, user tenants.UserID) error {
	res, err := tx.remove((*memberRow)(nil)).Where("user_id = ?", string(user)).Exec(ctx)
	if err := hit(res, err, missingMember); err != nil {
		return err
	}
	if _, err = tx.remove((*offerRow)(nil)).Where("to_user = ? or from_user = ?", string(user), string(user)).Exec(ctx); err != nil {
		return err
	}
	return tx.emit(ctx, registry.EventMember, string(user), registry.ToldMember{})
}

type roleRow struct {
	bun.BaseModel `bun:"table:roles"`

	Name      string    `bun:"name"`
	Title     string    `bun:"title"`
	Actions   []string  `bun:"actions,array"`
	Version   int       `bun:"version"`
	CreatedAt time.Time `bun:"created_at"`
	UpdatedAt time.Time `bun:"updated_at"`
}

func (r *roleRow) role() registry.Role {
	return registry.Role{
		Name: r.Name, Title: r.Title, Actions: as[tenants.Action](r.Actions),
		Version: r.Version, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

func (tx registryTx) Role(ctx context.Context, name string) (*registry.Role, error) {
	var r roleRow
	if err := one(tx.find(&r).Where("name = ?", name).Scan(ctx), missingRole); err != nil {
		return nil, err
	}
	role := r.role()
	return &role, nil
}

func (tx registryTx) Roles(ctx context.Context) ([]registry.Role, error) {
	var rows []roleRow
	if err := tx.find(&rows).Order("name").Scan(ctx); err != nil {
		return nil, err
	}
	out := make([]registry.Role, len(rows))
	for i := range rows {
		out[i] = rows[i].role()
	}
	return out, nil
}

func (tx registryTx) SaveRole(ctx context.Context, role *registry.Role) error {
	if err := role.Check(); err != nil {
		return err
	}
	r := &roleRow{
		Name: role.Name, Title: role.Title, Actions: texts(role.Actions),
		Version: role.Version + 1, CreatedAt: role.CreatedAt, UpdatedAt: role.UpdatedAt,
	}
	if role.Version == 0 {
		if _, err := tx.NewInsert().Model(r).Exec(ctx); err != nil {
			return err
		}
	} else {
		res, err := tx.change(r).Column("title", "actions", "version", "updated_at").
			Where("name = ?", r.Name).Where("version = ?", role.Version).Exec(ctx)
		if err := hit(res, err, staleRole); err != nil {
			return err
		}
	}
	role.Version++
	return nil
}

func missingTenant() *fault.Error {
	return fault.New(fault.NotFound, "tenant.not_found", "There is no such tenant.")
}

func missingMember() *fault.Error {
	return fault.New(fault.NotFound, "member.not_found", "There is no such member.")
}

func missingRole() *fault.Error {
	return fault.New(fault.NotFound, "role.not_found", "There is no such role.")
}

func staleTenant() *fault.Error {
	return fault.New(fault.Conflict, "tenant.stale", "Someone else changed this tenant. Reload it and try again.")
}

func staleMember() *fault.Error {
	return fault.New(fault.Conflict, "member.stale", "Someone else changed this member. Reload it and try again.")
}

func staleRole() *fault.Error {
	return fault.New(fault.Conflict, "role.stale", "Someone else changed this role. Reload it and try again.")
}

// one turns "no rows" into what is missing.
func one(err error, missing func() *fault.Error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing().Because(err)
	}
	return err
}

// hit turns a statement that touched no row into what that means.
func hit(res sql.Result, err error, otherwise func() *fault.Error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return otherwise()
	}
	return err
}

// texts and as change between a slice of a string type and plain strings. The
// former is never nil, which bun would write as NULL.
func texts[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

func as[T ~string](in []string) []T {
	out := make([]T, len(in))
	for i, s := range in {
		out[i] = T(s)
	}
	return out
}
