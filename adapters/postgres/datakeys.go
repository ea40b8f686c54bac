package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/tenants"
)

// DataKeys is the vault.Keys in this database.
func (db *DB) DataKeys() vault.Keys { return keyStore{db} }

type keyStore struct{ db *DB }

// dataKeyRow is a row of tenant_keys.
type dataKeyRow struct {
	bun.BaseModel `bun:"table:tenant_keys,alias:k"`

	Number  int    `bun:"number"`
	Version int    `bun:"kek_version"` // the number of a master key; 0: another keeper's
	Key     string `bun:"kek,nullzero"`
	Wrapped []byte `bun:"wrapped"`
}

func toDataKeyRow(k vault.DataKey) *dataKeyRow {
	r := &dataKeyRow{Number: k.Number, Key: k.Key, Wrapped: k.Bytes}
	if number, ours := strings.CutPrefix(k.Key, "master/"); ours {
		r.Version, _ = strconv.Atoi(number) // for processes that do not know of names yet
	}
	return r
}

// wrapper is the name of the key that wrapped a row. Before keys had names they
// were the numbers of master keys.
const wrapper = "coalesce(k.kek, 'master/' || k.kek_version::text)"

func (s keyStore) Keys(ctx context.Context, t tenants.ID) (out []vault.DataKey, err error) {
	var rows []dataKeyRow
	err = s.db.view(ctx, t, func(ctx context.Context, tx tx) error {
		return tx.find(&rows).Column("number", "wrapped").ColumnExpr(wrapper + " as kek").OrderExpr("k.number").Scan(ctx)
	})
	for _, r := range rows {
		out = append(out, vault.DataKey{Number: r.Number, Wrapped: kms.Wrapped{Key: r.Key, Bytes: r.Wrapped}})
	}
	return out, err
}

func (s keyStore) AddKey(ctx context.Context, t tenants.ID, k vault.DataKey) error {
	return s.db.update(ctx, t, func(ctx context.Context, tx tx) error {
		_, err := tx.NewInsert().Model(toDataKeyRow(k)).Exec(ctx)
		return err
	})
}

func (s keyStore) OldKeys(ctx context.Context, current string, limit int) (out []vault.OldKey, err error) {
	var rows []struct {
		TenantID string
		Number   int
		Kek      string
		Wrapped  []byte
	}
	err = s.db.system(ctx, pathRewrap, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`select k.tenant_id, k.number, `+wrapper+` as kek, k.wrapped from tenant_keys k
			where `+wrapper+` <> ? order by k.tenant_id, k.number limit ?`, current, limit).Scan(ctx, &rows)
	})
	for _, r := range rows {
		out = append(out, vault.OldKey{
			Tenant: tenants.ID(r.TenantID), DataKey: vault.DataKey{Number: r.Number, Wrapped: kms.Wrapped{Key: r.Kek, Bytes: r.Wrapped}},
		})
	}
	return out, err
}

func (s keyStore) Rewrap(ctx context.Context, k vault.OldKey, w kms.Wrapped) error {
	next := toDataKeyRow(vault.DataKey{Number: k.Number, Wrapped: w})
	return s.db.systemIn(ctx, pathRewrap, k.Tenant, func(ctx context.Context, tx tx) error {
		res, err := tx.change((*dataKeyRow)(nil)).Set("kek_version = ?, kek = ?, wrapped = ?", next.Version, next.Key, next.Wrapped).
			Where("k.number = ? and "+wrapper+" = ? and k.wrapped = ?", k.Number, k.Key, k.Bytes).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fault.New(fault.Conflict, "vault.stale", "Someone else changed this key in the meantime.").Because(err)
		}
		return nil
	})
}

func (s keyStore) Destroy(ctx context.Context, t tenants.ID) error {
	return s.db.systemIn(ctx, pathRewrap, t, func(ctx context.Context, tx tx) error {
		// Nobody is adding one now, see admit_key, and from now on nobody can.
		if _, err := tx.NewRaw("select pg_advisory_xact_lock(hashtext('tenant_keys'))").Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewRaw("insert into destroyed_keys default values on conflict do nothing").Exec(ctx); err != nil {
			return err
		}
		_, err := tx.remove((*dataKeyRow)(nil)).Where("true").Exec(ctx)
		return err
	})
}
