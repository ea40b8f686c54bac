package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
)

type totpRow struct {
	bun.BaseModel `bun:"table:totp_apps,alias:t"`

	User        string     `bun:"user_id,pk"`
	Confirmed   bool       `bun:"confirmed,pk"`
	ID          string     `bun:"id"`
	Sealed      []byte     `bun:"sealed"`
	CreatedAt   time.Time  `bun:"created_at"`
	ConfirmedAt *time.Time `bun:"confirmed_at"`
	UsedAt      *time.Time `bun:"used_at"`
	Step        int64      `bun:"step"`
}

// instant is t, or null for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (tx identityTx) TOTP(ctx context.Context, user tenants.UserID, confirmed bool) (*identity.TOTP, error) {
	var r totpRow
	q := tx.NewSelect().Model(&r).Where("user_id = ? and confirmed = ?", string(user), confirmed)
	if tx.lock != "" {
		q = q.For(tx.lock)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, found(err)
	}
	return &identity.TOTP{
		ID: r.ID, User: user, Sealed: r.Sealed, CreatedAt: r.CreatedAt, ConfirmedAt: moment(r.ConfirmedAt), UsedAt: moment(r.UsedAt), Step: r.Step,
	}, nil
}

func (tx identityTx) SaveTOTP(ctx context.Context, t *identity.TOTP) error {
	_, err := tx.NewInsert().Model(&totpRow{
		User: string(t.User), Confirmed: !t.ConfirmedAt.IsZero(), ID: t.ID, Sealed: t.Sealed, CreatedAt: t.CreatedAt,
		ConfirmedAt: instant(t.ConfirmedAt), UsedAt: instant(t.UsedAt), Step: t.Step,
	}).On("conflict (user_id, confirmed) do update").
		Set("id = excluded.id, sealed = excluded.sealed, created_at = excluded.created_at, confirmed_at = excluded.confirmed_at").
		Set("used_at = excluded.used_at, step = excluded.step").Exec(ctx)
	return err
}

func (tx identityTx) DropTOTP(ctx context.Context, user tenants.UserID, confirmed bool) error {
	_, err := tx.NewRaw("delete from totp_apps where user_id = ? and confirmed = ?", string(user), confirmed).Exec(ctx)
	return err
}

func (tx identityTx) RecoveryCodes(ctx context.Context, user tenants.UserID) (n int, err error) {
	err = tx.NewRaw("select count(*) from recovery_codes where user_id = ?", string(user)).Scan(ctx, &n)
	return n, err
}

func (tx identityTx) SetRecoveryCodes(ctx context.Context, user tenants.UserID, codes []identity.Hash) error {
	if _, err := tx.NewRaw("delete from recovery_codes where user_id = ?", string(user)).Exec(ctx); err != nil {
		return err
	}
	for _, c := range codes {
		if _, err := tx.NewRaw("insert into recovery_codes (user_id, hash) values (?, ?)", string(user), c[:]).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (tx identityTx) TakeRecoveryCode(ctx context.Context, user tenants.UserID, code identity.Hash) error {
	return touched(tx.NewRaw("delete from recovery_codes where user_id = ? and hash = ?", string(user), code[:]).Exec(ctx))
}

type passkeyRow struct {
	bun.BaseModel `bun:"table:passkeys,alias:k"`

	ID         string     `bun:"id,pk"`
	User       string     `bun:"user_id"`
	Party      string     `bun:"party"`
	Credential []byte     `bun:"credential"`
	Record     []byte     `bun:"record"`
	Name       string     `bun:"name"`
	CreatedAt  time.Time  `bun:"created_at"`
	UsedAt     *time.Time `bun:"used_at"`
	SuspectAt  *time.Time `bun:"suspect_at"`
}

func passkeyRowOf(k *identity.Passkey) *passkeyRow {
	return &passkeyRow{
		ID: string(k.ID), User: string(k.User), Party: k.Party, Credential: k.Credential, Record: k.Record, Name: k.Name,
		CreatedAt: k.CreatedAt, UsedAt: instant(k.UsedAt), SuspectAt: instant(k.SuspectAt),
	}
}

func (r *passkeyRow) passkey() identity.Passkey {
	return identity.Passkey{
		ID: identity.PasskeyID(r.ID), User: tenants.UserID(r.User), Party: r.Party, Credential: r.Credential, Record: r.Record, Name: r.Name,
		CreatedAt: r.CreatedAt, UsedAt: moment(r.UsedAt), SuspectAt: moment(r.SuspectAt),
	}
}

func (tx identityTx) Passkeys(ctx context.Context, user tenants.UserID) ([]identity.Passkey, error) {
	var rows []passkeyRow
	if err := tx.NewSelect().Model(&rows).Where("user_id = ?", string(user)).Order("id").Scan(ctx); err != nil {
		return nil, err
	}
	var list []identity.Passkey
	for i := range rows {
		list = append(list, rows[i].passkey())
	}
	return list, nil
}

func (tx identityTx) Passkey(ctx context.Context, party string, credential []byte) (*identity.Passkey, error) {
	var r passkeyRow
	q := tx.NewSelect().Model(&r).Where("party = ? and credential = ?", party, credential)
	if tx.lock != "" {
		q = q.For(tx.lock)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, found(err)
	}
	k := r.passkey()
	return &k, nil
}

func (tx identityTx) AddPasskey(ctx context.Context, k *identity.Passkey) error {
	_, err := tx.NewInsert().Model(passkeyRowOf(k)).Exec(ctx)
	return asFault(err)
}

func (tx identityTx) SavePasskey(ctx context.Context, k *identity.Passkey) error {
	return touched(tx.NewUpdate().Model(passkeyRowOf(k)).Column("name", "record", "used_at", "suspect_at").WherePK().Exec(ctx))
}

func (tx identityTx) DropPasskey(ctx context.Context, user tenants.UserID, id identity.PasskeyID) error {
	return touched(tx.NewRaw("delete from passkeys where id = ? and user_id = ?", string(id), string(user)).Exec(ctx))
}

func (tx identityTx) AddChallenge(ctx context.Context, c *identity.Challenge) error {
	_, err := tx.NewRaw(`insert into challenges (hash, question, user_id, session_id, first, party, state, expires_at)
		values (?, ?, nullif(?, ''), nullif(?, ''), ?, ?, ?, ?)`,
		c.Hash[:], string(c.Question), string(c.User), string(c.Session), string(c.First), c.Party, c.State, c.ExpiresAt).Exec(ctx)
	return err
}

func (tx identityTx) Challenge(ctx context.Context, q identity.Question, hash identity.Hash, now time.Time) (*identity.Challenge, error) {
	c := identity.Challenge{Hash: hash, Question: q}
	err := tx.NewRaw(`select coalesce(user_id, ''), coalesce(session_id, ''), first, party, state, expires_at
		  from challenges where hash = ? and question = ? and expires_at > ?`, hash[:], string(q), now).
		Scan(ctx, &c.User, &c.Session, &c.First, &c.Party, &c.State, &c.ExpiresAt)
	if err != nil {
		return nil, found(err)
	}
	return &c, nil
}

func (tx identityTx) TakeChallenge(ctx context.Context, q identity.Question, hash identity.Hash, now time.Time) error {
	return touched(tx.NewRaw("delete from challenges where hash = ? and question = ? and expires_at > ?", hash[:], string(q), now).Exec(ctx))
}
