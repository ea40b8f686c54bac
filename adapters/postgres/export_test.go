package postgres

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/uptrace/bun"

	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
)

// The doors are private to the package; its tests, which need postgrestest and
// so live outside, come in through here.

type Tx = tx

func (db *DB) View(ctx context.Context, t tenants.ID, fn func(context.Context, Tx) error) error {
	return db.view(ctx, t, fn)
}

func (db *DB) Update(ctx context.Context, t tenants.ID, fn func(context.Context, Tx) error) error {
	return db.update(ctx, t, fn)
}

func (db *DB) System(ctx context.Context, fn func(context.Context, Tx) error) error {
	return db.system(ctx, "test", fn)
}

func (tx Tx) Enqueue(ctx context.Context, args river.JobArgs) error {
	return tx.enqueue(ctx, args, nil)
}

func (tx Tx) Find(model any) *bun.SelectQuery   { return tx.find(model) }
func (tx Tx) Change(model any) *bun.UpdateQuery { return tx.change(model) }
func (tx Tx) Remove(model any) *bun.DeleteQuery { return tx.remove(model) }

// WithoutDoor is a way that must not exist.
func (db *DB) WithoutDoor(ctx context.Context) error {
	return db.app.bun.RunInTx(ctx, nil, func(context.Context, bun.Tx) error { return nil })
}

var (
	AsFault      = asFault
	Global       = global
	Definers     = definers
	Distribution = distribution
)

type Reference = reference

func NewReference(from, to string) Reference { return reference{from, to} }

func (tx Tx) Name(ctx context.Context, job jobs.ID, kind, subject string, args river.JobArgs) error {
	return tx.name(ctx, job, kind, subject, args, nil)
}

// Hot are statements that every delivery passes, by what they do.
var Hot = map[string]string{
	"lock a post":       lockPostSQL,
	"lock its segments": lockSegmentsSQL,
	"look at the work":  workSQL,
	"read the work":     workHooksSQL,
	"arm a segment":     armSQL,
	"save a segment":    saveSegmentSQL,
	"record an event":   recordSQL,
	"tell of an event":  tellSQL(2),
	"read a channel":    channelSQL,
	"read a grant":      lentGrantSQL,
	"read closures":     closedSQL,
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// GenericPlan is how the application's role would run a prepared statement
// from now on.
func (db *DB) GenericPlan(ctx context.Context, t tenants.ID, sql string) (lines []string, err error) {
	return lines, db.view(ctx, t, func(ctx context.Context, tx tx) error {
		n := 0
		for _, m := range parameter.FindAllStringSubmatch(tx.mineIn(sql), -1) {
			i, _ := strconv.Atoi(m[1])
			n = max(n, i)
		}
		for _, s := range []string{"set local plan_cache_mode = force_generic_plan", "prepare planned as " + tx.mineIn(sql)} {
			if _, err := tx.pgx.Exec(ctx, s); err != nil {
				return err
			}
		}
		rows, err := tx.pgx.Query(ctx, "explain execute planned ("+strings.TrimSuffix(strings.Repeat("null,", n), ",")+")", pgx.QueryExecModeExec)
		if err != nil {
			return err
		}
		if lines, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		_, err = tx.pgx.Exec(ctx, "deallocate planned")
		return err
	})
}

// ClaimCost is how many pages a claim of n touches. It takes nothing.
func (db *DB) ClaimCost(ctx context.Context, n int, without ...string) (pages int, err error) {
	t, err := db.sys.pool.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = t.Rollback(ctx) }()
	var plan []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	err = t.QueryRow(ctx, "explain (analyze, buffers, format json) "+claimSQL, n, time.Hour, "w", 3600.0,
		firstLane.minute, firstLane.tenant, firstLane.channel, max(wide, 4*n), "", "", max(wide, 4*n), parkMost, append([]string{}, without...)).Scan(&plan)
	return plan[0].Plan.Hit + plan[0].Plan.Read, err
}

// ClaimPlan is how a claim is carried out.
func (db *DB) ClaimPlan(ctx context.Context) (string, error) {
	rows, err := db.sys.pool.Query(ctx, "explain (verbose) "+claimSQL, 10, time.Hour, "w", 3600.0,
		firstLane.minute, firstLane.tenant, firstLane.channel, wide, "", "", wide, parkMost, []string{})
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}

// Closed asks why a tenant may not use a platform, in both ways.
func (db *DB) Closed(ctx context.Context, who tenants.ID, platform string) (one, set string, err error) {
	err = db.sys.pool.QueryRow(ctx, `select coalesce(platform_closed($1, $2), ''),
		coalesce((select string_agg(c, ' ') from platform_closures($1, $2) c), '')`, who, platform).Scan(&one, &set)
	return one, set, err
}

// Unexported are the tables of tenants that no export has.
var Unexported = unexported

// Exported are those that one has, with the columns that it has not.
func Exported() map[string][]string {
	out := map[string][]string{}
	for _, k := range exported {
		out[k.table] = append([]string{}, k.drop...)
	}
	return out
}

// PlainBytes and SealedColumns are what is known of columns of bytes.
var PlainBytes = plainBytes

func SealedColumns() (names []string) {
	for _, c := range sealedColumns {
		names = append(names, c.name)
	}
	return names
}
