package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/carillonhq/carillon/core/ledger"
	"github.com/carillonhq/carillon/tenants"
)

// Ledger is the ledger.Store in this database. A purchase counts in budgets of
// several tenants, so it goes through the system door.
func (db *DB) Ledger() ledger.Store { return spending{db} }

type spending struct{ db *DB }

// accountsOf are the keys of limits, side by side.
func accountsOf(limits []ledger.Limit) (tenants, subjects []string, caps []int64) {
	for _, l := range limits {
		tenants, subjects, caps = append(tenants, string(l.Tenant)), append(subjects, l.Subject), append(caps, l.Micros)
	}
	return tenants, subjects, caps
}

// Hold implements ledger.Store.
func (s spending) Hold(ctx context.Context, tenant tenants.ID, e ledger.Entry, limits []ledger.Limit) (out ledger.Entry, err error) {
	err = s.db.systemIn(ctx, pathLedger, tenant, func(ctx context.Context, tx tx) error {
		owners, subjects, caps := accountsOf(limits)
		res, err := tx.NewRaw(`
			insert into spend_holds (tenant_id, hold_id, user_id, vendor, model, feature, held, held_at, until, period, tenants, subjects)
			values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing`,
			tenant, e.ID, e.User, e.Vendor, e.Model, e.Feature, e.Held, e.At, e.Until, e.Period, pgdialect.Array(owners), pgdialect.Array(subjects)).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			out, err = tx.heldBefore(ctx, tenant, e)
			return err
		}
		out = e
		if err := tx.lockAccounts(ctx, owners, subjects, e.Period); err != nil {
			return err
		}
		return tx.reserve(ctx, e, limits, caps)
	})
	return out, err
}

// heldBefore is what another try of the same work has held.
func (tx tx) heldBefore(ctx context.Context, tenant tenants.ID, e ledger.Entry) (ledger.Entry, error) {
	h, err := tx.spendHold(ctx, tenant, e.ID)
	switch {
	case err != nil:
		return ledger.Entry{}, err
	case h.State != ledger.Held || h.Held != e.Held:
		return ledger.Entry{}, ledger.Ended(h.State)
	}
	e.At, e.Until, e.Period = h.At, h.Until, h.Period
	return e, nil
}

// lockAccounts makes the accounts, if they are not there, and takes them in an
// order that is everybody's: two purchases never wait for each other.
func (tx tx) lockAccounts(ctx context.Context, owners, subjects []string, period time.Time) error {
	_, err := tx.NewRaw(`
		insert into spend_accounts (tenant_id, subject, period)
		select t, s, ?::date from unnest(?::text[], ?::text[]) as a(t, s) order by t collate "C", s collate "C" on conflict do nothing`,
		period, pgdialect.Array(owners), pgdialect.Array(subjects)).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw(`
		select from spend_accounts
		 where period = ?::date and (tenant_id, subject) in (select * from unnest(?::text[], ?::text[]))
		 order by tenant_id, subject for update`, period, pgdialect.Array(owners), pgdialect.Array(subjects)).Exec(ctx)
	return err
}

// reserve is the one conditional update. What it does not reach is the budget
// that refuses, and undoes the rest.
func (tx tx) reserve(ctx context.Context, e ledger.Entry, limits []ledger.Limit, caps []int64) error {
	owners, subjects, _ := accountsOf(limits)
	var reached []struct {
		TenantID string `bun:"tenant_id"`
		Subject  string `bun:"subject"`
	}
	err := tx.NewRaw(`
		update spend_accounts a set held = a.held + ?
		  from unnest(?::text[], ?::text[], ?::bigint[]) as l(t, s, cap)
		 where a.tenant_id = l.t and a.subject = l.s and a.period = ?::date and (l.cap < 0 or a.held + a.spent + ? <= l.cap)
		returning a.tenant_id, a.subject`,
		e.Held, pgdialect.Array(owners), pgdialect.Array(subjects), pgdialect.Array(caps), e.Period, e.Held).Scan(ctx, &reached)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	took := map[string]bool{}
	for _, r := range reached {
		took[r.TenantID+" "+r.Subject] = true
	}
	for _, l := range limits {
		if !took[string(l.Tenant)+" "+l.Subject] {
			return ledger.Exhausted(l)
		}
	}
	return nil
}

// spendHold is a hold with the accounts that it was taken from.
type spendHold struct {
	ledger.Entry
	owners, subjects []string
}

// spendHold reads a hold and keeps it from changing. Errors: NotFound.
func (tx tx) spendHold(ctx context.Context, tenant tenants.ID, id string) (h spendHold, err error) {
	err = tx.NewRaw(`
		select held, cost, state, held_at, until, period, tenants, subjects from spend_holds
		 where tenant_id = ? and hold_id = ? for update`, tenant, id).
		Scan(ctx, &h.Held, &h.Cost, &h.State, &h.At, &h.Until, &h.Period, pgdialect.Array(&h.owners), pgdialect.Array(&h.subjects))
	if errors.Is(err, sql.ErrNoRows) {
		err = ledger.NoHold()
	}
	h.ID, h.At, h.Until = id, h.At.UTC(), h.Until.UTC()
	return h, err
}

// end brings a hold to another state, and its accounts with it.
func (tx tx) endHold(ctx context.Context, tenant tenants.ID, h spendHold, to ledger.State, cost int64) error {
	back := h.Held
	if h.State != ledger.Held {
		back = 0
	}
	if err := tx.lockAccounts(ctx, h.owners, h.subjects, h.Period); err != nil {
		return err
	}
	_, err := tx.NewRaw(`
		update spend_accounts set held = held - ?, spent = spent + ?
		 where period = ?::date and (tenant_id, subject) in (select * from unnest(?::text[], ?::text[]))`,
		back, cost, h.Period, pgdialect.Array(h.owners), pgdialect.Array(h.subjects)).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw("update spend_holds set state = ?, cost = ? where tenant_id = ? and hold_id = ?", to, cost, tenant, h.ID).Exec(ctx)
	return err
}

// onHold runs fn on one hold, in one transaction.
func (s spending) onHold(ctx context.Context, tenant tenants.ID, id string, fn func(context.Context, tx, spendHold) error) error {
	return s.db.systemIn(ctx, pathLedger, tenant, func(ctx context.Context, tx tx) error {
		h, err := tx.spendHold(ctx, tenant, id)
		if err != nil {
			return err
		}
		return fn(ctx, tx, h)
	})
}

// Settle implements ledger.Store.
func (s spending) Settle(ctx context.Context, tenant tenants.ID, id string, cost int64) error {
	return s.onHold(ctx, tenant, id, func(ctx context.Context, tx tx, h spendHold) error {
		switch {
		case h.State == ledger.Settled && h.Cost == cost:
			return nil
		case h.State == ledger.Settled || h.State == ledger.Released:
			return ledger.Ended(h.State)
		}
		return tx.endHold(ctx, tenant, h, ledger.Settled, cost)
	})
}

// Release implements ledger.Store.
func (s spending) Release(ctx context.Context, tenant tenants.ID, id string) error {
	return s.onHold(ctx, tenant, id, func(ctx context.Context, tx tx, h spendHold) error {
		switch h.State {
		case ledger.Settled:
			return ledger.Ended(h.State)
		case ledger.Released:
			return nil
		}
		return tx.endHold(ctx, tenant, h, ledger.Released, 0)
	})
}

// Extend implements ledger.Store.
func (s spending) Extend(ctx context.Context, tenant tenants.ID, id string, until time.Time) error {
	return s.onHold(ctx, tenant, id, func(ctx context.Context, tx tx, h spendHold) error {
		if h.State != ledger.Held {
			return ledger.Ended(h.State)
		}
		_, err := tx.NewRaw("update spend_holds set until = ? where tenant_id = ? and hold_id = ?", until, tenant, id).Exec(ctx)
		return err
	})
}

// freeBatch is how many holds one sweep frees.
const freeBatch = 500

// Free implements ledger.Store. Each hold is a transaction of its own: one that
// cannot be freed is left for the next sweep, and keeps no other.
func (s spending) Free(ctx context.Context, now time.Time) (n int, err error) {
	var stuck []struct {
		TenantID tenants.ID `bun:"tenant_id"`
		HoldID   string     `bun:"hold_id"`
	}
	err = s.db.system(ctx, pathLedger, func(ctx context.Context, tx tx) error {
		return tx.NewRaw("select tenant_id, hold_id from spend_holds where state = 'held' and until < ? order by until limit ?", now, freeBatch).Scan(ctx, &stuck)
	})
	for _, one := range stuck {
		freed := false
		failed := s.onHold(ctx, one.TenantID, one.HoldID, func(ctx context.Context, tx tx, h spendHold) error {
			// Else somebody came back.
			if freed = h.State == ledger.Held && h.Until.Before(now); !freed {
				return nil
			}
			return tx.endHold(ctx, one.TenantID, h, ledger.Expired, 0)
		})
		if failed == nil && freed {
			n++
		}
		err = errors.Join(err, failed)
	}
	return n, err
}

// Balances implements ledger.Store.
func (s spending) Balances(ctx context.Context, tenant tenants.ID, limits []ledger.Limit, period time.Time) (out []ledger.Balance, err error) {
	owners, subjects, _ := accountsOf(limits)
	var rows []struct {
		TenantID tenants.ID `bun:"tenant_id"`
		Subject  string     `bun:"subject"`
		Held     int64      `bun:"held"`
		Spent    int64      `bun:"spent"`
	}
	err = s.db.systemIn(ctx, pathLedger, tenant, func(ctx context.Context, tx tx) error {
		return tx.NewRaw(`
			select tenant_id, subject, held, spent from spend_accounts
			 where period = ?::date and (tenant_id, subject) in (select * from unnest(?::text[], ?::text[]))`,
			period, pgdialect.Array(owners), pgdialect.Array(subjects)).Scan(ctx, &rows)
	})
	for _, l := range limits {
		b := ledger.Balance{Limit: l}
		for _, r := range rows {
			if r.TenantID == l.Tenant && r.Subject == l.Subject {
				b.Held, b.Spent = r.Held, r.Spent
			}
		}
		b.Left = ledger.LeftOf(l, b.Held, b.Spent)
		out = append(out, b)
	}
	return out, err
}
