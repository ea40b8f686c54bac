package jobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/tenants"
)

// RenewDueGrants looks for tokens that are about to expire, in every tenant,
// and queues a RenewGrant for each.
type RenewDueGrants struct{}

// Kind implements river.JobArgs. It never changes.
func (RenewDueGrants) Kind() string { return "channels.renew_due" }

// RenewGrant renews one grant before its token expires.
type RenewGrant struct {
	Tenant string `json:"tenant" river:"unique"`
	Grant  string `json:"grant" river:"unique"`
}

// Kind implements river.JobArgs. It never changes.
func (RenewGrant) Kind() string { return "channels.renew" }

// InsertOpts implements river.JobArgsWithInsertOpts: one waiting job a grant,
// tried once, because the grant's own row says when to try again.
func (RenewGrant) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: renewEvery}}
}

// renewEvery is how often due tokens are looked for. The least time ahead that
// a token is renewed is half of its life.
const renewEvery = time.Minute

// renewBatch bounds one look; the next takes what is left.
const renewBatch = 1000

// Renewer is the part of channels.Service that keeps grants alive.
type Renewer interface {
	Due(ctx context.Context, limit int) ([]channels.Due, error)
	Renew(ctx context.Context, who tenants.Scope, id channels.GrantID) error
	Purge(ctx context.Context) (int, error)
}

// RegisterRenewal adds the workers that keep channels connected.
func RegisterRenewal(ws *river.Workers, r Renewer) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[RenewDueGrants]) error { return renewDue(ctx, r) }))
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[RenewGrant]) error {
		return r.Renew(ctx, tenants.SystemScope(tenants.ID(job.Args.Tenant)), channels.GrantID(job.Args.Grant))
	}))
}

// RenewalSchedule is the periodic job that RegisterRenewal's workers need.
func RenewalSchedule() *river.PeriodicJob {
	return every(renewEvery, RenewDueGrants{}, river.QueueDefault)
}

func renewDue(ctx context.Context, r Renewer) error {
	if _, err := r.Purge(ctx); err != nil {
		return err
	}
	due, err := r.Due(ctx, renewBatch)
	if err != nil || len(due) == 0 {
		return err
	}
	many := make([]river.InsertManyParams, 0, len(due))
	for _, d := range due {
		many = append(many, river.InsertManyParams{Args: RenewGrant{Tenant: string(d.Tenant), Grant: string(d.Grant)}})
	}
	_, err = river.ClientFromContext[pgx.Tx](ctx).InsertMany(ctx, many)
	return err
}
