package postgres

import (
	"context"
	"database/sql"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
)

type externalRow struct {
	bun.BaseModel `bun:"table:externals,alias:e"`

	ID        string       `bun:"id"`
	User      string       `bun:"user_id"`
	Provider  string       `bun:"provider"`
	Issuer    string       `bun:"issuer"`
	Subject   string       `bun:"subject"`
	Email     string       `bun:"email"`
	CreatedAt time.Time    `bun:"created_at"`
	UsedAt    sql.NullTime `bun:"used_at"`
}

func (r externalRow) external() identity.External {
	return identity.External{
		ID: identity.ExternalID(r.ID), User: tenants.UserID(r.User), Provider: r.Provider, Issuer: r.Issuer, Subject: r.Subject,
		Email: r.Email, CreatedAt: r.CreatedAt, UsedAt: r.UsedAt.Time,
	}
}

func (tx identityTx) External(ctx context.Context, issuer, subject string) (*identity.External, error) {
	var r externalRow
	if err := tx.NewSelect().Model(&r).Where("issuer = ? and subject = ?", issuer, subject).Scan(ctx); err != nil {
		return nil, found(err)
	}
	e := r.external()
	return &e, nil
}

// Externals locks the user, who is one, and not the rows, of which there may
// be none.
func (tx identityTx) Externals(ctx context.Context, user tenants.UserID) ([]identity.External, error) {
	if tx.lock != "" {
		if _, err := tx.NewRaw("select 1 from users where id = ? for update", string(user)).Exec(ctx); err != nil {
			return nil, err
		}
	}
	var rows []externalRow
	if err := tx.NewSelect().Model(&rows).Where("user_id = ?", string(user)).Order("id").Scan(ctx); err != nil {
		return nil, err
	}
	list := make([]identity.External, len(rows))
	for i, r := range rows {
		list[i] = r.external()
	}
	return list, nil
}

func (tx identityTx) AddExternal(ctx context.Context, e *identity.External) error {
	_, err := tx.NewInsert().Model(&externalRow{
		ID: string(e.ID), User: string(e.User), Provider: e.Provider, Issuer: e.Issuer, Subject: e.Subject,
		Email: e.Email, CreatedAt: e.CreatedAt, UsedAt: sql.NullTime{Time: e.UsedAt, Valid: !e.UsedAt.IsZero()},
	}).Exec(ctx)
	return asFault(err)
}

func (tx identityTx) TouchExternal(ctx context.Context, id identity.ExternalID, at time.Time) error {
	return touched(tx.NewRaw("update externals set used_at = ? where id = ?", at, string(id)).Exec(ctx))
}

func (tx identityTx) RemoveExternal(ctx context.Context, user tenants.UserID, id identity.ExternalID) error {
	return touched(tx.NewRaw("delete from externals where id = ? and user_id = ?", string(id), string(user)).Exec(ctx))
}

func (tx identityTx) AddAttempt(ctx context.Context, a *identity.Attempt) error {
	_, err := tx.NewRaw("insert into sign_in_attempts (state, binder, provider, aim, user_id, session_id, expires_at) values (?, ?, ?, ?, ?, ?, ?)",
		a.State[:], a.Binder[:], a.Provider, string(a.Aim), string(a.User), string(a.Session), a.ExpiresAt).Exec(ctx)
	return err
}

func (tx identityTx) TakeAttempt(ctx context.Context, state, binder identity.Hash, now time.Time) (*identity.Attempt, error) {
	a := identity.Attempt{State: state, Binder: binder}
	err := tx.NewRaw(`delete from sign_in_attempts where state = ? and binder = ? and expires_at > ?
		returning provider, aim, user_id, session_id, expires_at`, state[:], binder[:], now).
		Scan(ctx, &a.Provider, &a.Aim, &a.User, &a.Session, &a.ExpiresAt)
	if err != nil {
		return nil, found(err)
	}
	return &a, nil
}
