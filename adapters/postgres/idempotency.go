package postgres

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/idempotency"
	"github.com/carillonhq/carillon/tenants"
)

// Idempotency is the idempotency.Store in this database.
func (db *DB) Idempotency() idempotency.Store { return answers{db} }

type answers struct{ db *DB }

type answerRow struct {
	bun.BaseModel `bun:"table:idempotency_keys,alias:i"`

	Principal   string `bun:"principal"`
	Method      string `bun:"method"`
	Route       string `bun:"route"`
	Key         string `bun:"key"`
	Hash        string `bun:"request_hash"`
	Generation  int64  `bun:"generation"`
	State       string `bun:"state"`
	Status      int    `bun:"status"`
	ContentType string `bun:"content_type"`
	ETag        string `bun:"etag"`
	Location    string `bun:"location"`
	Body        []byte `bun:"body"`

	Wait    float64 `bun:"wait,scanonly"` // seconds left of the lease
	Expired bool    `bun:"expired,scanonly"`
}

func (s answers) Begin(ctx context.Context, tenant tenants.ID, r idempotency.Request) (context.Context, idempotency.Claim, error) {
	c := idempotency.Claim{Request: r, Generation: 1}
	err := s.db.update(ctx, tenant, func(ctx context.Context, tx tx) error {
		fresh, err := tx.claim(ctx, r)
		if err != nil || fresh {
			return err
		}
		return tx.reclaim(ctx, &c)
	})
	if err != nil || c.Done != nil {
		return ctx, c, err
	}
	return context.WithValue(ctx, markKey{}, &mark{tenant: tenant, claim: c}), c, nil
}

// claim takes a key that nobody has used.
func (tx tx) claim(ctx context.Context, r idempotency.Request) (fresh bool, err error) {
	res, err := tx.NewRaw(`
		insert into idempotency_keys (principal, method, route, key, request_hash, lease_until, expires_at)
		values (?, ?, ?, ?, ?, clock_timestamp() + ? * interval '1 second', now() + ? * interval '1 second')
		on conflict do nothing`,
		r.Principal, r.Method, r.Route, r.Key, r.Hash, r.Lease.Seconds(), r.Keep.Seconds()).Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// reclaim looks at a key that was used: it is answered, refused or taken over.
func (tx tx) reclaim(ctx context.Context, c *idempotency.Claim) error {
	var row answerRow
	err := ofKey(tx.find(&row), c.Request).
		ColumnExpr("i.*, extract(epoch from lease_until - clock_timestamp())::float8 as wait, expires_at < now() as expired").
		Scan(ctx)
	if err != nil {
		return err
	}
	switch {
	case row.Expired:
	case row.Hash != c.Hash:
		return idempotency.Mismatch()
	case row.State == "done":
		c.Done = &idempotency.Answer{Status: row.Status, ContentType: row.ContentType, ETag: row.ETag, Location: row.Location, Body: row.Body}
		return nil
	case row.Wait > 0:
		return idempotency.InProgress(min(time.Duration(row.Wait*float64(time.Second)), 5*time.Second))
	case row.State == "applied":
		return idempotency.AnswerLost()
	}
	return tx.takeOver(ctx, c, row.Generation)
}

// takeOver succeeds a process that died, or forgets an answer that is too old.
func (tx tx) takeOver(ctx context.Context, c *idempotency.Claim, from int64) error {
	c.Generation = from + 1
	res, err := ofKey(tx.change((*answerRow)(nil)), c.Request).
		Set("generation = ?, state = 'running', status = null, body = null, content_type = '', etag = '', location = '', request_hash = ?", c.Generation, c.Hash).
		Set("lease_until = clock_timestamp() + ? * interval '1 second', expires_at = now() + ? * interval '1 second'", c.Lease.Seconds(), c.Keep.Seconds()).
		Where("generation = ? and (state = 'running' or expires_at < now())", from).Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 { // someone else was faster
		return idempotency.InProgress(time.Second)
	}
	return nil
}

func (s answers) Finish(ctx context.Context, tenant tenants.ID, c idempotency.Claim, a idempotency.Answer) error {
	return s.db.update(unmarked(ctx), tenant, func(ctx context.Context, tx tx) error {
		_, err := ofKey(tx.change((*answerRow)(nil)), c.Request).
			Set("state = 'done', status = ?, content_type = ?, etag = ?, location = ?, body = ?", a.Status, a.ContentType, a.ETag, a.Location, a.Body).
			Set("expires_at = now() + ? * interval '1 second'", c.Keep.Seconds()).
			Where("generation = ?", c.Generation).Exec(ctx)
		return err
	})
}

func (s answers) Abandon(ctx context.Context, tenant tenants.ID, c idempotency.Claim) error {
	return s.db.update(unmarked(ctx), tenant, func(ctx context.Context, tx tx) error {
		_, err := ofKey(tx.remove((*answerRow)(nil)), c.Request).
			Where("generation = ? and state = 'running'", c.Generation).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = ofKey(tx.change((*answerRow)(nil)), c.Request).Set("lease_until = clock_timestamp()").
			Where("generation = ? and state = 'applied'", c.Generation).Exec(ctx)
		return err
	})
}

// ofKey picks the row of a request.
func ofKey[Q interface {
	Where(query string, args ...any) Q
}](q Q, r idempotency.Request) Q {
	return q.Where("principal = ? and method = ? and route = ? and key = ?", r.Principal, r.Method, r.Route, r.Key)
}

// ForgetAnswers removes keys that are too old to be honoured and jobs that are
// too old to be asked for, up to n of each, and returns how many keys. It may
// run anywhere, any time.
func (db *DB) ForgetAnswers(ctx context.Context, n int) (forgotten int64, err error) {
	err = db.system(ctx, pathForget, func(ctx context.Context, tx tx) error {
		res, err := tx.NewRaw(`
			delete from idempotency_keys where ctid = any (array(
			  select ctid from idempotency_keys where expires_at < now() limit ?))`, n).Exec(ctx)
		if err != nil {
			return err
		}
		if forgotten, err = res.RowsAffected(); err != nil {
			return err
		}
		_, err = tx.NewRaw(`
			delete from jobs where ctid = any (array(
			  select ctid from jobs where created_at < now() - interval '30 days' limit ?))`, n).Exec(ctx)
		return err
	})
	return forgotten, err
}

type markKey struct{}

// A mark says under which request a context's changes happen.
type mark struct {
	tenant tenants.ID
	claim  idempotency.Claim
}

func unmarked(ctx context.Context) context.Context {
	return context.WithValue(ctx, markKey{}, (*mark)(nil))
}

// marking makes a change commit together with the fact that the request behind
// it was applied, and refuses it if another process has taken the request over.
func marking(fn func(context.Context, tx) error) func(context.Context, tx) error {
	return func(ctx context.Context, tx tx) error {
		if m, _ := ctx.Value(markKey{}).(*mark); m != nil && m.tenant == tx.tenant {
			if err := tx.mark(ctx, m); err != nil {
				return err
			}
		}
		return fn(ctx, tx)
	}
}

// markingFor is marking for the system door, whose changes are in another
// tenant than the request: a parent that creates a child.
func markingFor(fn func(context.Context, tx) error) func(context.Context, tx) error {
	return func(ctx context.Context, tx tx) error {
		if m, _ := ctx.Value(markKey{}).(*mark); m != nil {
			if err := tx.mark(ctx, m); err != nil {
				return err
			}
		}
		return fn(ctx, tx)
	}
}

func (tx tx) mark(ctx context.Context, m *mark) error {
	r := m.claim.Request
	res, err := tx.NewRaw(`
		update idempotency_keys set state = 'applied'
		 where tenant_id = ? and principal = ? and method = ? and route = ? and key = ? and generation = ? and state in ('running', 'applied')`,
		string(m.tenant), r.Principal, r.Method, r.Route, r.Key, m.claim.Generation).Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return idempotency.Superseded()
	}
	return nil
}
