package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/schema"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/social"
)

// quotaSlots is how many slots a window is cut into. The current slot is only
// partly over, so one more than that is counted: then no span of a window's
// length ever holds more than the limit, at the price of a sixteenth.
const quotaSlots = 16

// spendQuota takes from an allowance in one conditional statement. Its
// parameters, in order: table, platform, name, scope, subject, width, cost,
// limit, table's key.
const spendQuota = `
insert into ? as q (platform, name, scope, subject, width, slot, counts)
select ?, ?, ?, ?, w.width, floor(extract(epoch from clock_timestamp()) / w.width)::bigint, array[w.cost] || array_fill(0, array[16])
  from (select ?::double precision as width, ?::integer as cost) w where w.cost <= ?
on conflict ? do update set
  counts = (select array[s[1] + excluded.counts[1]] || s[2:17] from (select ` + shifted + ` as s) s),
  slot = case when q.width = excluded.width then greatest(q.slot, excluded.slot) else excluded.slot end,
  width = excluded.width
where coalesce(q.parked_until <= clock_timestamp(), true)
  and (select sum(n) from unnest(` + shifted + `) n) + excluded.counts[1] <= ?
returning 1`

// shifted is the row's counts as of now: as many new empty slots as have begun.
const shifted = `(array_fill(0, array[case when q.width = excluded.width
  then least(greatest(excluded.slot - q.slot, 0), 17)::integer else 17 end]) || q.counts || array_fill(0, array[17]))[1:17]`

// quotaTable is where a scope's allowances are.
type quotaTable struct {
	name     bun.Ident
	conflict bun.Safe //nolint:forbidigo // two constants below, and nothing else
}

var (
	tenantQuotas = quotaTable{name: "channel_quotas", conflict: "(tenant_id, platform, name, scope, subject)"}
	appQuotas    = quotaTable{name: "app_quotas", conflict: "(platform, name, scope, subject)"}
)

// ours is the tenant's condition on a quota row, for tables that have tenants.
func (q quotaTable) ours(t tx) schema.QueryWithArgs {
	if q.name == appQuotas.name {
		return bun.SafeQuery("true")
	}
	return t.ours("q")
}

func (t channelTx) Spend(ctx context.Context, platform string, claims []channels.Claim) (*channels.Refusal, error) {
	return spend(ctx, t.tx, tenantQuotas, platform, claims)
}

func (s channelStore) SpendApp(ctx context.Context, platform string, claims []channels.Claim) (r *channels.Refusal, err error) {
	err = s.db.system(ctx, pathAppQuota, func(ctx context.Context, tx tx) error {
		if r, err = spend(ctx, tx, appQuotas, platform, claims); err == nil && r != nil {
			return errRefused // nothing is taken then
		}
		return err
	})
	if errors.Is(err, errRefused) {
		return r, nil
	}
	return nil, err
}

var errRefused = errors.New("postgres: an allowance is used up")

// inOrder makes two transactions that want the same rows wait for each other
// and not deadlock.
func inOrder(claims []channels.Claim) []channels.Claim {
	return slices.SortedFunc(slices.Values(claims), func(a, b channels.Claim) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Subject, b.Subject))
	})
}

// spend takes all claims, or says which cannot be had.
func spend(ctx context.Context, t tx, table quotaTable, platform string, claims []channels.Claim) (*channels.Refusal, error) {
	claims = inOrder(claims)
	if r, err := parked(ctx, t, table, platform, claims); r != nil || err != nil {
		return r, err
	}
	for _, c := range claims {
		if c.Cost == 0 {
			continue
		}
		var one int
		err := t.NewRaw(spendQuota, table.name, platform, c.Name, string(c.Scope), c.Subject,
			c.Window.Seconds()/quotaSlots, c.Cost, c.Limit, table.conflict, c.Limit).Scan(ctx, &one)
		if errors.Is(err, sql.ErrNoRows) {
			return usedUp(ctx, t, table, platform, c)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// parked returns the longest closure among the claims.
func parked(ctx context.Context, t tx, table quotaTable, platform string, claims []channels.Claim) (*channels.Refusal, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	var names, scopes, subjects []string
	for _, c := range claims {
		names, scopes, subjects = append(names, c.Name), append(scopes, string(c.Scope)), append(subjects, c.Subject)
	}
	if table.name == tenantQuotas.name {
		return t.peekParked(ctx, platform, names, scopes, subjects)
	}
	var rows []parkRow
	err := t.NewRaw(`select q.name, q.scope, q.subject, extract(epoch from q.parked_until - clock_timestamp())::double precision as seconds
		from ? q where ? and q.platform = ? and (q.name, q.scope, q.subject) in (select * from unnest(?::text[], ?::text[], ?::text[])) and q.parked_until > clock_timestamp()
		order by q.parked_until desc limit 1`, table.name, table.ours(t), platform,
		pgdialect.Array(names), pgdialect.Array(scopes), pgdialect.Array(subjects)).Scan(ctx, &rows)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0].refusal(), nil
}

type parkRow struct {
	Name, Scope, Subject string
	Seconds              float64
}

func (r parkRow) refusal() *channels.Refusal {
	return &channels.Refusal{
		Name: r.Name, Scope: social.QuotaScope(r.Scope), Subject: r.Subject, RetryAfter: max(seconds(r.Seconds), time.Millisecond),
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// usedUp works out when the allowance has room for c again.
func usedUp(ctx context.Context, t tx, table quotaTable, platform string, c channels.Claim) (*channels.Refusal, error) {
	r := &channels.Refusal{Name: c.Name, Scope: c.Scope, Subject: c.Subject, RetryAfter: c.Window}
	if c.Cost > c.Limit {
		return r, nil
	}
	var slot int64
	var counts []int
	var now float64
	err := t.NewRaw(`select q.slot, q.counts, extract(epoch from clock_timestamp())::double precision from ? q
		where ? and q.platform = ? and q.name = ? and q.scope = ? and q.subject = ?`,
		table.name, table.ours(t), platform, c.Name, string(c.Scope), c.Subject).Scan(ctx, &slot, pgdialect.Array(&counts), &now)
	if err != nil {
		return nil, err
	}
	r.RetryAfter = max(roomAt(slot, counts, c)-seconds(now), time.Millisecond)
	return r, nil
}

// roomAt is when enough slots have left the window, as time since 1970.
func roomAt(slot int64, counts []int, c channels.Claim) time.Duration {
	left := c.Cost - c.Limit
	for _, n := range counts {
		left += n
	}
	width := c.Window / quotaSlots
	for age := len(counts) - 1; age >= 0; age-- {
		if left -= counts[age]; left <= 0 {
			return time.Duration(slot-int64(age)+quotaSlots+1) * width
		}
	}
	return time.Duration(slot+quotaSlots+1) * width
}

// GiveBack takes from the newest slot, where the spending was, unless another
// began since: then that one counts less and this one more, for a slot's time.
func (t channelTx) GiveBack(ctx context.Context, platform string, claims []channels.Claim) error {
	return giveBack(ctx, t.tx, tenantQuotas, platform, claims)
}

func (s channelStore) GiveBackApp(ctx context.Context, platform string, claims []channels.Claim) error {
	return s.db.system(ctx, pathAppQuota, func(ctx context.Context, tx tx) error { return giveBack(ctx, tx, appQuotas, platform, claims) })
}

func giveBack(ctx context.Context, t tx, table quotaTable, platform string, claims []channels.Claim) error {
	for _, c := range inOrder(claims) {
		_, err := t.NewRaw(`update ? q set counts[1] = greatest(q.counts[1] - ?, 0)
			where ? and q.platform = ? and q.name = ? and q.scope = ? and q.subject = ? and cardinality(q.counts) > 0`,
			table.name, c.Cost, table.ours(t), platform, c.Name, string(c.Scope), c.Subject).Exec(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t channelTx) Park(ctx context.Context, platform string, c channels.Claim, d time.Duration) error {
	return park(ctx, t.tx, tenantQuotas, platform, c, d)
}

func (s channelStore) ParkApp(ctx context.Context, platform string, c channels.Claim, d time.Duration) error {
	return s.db.system(ctx, pathAppQuota, func(ctx context.Context, tx tx) error { return park(ctx, tx, appQuotas, platform, c, d) })
}

// park closes an allowance; a longer closure stays.
func park(ctx context.Context, t tx, table quotaTable, platform string, c channels.Claim, d time.Duration) error {
	_, err := t.NewRaw(`insert into ? as q (platform, name, scope, subject, parked_until)
		values (?, ?, ?, ?, clock_timestamp() + ? * interval '1 microsecond')
		on conflict ? do update set parked_until = greatest(q.parked_until, excluded.parked_until)`,
		table.name, platform, c.Name, string(c.Scope), c.Subject, d.Microseconds(), table.conflict).Exec(ctx)
	return err
}

func (s channelStore) ParkedApps(ctx context.Context, platform string) (out []channels.Refusal, err error) {
	err = s.db.system(ctx, pathAppQuota, func(ctx context.Context, tx tx) error {
		var rows []parkRow
		err := tx.NewRaw(`select name, scope, subject, extract(epoch from parked_until - clock_timestamp())::double precision as seconds
			from app_quotas where platform = ? and parked_until > clock_timestamp()`, platform).Scan(ctx, &rows)
		for _, r := range rows {
			out = append(out, *r.refusal())
		}
		return err
	})
	return out, err
}
