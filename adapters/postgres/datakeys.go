package postgres

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// DataKeys is the vault.Keys in this database.
func (db *DB) DataKeys() vault.Keys { return keyStore{db} }

type keyStore struct{ db *DB }

// dataKeyRow is a row of tenant_keys.
type dataKeyRow struct {
	bun.BaseModel `bun:"table:tenant_keys,alias:k"`

	Number  int    `bun:"number"`
	KEK     int    `bun:"kek_version"`
	Wrapped []byte `bun:"wrapped"`
}

func (s keyStore) Keys(ctx context.Context, t tenants.ID) (out []vault.DataKey, err error) {
	var rows []dataKeyRow
	err = s.db.view(ctx, t, func(ctx context.Context, tx tx) error {
		return tx.find(&rows).OrderExpr("k.number").Scan(ctx)
	})
	for _, r := range rows {
		out = append(out, vault.DataKey{Number: r.Number, KEK: r.KEK, Wrapped: r.Wrapped})
	}
	return out, err
}

func (s keyStore) AddKey(ctx context.Context, t tenants.ID, k vault.DataKey) error {
	return s.db.update(ctx, t, func(ctx context.Context, tx tx) error {
		_, err := tx.NewInsert().Model(&dataKeyRow{Number: k.Number, KEK: k.KEK, Wrapped: k.Wrapped}).Exec(ctx)
		return err
	})
}

func (s keyStore) OldKeys(ctx context.Context, version, limit int) (out []vault.OldKey, err error) {
	var rows []struct {
		TenantID string
		Number   int
		Kek      int
		Wrapped  []byte
	}
	err = s.db.system(ctx, pathRewrap, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`select tenant_id, number, kek_version as kek, wrapped from tenant_keys
			where kek_version <> ? order by tenant_id, number limit ?`, version, limit).Scan(ctx, &rows)
	})
	for _, r := range rows {
		out = append(out, vault.OldKey{
			Tenant: tenants.ID(r.TenantID), DataKey: vault.DataKey{Number: r.Number, KEK: r.Kek, Wrapped: r.Wrapped},
		})
	}
	return out, err
}

func (s keyStore) Rewrap(ctx context.Context, k vault.OldKey, kek int, wrapped []byte) error {
	return s.db.systemIn(ctx, pathRewrap, k.Tenant, func(ctx context.Context, tx tx) error {
		res, err := tx.change((*dataKeyRow)(nil)).Set("kek_version = ?, wrapped = ?", kek, wrapped).
			Where("k.number = ? and k.kek_version = ? and k.wrapped = ?", k.Number, k.KEK, k.Wrapped).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.Conflict, "vault.stale", "Someone else changed this key in the meantime.").Because(err)
		}
		return nil
	})
}
