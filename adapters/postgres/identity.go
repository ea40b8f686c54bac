package postgres

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Identity is the identity.Store in this database.
func (db *DB) Identity() identity.Store { return people{db} }

type people struct{ db *DB }

func (s people) View(ctx context.Context, fn func(identity.Tx) error) error {
	return s.db.system(ctx, pathIdentity, func(_ context.Context, tx tx) error { return fn(identityTx{tx, ""}) })
}

func (s people) Update(ctx context.Context, fn func(identity.Tx) error) error {
	return s.db.system(ctx, pathIdentity, func(_ context.Context, tx tx) error { return fn(identityTx{tx, "update"}) })
}

func (s people) Live(ctx context.Context, id identity.SessionID) (*identity.Session, error) {
	v := identity.Session{ID: id}
	var proofs []string
	var device []byte
	err := s.db.ask(ctx, pathSession, `
		select user_id, name, agent, address, device, created_at, seen_at, expires_at, methods, authenticated_at
		  from sessions where id = $1`, []any{string(id)},
		&v.User, &v.Name, &v.Agent, &v.Address, &device, &v.CreatedAt, &v.SeenAt, &v.ExpiresAt, &proofs, &v.AuthenticatedAt)
	if err != nil {
		return nil, err
	}
	v.Device, v.Methods = hashFrom(device), as[identity.Method](proofs)
	return &v, nil
}

// identityTx is a transaction of the system role: none of its tables is a tenant's.
type identityTx struct {
	tx
	lock string // how to lock what will be changed; "" in a view
}

// Record writes in the operator's book: people are of no tenant.
func (tx identityTx) Record(ctx context.Context, e audit.Entry) error { return tx.recordIn(ctx, "", e) }

type userRow struct {
	bun.BaseModel `bun:"table:users,alias:u"`

	ID        string    `bun:"id"`
	Email     string    `bun:"email"`
	Name      string    `bun:"name"`
	Hash      string    `bun:"password_hash"`
	Home      string    `bun:"home_tenant,nullzero"`
	CreatedAt time.Time `bun:"created_at"`
	Short     bool      `bun:"short_password"`
}

func (r userRow) user() identity.User {
	return identity.User{
		ID: tenants.UserID(r.ID), Email: r.Email, Name: r.Name, Home: tenants.ID(r.Home), CreatedAt: r.CreatedAt, ShortPassword: r.Short,
	}
}

// found turns a driver's "no rows" into fault.NotFound.
func found(err error) error { return asFault(err) }

// touched turns "no row changed" into fault.NotFound.
func touched(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return found(sql.ErrNoRows)
}

func (tx identityTx) Credential(ctx context.Context, address string, now time.Time) (c identity.Credential, err error) {
	err = tx.NewRaw(`
		select (array_agg(user_id order by at desc, pending desc))[1], array_agg(password_hash order by at desc, pending desc),
		       verified, case when count(*) > 1 then '' else max(pending) end
		  from (select id as user_id, password_hash, true as verified, '' as pending, created_at as at from users where email = ?
		        union all
		        select user_id, password_hash, false, id, created_at from registrations where email = ? and expires_at > ?) c
		 group by verified order by verified desc limit 1`, address, address, now).
		Scan(ctx, &c.User, pgdialect.Array(&c.Hashes), &c.Verified, &c.Pending)
	if errors.Is(err, sql.ErrNoRows) {
		return identity.Credential{}, nil
	}
	c.Hashes = slices.DeleteFunc(c.Hashes, func(hash string) bool { return hash == "" })
	if len(c.Hashes) == 0 {
		c.Hashes = nil
	}
	return c, err
}

func (tx identityTx) User(ctx context.Context, id tenants.UserID) (*identity.User, error) {
	var r userRow
	if err := tx.NewSelect().Model(&r).Where("id = ?", string(id)).Scan(ctx); err != nil {
		return nil, found(err)
	}
	u := r.user()
	return &u, nil
}

func (tx identityTx) Users(ctx context.Context, ids []tenants.UserID) ([]identity.User, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []userRow
	if err := tx.NewSelect().Model(&rows).Where("id in (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, err
	}
	list := make([]identity.User, len(rows))
	for i, r := range rows {
		list[i] = r.user()
	}
	return list, nil
}

func (tx identityTx) AddUser(ctx context.Context, u *identity.User, hash string) error {
	_, err := tx.NewInsert().Model(&userRow{
		ID: string(u.ID), Email: u.Email, Name: u.Name, Hash: hash, Home: string(u.Home), CreatedAt: u.CreatedAt, Short: u.ShortPassword,
	}).Exec(ctx)
	return asFault(err)
}

func (tx identityTx) SetPassword(ctx context.Context, id tenants.UserID, hash string) error {
	return touched(tx.NewRaw("update users set password_hash = ? where id = ?", hash, string(id)).Exec(ctx))
}

func (tx identityTx) SetShortPassword(ctx context.Context, id tenants.UserID, short bool) error {
	return touched(tx.NewRaw("update users set short_password = ? where id = ?", short, string(id)).Exec(ctx))
}

func (tx identityTx) SetHome(ctx context.Context, id tenants.UserID, home tenants.ID) error {
	return touched(tx.NewRaw("update users set home_tenant = ? where id = ?", string(home), string(id)).Exec(ctx))
}

type registrationRow struct {
	bun.BaseModel `bun:"table:registrations,alias:r"`

	ID        string    `bun:"id"`
	User      string    `bun:"user_id"`
	Email     string    `bun:"email"`
	Name      string    `bun:"name"`
	Hash      string    `bun:"password_hash"`
	CreatedAt time.Time `bun:"created_at"`
	ExpiresAt time.Time `bun:"expires_at"`
}

func (tx identityTx) AddPending(ctx context.Context, p *identity.Pending) error {
	_, err := tx.NewInsert().Model(&registrationRow{
		ID: string(p.ID), User: string(p.User), Email: p.Email, Name: p.Name, Hash: p.Hash, CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt,
	}).Exec(ctx)
	return err
}

func (tx identityTx) Pending(ctx context.Context, id identity.PendingID) (*identity.Pending, error) {
	var r registrationRow
	if err := tx.NewSelect().Model(&r).Where("id = ?", string(id)).Scan(ctx); err != nil {
		return nil, found(err)
	}
	return &identity.Pending{
		ID: id, User: tenants.UserID(r.User), Email: r.Email, Name: r.Name, Hash: r.Hash, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt,
	}, nil
}

func (tx identityTx) ForgetPending(ctx context.Context, address string) error {
	_, err := tx.NewRaw(`
		with gone as (delete from registrations where email = ? returning id)
		delete from one_time_tokens where purpose = 'verify' and subject in (select id from gone)`, address).Exec(ctx)
	return err
}

// Send puts the letter in the queue of this transaction.
func (tx identityTx) Send(ctx context.Context, l identity.Letter) error {
	return tx.enqueue(ctx, jobs.MailOf(l), nil)
}

func (tx identityTx) AddOneTime(ctx context.Context, o *identity.OneTime) error {
	_, err := tx.NewRaw("insert into one_time_tokens (hash, purpose, subject, expires_at) values (?, ?, ?, ?)",
		o.Hash[:], string(o.Purpose), o.Subject, o.ExpiresAt).Exec(ctx)
	return err
}

func (tx identityTx) OneTime(ctx context.Context, p identity.Purpose, hash identity.Hash, now time.Time) (*identity.OneTime, error) {
	o := identity.OneTime{Hash: hash, Purpose: p}
	err := tx.NewRaw("select subject, expires_at from one_time_tokens where hash = ? and purpose = ? and expires_at > ?",
		hash[:], string(p), now).Scan(ctx, &o.Subject, &o.ExpiresAt)
	if err != nil {
		return nil, found(err)
	}
	return &o, nil
}

func (tx identityTx) TakeOneTime(ctx context.Context, p identity.Purpose, hash identity.Hash, now time.Time) (*identity.OneTime, error) {
	o := identity.OneTime{Hash: hash, Purpose: p}
	err := tx.NewRaw("delete from one_time_tokens where hash = ? and purpose = ? and expires_at > ? returning subject, expires_at",
		hash[:], string(p), now).Scan(ctx, &o.Subject, &o.ExpiresAt)
	if err != nil {
		return nil, found(err)
	}
	return &o, nil
}

func (tx identityTx) ForgetOneTime(ctx context.Context, p identity.Purpose, subject string) error {
	_, err := tx.NewRaw("delete from one_time_tokens where purpose = ? and subject = ?", string(p), subject).Exec(ctx)
	return err
}

// Guard makes the row if there is none, so that the first try holds it like
// any other.
func (tx identityTx) Guard(ctx context.Context, key string) (g identity.Guard, err error) {
	var at, until sql.NullTime
	err = tx.NewRaw("insert into guards (key) values (?) on conflict (key) do update set key = excluded.key returning count, at, until", key).
		Scan(ctx, &g.Count, &at, &until)
	g.At, g.Until = at.Time, until.Time
	return g, err
}

func (tx identityTx) SaveGuard(ctx context.Context, key string, g identity.Guard) error {
	_, err := tx.NewRaw(`insert into guards (key, count, at, until) values (?, ?, ?, ?)
		on conflict (key) do update set count = excluded.count, at = excluded.at, until = excluded.until`,
		key, g.Count, bun.NullTime{Time: g.At}, bun.NullTime{Time: g.Until}).Exec(ctx)
	return err
}

func (tx identityTx) Sweep(ctx context.Context, now, quiet time.Time) error {
	for _, q := range []string{
		"delete from one_time_tokens where expires_at <= ?0",
		"delete from challenges where expires_at <= ?0",
		"delete from totp_apps where not confirmed and created_at <= ?2",
		"delete from devices where seen_at <= ?3",
		"delete from registrations where expires_at <= ?0",
		"delete from sign_in_attempts where expires_at <= ?0",
		"delete from sessions where expires_at <= ?0",
		"delete from guards where coalesce(at < ?1, true) and coalesce(until < ?0, true)",
	} {
		if _, err := tx.NewRaw(q, now, quiet, now.Add(-identity.EnrolTTL), now.Add(-identity.DeviceTTL)).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}
