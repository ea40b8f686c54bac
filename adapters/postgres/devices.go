package postgres

import (
	"context"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
)

func (tx identityTx) Device(ctx context.Context, hash identity.Hash, user tenants.UserID) (*identity.Device, error) {
	d := identity.Device{Hash: hash, User: user}
	err := tx.NewRaw("select seen_at from devices where user_id = ? and hash = ?", string(user), hash[:]).Scan(ctx, &d.SeenAt)
	if err != nil {
		return nil, found(err)
	}
	return &d, nil
}

func (tx identityTx) Devices(ctx context.Context, user tenants.UserID) (n int, err error) {
	err = tx.NewRaw("select count(*) from devices where user_id = ?", string(user)).Scan(ctx, &n)
	return n, err
}

func (tx identityTx) SaveDevice(ctx context.Context, d *identity.Device) error {
	_, err := tx.NewRaw(`insert into devices (user_id, hash, seen_at) values (?, ?, ?)
		on conflict (user_id, hash) do update set seen_at = excluded.seen_at`, string(d.User), d.Hash[:], d.SeenAt).Exec(ctx)
	return err
}

func (tx identityTx) ForgetDevice(ctx context.Context, hash identity.Hash, user tenants.UserID) error {
	_, err := tx.NewRaw("delete from devices where user_id = ? and hash = ?", string(user), hash[:]).Exec(ctx)
	return err
}

func (tx identityTx) ForgetDevices(ctx context.Context, user tenants.UserID, keep identity.Hash) error {
	_, err := tx.NewRaw("delete from devices where user_id = ? and hash <> ?", string(user), keep[:]).Exec(ctx)
	return err
}
