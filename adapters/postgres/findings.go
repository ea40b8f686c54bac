package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
)

// Watch returns the way across tenants to channels whose rules changed.
func (db *DB) Watch() publishing.Watch { return watch{db} }

type watch struct{ db *DB }

// staleSQL lists what was never looked at first, then what was longest ago, also
// if that look failed. A look by the same rules that did not end goes on where it
// stopped.
const staleSQL = `
	select c.tenant_id, c.id, m.rules, c.version,
	       case when k.rules = m.rules and k.channel_version = c.version then k.after_post else '' end
	  from channels c
	  join unnest($1::text[], $2::text[]) m(platform, rules) on m.platform = c.platform
	  left join channel_checks k on k.tenant_id = c.tenant_id and k.channel_id = c.id
	 where c.state <> 'disconnected'
	   and exists (select from segments s where s.tenant_id = c.tenant_id and s.channel_id = c.id and s.state = 'scheduled' and s.position = 0)
	   and (k.channel_id is null or not k.done or k.rules <> m.rules or k.channel_version <> c.version)
	 order by k.checked_at nulls first, c.tenant_id, c.id
	 limit $3`

func (w watch) Stale(ctx context.Context, rules map[string]string, limit int) (looks []publishing.Look, err error) {
	var platforms, now []string
	for p, r := range rules {
		platforms, now = append(platforms, p), append(now, r)
	}
	err = w.db.system(ctx, pathStale, func(ctx context.Context, tx tx) error {
		rows, err := tx.pgx.Query(ctx, staleSQL, platforms, now, limit)
		if err != nil {
			return err
		}
		looks, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (l publishing.Look, err error) {
			err = r.Scan(&l.Tenant, &l.Channel, &l.Rules, &l.Version, &l.After)
			return l, err
		})
		return err
	})
	return looks, err
}

// violationRow is a violation as it is kept.
type violationRow struct {
	Field   string  `json:"field"`
	Reason  string  `json:"reason"`
	Message string  `json:"message"`
	Limit   float64 `json:"limit,omitempty"`
	Actual  float64 `json:"actual,omitempty"`
	Warning bool    `json:"warning,omitempty"`
}

const findingsSQL = `
	select f.post_id, f.channel_id, f.post_version, f.violations from post_findings f
	 where {f} and f.post_id = any ($2) order by f.post_id, f.channel_id`

func (tx postTx) Findings(ctx context.Context, posts ...publishing.PostID) ([]publishing.Finding, error) {
	rows, err := tx.query(ctx, findingsSQL, posts)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (f publishing.Finding, err error) {
		var kept []violationRow
		err = r.Scan(&f.Post, &f.Channel, &f.Version, &kept)
		for _, v := range kept {
			f.Violations = append(f.Violations, fault.Violation(v))
		}
		return f, err
	})
}

const (
	forgetFindingSQL = "delete from post_findings f where {f} and f.post_id = $2 and f.channel_id = $3"
	saveFindingSQL   = `
		insert into post_findings (post_id, channel_id, post_version, violations) values ($1, $2, $3, $4)
		on conflict (tenant_id, post_id, channel_id)
		do update set post_version = excluded.post_version, violations = excluded.violations, found_at = now()`
	saveLookSQL = `
		insert into channel_checks (channel_id, rules, channel_version, after_post, done) values ($1, $2, $3, $4, $5)
		on conflict (tenant_id, channel_id)
		do update set rules = excluded.rules, channel_version = excluded.channel_version, after_post = excluded.after_post,
		              done = excluded.done, checked_at = now()`
)

func (tx postTx) SaveFinding(ctx context.Context, f publishing.Finding) error {
	if len(f.Violations) == 0 {
		_, err := tx.pgx.Exec(ctx, tx.mineIn(forgetFindingSQL), string(tx.tenant), string(f.Post), string(f.Channel))
		return err
	}
	kept := make([]violationRow, len(f.Violations))
	for i, v := range f.Violations {
		kept[i] = violationRow(v)
	}
	_, err := tx.pgx.Exec(ctx, saveFindingSQL, string(f.Post), string(f.Channel), f.Version, kept)
	return err
}

func (tx postTx) SaveLook(ctx context.Context, l publishing.Look, done bool) error {
	_, err := tx.pgx.Exec(ctx, saveLookSQL, string(l.Channel), l.Rules, l.Version, string(l.After), done)
	return err
}
