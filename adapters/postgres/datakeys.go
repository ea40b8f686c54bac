package postgres

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
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
	r.Version, _ = vault.KeyNumber(k.Key) // for processes that do not know of names yet
	return r
}

// wrapper is the name of the key that wrapped a row. Before keys had names they
// were the numbers of master keys.
const wrapper = "coalesce(k.kek, '" + vault.MasterPrefix + "' || k.kek_version::text)"

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
		return hit(res, err, staleKey)
	})
}

func (s keyStore) Destroy(ctx context.Context, t tenants.ID) error {
	return s.db.systemIn(ctx, pathRewrap, t, func(ctx context.Context, tx tx) error {
		// Nobody is adding one now, see admit_key, and from now on nobody can.
		if err := aloneWithKeys(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.NewRaw("insert into destroyed_keys default values on conflict do nothing").Exec(ctx); err != nil {
			return err
		}
		_, err := tx.remove((*dataKeyRow)(nil)).Where("true").Exec(ctx)
		return err
	})
}

func (s keyStore) Kept(ctx context.Context, name string) (w kms.Wrapped, err error) {
	err = s.db.ask(ctx, pathRewrap, "select kek, wrapped from kept_keys where name = $1", []any{name}, &w.Key, &w.Bytes)
	return w, err
}

func (s keyStore) Keep(ctx context.Context, name string, w kms.Wrapped) (kms.Wrapped, error) {
	err := s.db.system(ctx, pathRewrap, func(ctx context.Context, tx tx) error {
		_, err := tx.NewRaw("insert into kept_keys (name, kek, wrapped) values (?, ?, ?) on conflict do nothing", name, w.Key, w.Bytes).Exec(ctx)
		return err
	})
	if err != nil {
		return kms.Wrapped{}, err
	}
	return s.Kept(ctx, name)
}

func (s keyStore) RewrapKept(ctx context.Context, name string, was, w kms.Wrapped) error {
	return s.db.system(ctx, pathRewrap, func(ctx context.Context, tx tx) error {
		res, err := tx.NewRaw("update kept_keys set kek = ?, wrapped = ? where name = ? and kek = ? and wrapped = ?",
			w.Key, w.Bytes, name, was.Key, was.Bytes).Exec(ctx)
		return hit(res, err, staleKey)
	})
}

func staleKey() *fault.Error {
	return fault.New(fault.Conflict, "vault.stale", "Someone else changed this key in the meantime.")
}

// wrappedBy is every wrapped key by what wraps it.
const wrappedBy = "(select " + wrapper + " as kek from tenant_keys k union all select kek from kept_keys)"

func (s keyStore) WrappedBy(ctx context.Context) (map[string]int, error) {
	var rows []struct {
		Kek string
		N   int
	}
	err := s.db.system(ctx, pathRewrap, func(ctx context.Context, tx tx) error {
		return tx.NewRaw("select kek, count(*) as n from "+wrappedBy+" w group by kek").Scan(ctx, &rows)
	})
	out := map[string]int{}
	for _, r := range rows {
		out[r.Kek] = r.N
	}
	return out, err
}

func (s keyStore) Retire(ctx context.Context, key string) error {
	return s.db.system(ctx, pathRewrap, func(ctx context.Context, tx tx) error {
		if err := aloneWithKeys(ctx, tx); err != nil {
			return err
		}
		var n int
		if err := tx.NewRaw("select count(*) from "+wrappedBy+" w where kek = ?", key).Scan(ctx, &n); err != nil {
			return err
		}
		if n > 0 {
			return fault.New(fault.Conflict, "vault.in_use", "%d keys are still wrapped by it. Rotate first.", n)
		}
		_, err := tx.NewRaw("insert into retired_keys (kek) values (?) on conflict do nothing", key).Exec(ctx)
		return err
	})
}

func (s keyStore) Retired(ctx context.Context) (out []string, err error) {
	err = s.db.system(ctx, pathRewrap, func(ctx context.Context, tx tx) error {
		return tx.NewRaw("select kek from retired_keys order by kek").Scan(ctx, &out)
	})
	return out, err
}

// RecordForOperator writes e in the operator's book: what is done to the
// installation's keys from a shell.
func (db *DB) RecordForOperator(ctx context.Context, e audit.Entry) error {
	return db.system(ctx, pathRewrap, func(ctx context.Context, tx tx) error { return tx.recordIn(ctx, "", e) })
}

// aloneWithKeys waits until nobody adds a key, see admit_key, and keeps others
// from it until the transaction ends.
func aloneWithKeys(ctx context.Context, tx tx) error {
	_, err := tx.NewRaw("select pg_advisory_xact_lock(hashtext('tenant_keys'))").Exec(ctx)
	return err
}
