package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/domains"
)

// RecheckDomains looks for the proofs of hosts that are due.
type RecheckDomains struct{}

// Kind implements river.JobArgs. It never changes.
func (RecheckDomains) Kind() string { return "domains.recheck" }

// DomainNotice writes to a tenant's owners what became of one of its hosts.
type DomainNotice struct {
	Tenant string `json:"tenant"`
	Domain string `json:"domain"`
	Turn   string `json:"turn"`
}

// Kind implements river.JobArgs. It never changes.
func (DomainNotice) Kind() string { return "domains.notice" }

// InsertOpts implements river.JobArgsWithInsertOpts: about eleven hours, as
// for other letters.
func (DomainNotice) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 12} }

// Rechecker is the part of domains.Service that a worker needs.
type Rechecker interface {
	Recheck(ctx context.Context) error
}

// Noticer is the part of domains.Courier that a worker needs.
type Noticer interface {
	Deliver(ctx context.Context, n domains.Notice) error
}

// RegisterDomains adds the workers that look at hosts and tell their owners.
// What one look leaves, the next takes up.
func RegisterDomains(ws *river.Workers, r Rechecker, n Noticer) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[RecheckDomains]) error { return Verdict(r.Recheck(ctx)) }))
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[DomainNotice]) error {
		a := job.Args
		return Verdict(n.Deliver(ctx, domains.Notice{Tenant: tenants.ID(a.Tenant), Domain: domains.ID(a.Domain), Turn: domains.Turn(a.Turn)}))
	}))
}

// recheckEvery is how often due proofs are asked for: each host has a time of
// its own.
const recheckEvery = 10 * time.Minute

// PeriodicDomains is the periodic job that RegisterDomains' worker needs.
func PeriodicDomains() *river.PeriodicJob {
	return every(recheckEvery, RecheckDomains{}, river.QueueDefault)
}
