package postgres

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Admin is the admin.Store in this database.
func (db *DB) Admin() admin.Store { return adminStore{db} }

type adminStore struct{ db *DB }

func (s adminStore) View(ctx context.Context, fn func(admin.Tx) error) error {
	return s.db.system(ctx, pathAdmin, func(_ context.Context, tx tx) error { return fn(adminTx{tx, ""}) })
}

func (s adminStore) Update(ctx context.Context, fn func(admin.Tx) error) error {
	return s.db.system(ctx, pathAdmin, func(_ context.Context, tx tx) error { return fn(adminTx{tx, "update"}) })
}

// adminTx is a transaction of the system role.
type adminTx struct {
	tx
	lock string // how to lock what will be changed; "" in a view
}

// Record writes in the operator's book.
func (tx adminTx) Record(ctx context.Context, e audit.Entry) error { return tx.recordIn(ctx, "", e) }

// RecordIn writes in the book of a tenant.
func (tx adminTx) RecordIn(ctx context.Context, tenant tenants.ID, e audit.Entry) error {
	return tx.recordIn(ctx, tenant, e)
}

type operatorRow struct {
	bun.BaseModel `bun:"table:operators,alias:o"`

	ID          string       `bun:"id,pk"`
	Email       string       `bun:"email"`
	Name        string       `bun:"name"`
	Password    string       `bun:"password_hash"`
	Link        []byte       `bun:"link_hash"`
	LinkExpires bun.NullTime `bun:"link_expires"`
	Factor      []byte       `bun:"factor"`
	EnrolledAt  bun.NullTime `bun:"enrolled_at"`
	Step        int64        `bun:"factor_step"`
	CreatedAt   time.Time    `bun:"created_at"`
}

func operatorToRow(o *admin.Operator) *operatorRow {
	r := &operatorRow{
		ID: string(o.ID), Email: o.Email, Name: o.Name, Password: o.Password, LinkExpires: bun.NullTime{Time: o.LinkEnds},
		Factor: o.Factor, EnrolledAt: bun.NullTime{Time: o.EnrolledAt}, Step: o.Step, CreatedAt: o.CreatedAt,
	}
	if o.Link != (admin.Hash{}) {
		r.Link = o.Link[:]
	}
	return r
}

func (r *operatorRow) operator() *admin.Operator {
	o := &admin.Operator{
		ID: admin.OperatorID(r.ID), Email: r.Email, Name: r.Name, Password: r.Password, LinkEnds: r.LinkExpires.Time,
		Factor: r.Factor, EnrolledAt: r.EnrolledAt.Time, Step: r.Step, CreatedAt: r.CreatedAt.UTC(),
	}
	copy(o.Link[:], r.Link)
	return o
}

func (tx adminTx) operator(ctx context.Context, where string, args ...any) (*admin.Operator, error) {
	var r operatorRow
	q := tx.NewSelect().Model(&r).Where(where, args...)
	if tx.lock != "" {
		q = q.For(tx.lock)
	}
	if err := one(q.Scan(ctx), missingOperator); err != nil {
		return nil, err
	}
	return r.operator(), nil
}

func (tx adminTx) Operator(ctx context.Context, id admin.OperatorID) (*admin.Operator, error) {
	return tx.operator(ctx, "id = ?", string(id))
}

func (tx adminTx) OperatorByEmail(ctx context.Context, address string) (*admin.Operator, error) {
	return tx.operator(ctx, "email = ?", address)
}

func (tx adminTx) OperatorByLink(ctx context.Context, h admin.Hash, now time.Time) (*admin.Operator, error) {
	return tx.operator(ctx, "link_hash = ? and link_expires > ?", h[:], now)
}

func (tx adminTx) Operators(ctx context.Context) ([]admin.Operator, error) {
	var rows []operatorRow
	q := tx.NewSelect().Model(&rows).Order("id")
	if tx.lock != "" {
		q = q.For(tx.lock)
	}
	err := q.Scan(ctx)
	out := make([]admin.Operator, len(rows))
	for i := range rows {
		out[i] = *rows[i].operator()
	}
	return out, err
}

func (tx adminTx) SaveOperator(ctx context.Context, o *admin.Operator) error {
	_, err := tx.NewInsert().Model(operatorToRow(o)).On(`conflict (id) do update`).
		Set("name = excluded.name, password_hash = excluded.password_hash, link_hash = excluded.link_hash, link_expires = excluded.link_expires").
		Set("factor = excluded.factor, enrolled_at = excluded.enrolled_at, factor_step = excluded.factor_step").Exec(ctx)
	return err
}

func (tx adminTx) RemoveOperator(ctx context.Context, id admin.OperatorID) error {
	res, err := tx.NewRaw("delete from operators where id = ?", string(id)).Exec(ctx)
	return hit(res, err, missingOperator)
}

func (tx adminTx) AddSession(ctx context.Context, s *admin.Session) error {
	_, err := tx.NewRaw(`with old as (delete from operator_sessions where expires_at < ?0)
		insert into operator_sessions (id, operator_id, hash, agent, address, created_at, seen_at, expires_at) values (?1, ?2, ?3, ?4, ?5, ?0, ?6, ?7)`,
		s.CreatedAt, string(s.ID), string(s.Operator), s.Hash[:], s.Agent, s.Address, s.SeenAt, s.ExpiresAt).Exec(ctx)
	return err
}

func (tx adminTx) EndSession(ctx context.Context, id admin.SessionID) error {
	_, err := tx.NewRaw("delete from operator_sessions where id = ?", string(id)).Exec(ctx)
	return err
}

func (tx adminTx) EndSessions(ctx context.Context, of admin.OperatorID) error {
	_, err := tx.NewRaw("delete from operator_sessions where operator_id = ?", string(of)).Exec(ctx)
	return err
}

func (tx adminTx) Guard(ctx context.Context, key string) (admin.Guard, error) {
	g, err := identityTx(tx).Guard(ctx, key)
	return admin.Guard(g), err
}

func (tx adminTx) SaveGuard(ctx context.Context, key string, g admin.Guard) error {
	_, err := tx.NewRaw(`insert into guards (key, count, at, until) values (?, ?, ?, ?)
		on conflict (key) do update set count = excluded.count, at = excluded.at, until = excluded.until`,
		key, g.Count, bun.NullTime{Time: g.At}, bun.NullTime{Time: g.Until}).Exec(ctx)
	return err
}

func (tx adminTx) AddImpersonation(ctx context.Context, i *admin.Impersonation) error {
	_, err := tx.NewRaw(`with old as (delete from impersonations where expires_at < ?0)
		insert into impersonations (id, operator_id, session_id, hash, user_id, tenant, reason, created_at, expires_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?0, ?8)`,
		i.CreatedAt, i.ID, string(i.Operator), string(i.Session), i.Hash[:], string(i.User), string(i.Tenant), i.Reason, i.ExpiresAt).Exec(ctx)
	return err
}

func (tx adminTx) EndImpersonation(ctx context.Context, of admin.OperatorID, id string) (*admin.Impersonation, error) {
	i := &admin.Impersonation{ID: id, Operator: of}
	err := tx.NewRaw("delete from impersonations where id = ? and operator_id = ? returning user_id, tenant, reason", id, string(of)).
		Scan(ctx, &i.User, &i.Tenant, &i.Reason)
	if err := one(err, notThere("impersonation")); err != nil {
		return nil, err
	}
	return i, nil
}

func (s adminStore) Session(ctx context.Context, h admin.Hash) (*admin.Session, *admin.Operator, error) {
	v, o := &admin.Session{Hash: h}, &admin.Operator{}
	err := s.db.ask(ctx, pathAdmin, `select s.id, s.operator_id, s.agent, s.address, s.created_at, s.seen_at, s.expires_at, o.email, o.name
		from operator_sessions s join operators o on o.id = s.operator_id where s.hash = $1`, []any{h[:]},
		&v.ID, &v.Operator, &v.Agent, &v.Address, &v.CreatedAt, &v.SeenAt, &v.ExpiresAt, &o.Email, &o.Name)
	o.ID = v.Operator
	return v, o, err
}

func (s adminStore) Seen(ctx context.Context, id admin.SessionID, at time.Time) error {
	return s.db.system(ctx, pathAdmin, func(ctx context.Context, tx tx) error {
		_, err := tx.NewRaw("update operator_sessions set seen_at = ? where id = ?", at, string(id)).Exec(ctx)
		return err
	})
}

func (s adminStore) Impersonation(ctx context.Context, h admin.Hash, now time.Time) (*admin.Impersonation, error) {
	i := &admin.Impersonation{Hash: h}
	err := s.db.ask(ctx, pathAdmin, `select i.id, i.operator_id, i.session_id, i.user_id, i.tenant, i.reason, i.created_at, i.expires_at
		from impersonations i join operator_sessions s on s.id = i.session_id and s.expires_at > $2 where i.hash = $1 and i.expires_at > $2`, []any{h[:], now},
		&i.ID, &i.Operator, &i.Session, &i.User, &i.Tenant, &i.Reason, &i.CreatedAt, &i.ExpiresAt)
	return i, err
}

func (s adminStore) Root(ctx context.Context) (tenants.ID, error) {
	return s.db.Registry().Operator(ctx)
}

// ListenEdge calls heard when the Edge changed, and once it is listening. It
// holds one connection and returns when ctx ends or the connection is lost.
func (db *DB) ListenEdge(ctx context.Context, heard func()) error {
	return db.listen(ctx, edgeChannel, heard, func(string) { heard() })
}

// edgeChannel is notified when what holds for everybody changed.
const edgeChannel = "carillon_edge"

// changes tells every process when the transaction commits.
func (tx adminTx) changes(res sql.Result, err error, what string) error {
	if err := hit(res, err, notThere(what)); err != nil {
		return err
	}
	tx.last.Queue("select pg_notify($1, '')", edgeChannel)
	return nil
}

// rows collects what a query answers.
func collected[T any](ctx context.Context, tx tx, row pgx.RowToFunc[T], query string, args ...any) ([]T, error) {
	rows, err := tx.pgx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, row)
}
