package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
)

// Keys is the identity.KeyStore in this database.
func (db *DB) Keys() identity.KeyStore { return keys{db} }

type keys struct{ db *DB }

func (s keys) View(ctx context.Context, who tenants.ID, fn func(identity.KeyTx) error) error {
	return s.db.view(ctx, who, func(_ context.Context, tx tx) error { return fn(keyTx{tx}) })
}

func (s keys) Update(ctx context.Context, who tenants.ID, fn func(identity.KeyTx) error) error {
	return s.db.update(ctx, who, func(ctx context.Context, tx tx) error {
		if err := tx.inTurn(ctx, keyLock); err != nil {
			return err
		}
		return fn(keyTx{tx})
	})
}

func (s keys) Holder(ctx context.Context, id identity.KeyID) (*identity.Holder, error) {
	h := identity.Holder{Key: identity.Key{ID: id}}
	var hash []byte
	var scopes []string
	var expires, used, revoked *time.Time
	err := s.db.ask(ctx, pathKeyHolder, `
		select tenant_id, hash, name, scopes, created_by, role, api_version, created_at, expires_at, last_used_at, revoked_at
		  from api_keys where id = $1`, []any{string(id)},
		&h.Tenant, &hash, &h.Name, &scopes, &h.CreatedBy, &h.Role, &h.APIVersion, &h.CreatedAt, &expires, &used, &revoked)
	if err != nil {
		return nil, err
	}
	copy(h.Hash[:], hash)
	h.Scopes = actions(scopes)
	h.ExpiresAt, h.LastUsedAt, h.RevokedAt = moment(expires), moment(used), moment(revoked)
	return &h, nil
}

func (s keys) Touch(ctx context.Context, tenant tenants.ID, id identity.KeyID, at time.Time) error {
	return s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		_, err := tx.change((*keyRow)(nil)).Set("last_used_at = ?", at).Where("id = ?", string(id)).Exec(ctx)
		return err
	})
}

// moment is t, or the zero time for null.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func actions(names []string) []tenants.Action {
	list := make([]tenants.Action, len(names))
	for i, n := range names {
		list[i] = tenants.Action(n)
	}
	return list
}

type keyRow struct {
	bun.BaseModel `bun:"table:api_keys,alias:k"`

	ID         string    `bun:"id"`
	Name       string    `bun:"name"`
	Hash       []byte    `bun:"hash"`
	Scopes     []string  `bun:"scopes,array"`
	CreatedBy  string    `bun:"created_by"`
	Role       string    `bun:"role"`
	APIVersion string    `bun:"api_version"`
	CreatedAt  time.Time `bun:"created_at"`
	ExpiresAt  time.Time `bun:"expires_at,nullzero"`
	LastUsedAt time.Time `bun:"last_used_at,nullzero"`
	RevokedAt  time.Time `bun:"revoked_at,nullzero"`
}

func (r *keyRow) key() identity.Key {
	return identity.Key{
		ID: identity.KeyID(r.ID), Name: r.Name, Scopes: actions(r.Scopes), CreatedBy: tenants.UserID(r.CreatedBy),
		Role: tenants.Role(r.Role), APIVersion: r.APIVersion, CreatedAt: r.CreatedAt,
		ExpiresAt: r.ExpiresAt, LastUsedAt: r.LastUsedAt, RevokedAt: r.RevokedAt,
	}
}

type keyTx struct{ tx }

// keyLock makes changes of one tenant's keys take turns: there is a most of them.
const keyLock = 7_226_047

func (tx keyTx) Keys(ctx context.Context) ([]identity.Key, error) {
	var rows []keyRow
	if err := tx.find(&rows).Order("id desc").Scan(ctx); err != nil {
		return nil, err
	}
	list := make([]identity.Key, len(rows))
	for i := range rows {
		list[i] = rows[i].key()
	}
	return list, nil
}

func (tx keyTx) Key(ctx context.Context, id identity.KeyID) (*identity.Key, error) {
	var r keyRow
	if err := tx.find(&r).Where("id = ?", string(id)).Scan(ctx); err != nil {
		return nil, found(err)
	}
	k := r.key()
	return &k, nil
}

func (tx keyTx) AddKey(ctx context.Context, k *identity.Key, hash identity.Hash) error {
	scopes := make([]string, len(k.Scopes))
	for i, a := range k.Scopes {
		scopes[i] = string(a)
	}
	_, err := tx.NewInsert().Model(&keyRow{
		ID: string(k.ID), Name: k.Name, Hash: hash[:], Scopes: scopes, CreatedBy: string(k.CreatedBy), Role: string(k.Role),
		APIVersion: k.APIVersion, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, LastUsedAt: k.LastUsedAt, RevokedAt: k.RevokedAt,
	}).Exec(ctx)
	return err
}

func (tx keyTx) EndKey(ctx context.Context, k *identity.Key) error {
	return touched(tx.change((*keyRow)(nil)).Set("expires_at = ?", k.ExpiresAt).Where("id = ?", string(k.ID)).Exec(ctx))
}

func (tx keyTx) RevokeKey(ctx context.Context, k *identity.Key) error {
	return touched(tx.change((*keyRow)(nil)).Set("revoked_at = ?", k.RevokedAt).Where("id = ?", string(k.ID)).Exec(ctx))
}
