package postgres

import (
	"context"
	"database/sql"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
)

type sessionRow struct {
	bun.BaseModel `bun:"table:sessions,alias:s"`

	ID        string    `bun:"id,pk"`
	User      string    `bun:"user_id"`
	Name      string    `bun:"name"`
	Agent     string    `bun:"agent"`
	Address   string    `bun:"address"`
	Device    []byte    `bun:"device"`
	CreatedAt time.Time `bun:"created_at"`
	SeenAt    time.Time `bun:"seen_at"`
	ExpiresAt time.Time `bun:"expires_at"`
	Methods   []string  `bun:"methods,array"`
	ProvenAt  time.Time `bun:"authenticated_at"`
}

func rowOf(s *identity.Session) *sessionRow {
	return &sessionRow{
		ID: string(s.ID), User: string(s.User), Name: s.Name, Agent: s.Agent, Address: s.Address, Device: s.Device[:],
		CreatedAt: s.CreatedAt, SeenAt: s.SeenAt, ExpiresAt: s.ExpiresAt, Methods: texts(s.Methods), ProvenAt: s.AuthenticatedAt,
	}
}

func (r *sessionRow) session() identity.Session {
	return identity.Session{
		ID: identity.SessionID(r.ID), User: tenants.UserID(r.User), Name: r.Name, Agent: r.Agent, Address: r.Address, Device: hashFrom(r.Device),
		CreatedAt: r.CreatedAt, SeenAt: r.SeenAt, ExpiresAt: r.ExpiresAt, Methods: as[identity.Method](r.Methods), AuthenticatedAt: r.ProvenAt,
	}
}

// hashFrom is a hash from its column; empty bytes are the zero hash.
func hashFrom(b []byte) (h identity.Hash) {
	copy(h[:], b)
	return h
}

func (tx identityTx) AddSession(ctx context.Context, s *identity.Session) error {
	var out bool // somebody who is suspended begins no session, whichever way they came
	err := tx.NewRaw("select exists (select from users where id = ? and suspended_at is not null)", string(s.User)).Scan(ctx, &out)
	if err == nil && out {
		err = suspendedUser()
	}
	if err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(rowOf(s)).Exec(ctx)
	return err
}

func (tx identityTx) Session(ctx context.Context, id identity.SessionID) (*identity.Session, error) {
	var r sessionRow
	q := tx.NewSelect().Model(&r).Where("id = ?", string(id))
	if tx.lock != "" {
		q = q.For(tx.lock)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, found(err)
	}
	s := r.session()
	return &s, nil
}

func (tx identityTx) Sessions(ctx context.Context, user tenants.UserID, now time.Time) ([]identity.Session, error) {
	var rows []sessionRow
	err := tx.NewSelect().Model(&rows).Where("user_id = ? and expires_at > ?", string(user), now).Order("id desc").Scan(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]identity.Session, len(rows))
	for i := range rows {
		list[i] = rows[i].session()
	}
	return list, nil
}

func (tx identityTx) SaveSession(ctx context.Context, s *identity.Session) error {
	return touched(tx.NewUpdate().Model(rowOf(s)).Column("name", "agent", "address", "seen_at", "expires_at", "methods", "authenticated_at").WherePK().Exec(ctx))
}

func (tx identityTx) EndSession(ctx context.Context, user tenants.UserID, id identity.SessionID) error {
	return touched(tx.NewRaw("delete from sessions where id = ? and user_id = ?", string(id), string(user)).Exec(ctx))
}

func (tx identityTx) EndSessions(ctx context.Context, user tenants.UserID, keep identity.SessionID) error {
	_, err := tx.NewRaw("delete from sessions where user_id = ? and id <> ?", string(user), string(keep)).Exec(ctx)
	return err
}

func (tx identityTx) AddRefresh(ctx context.Context, r *identity.RefreshToken) error {
	_, err := tx.NewRaw("insert into refresh_tokens (hash, session_id, used_at, used_by) values (?, ?, ?, ?)",
		r.Hash[:], string(r.Session), bun.NullTime{Time: r.UsedAt}, r.UsedBy).Exec(ctx)
	return err
}

func (tx identityTx) Refresh(ctx context.Context, hash identity.Hash) (*identity.RefreshToken, error) {
	r := identity.RefreshToken{Hash: hash}
	var used sql.NullTime
	err := tx.NewRaw("select session_id, used_at, used_by from refresh_tokens where hash = ?", hash[:]).Scan(ctx, &r.Session, &used, &r.UsedBy)
	if err != nil {
		return nil, found(err)
	}
	r.UsedAt = used.Time
	return &r, nil
}

func (tx identityTx) SaveRefresh(ctx context.Context, r *identity.RefreshToken) error {
	return touched(tx.NewRaw("update refresh_tokens set used_at = ?, used_by = ? where hash = ?",
		bun.NullTime{Time: r.UsedAt}, r.UsedBy, r.Hash[:]).Exec(ctx))
}
