package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/exports"
)

// ExportTenant makes an archive of all that a tenant owns.
type ExportTenant struct {
	Tenant string `json:"tenant"`
	Export string `json:"export"`
}

// Kind implements river.JobArgs. It never changes.
func (ExportTenant) Kind() string { return "tenant.export" }

// SweepExports has exports that a crash left gone on with, and removes old
// archives, in every tenant.
type SweepExports struct{}

// Kind implements river.JobArgs. It never changes.
func (SweepExports) Kind() string { return "tenant.export_sweep" }

// Exporter is the part of exports.Service that workers need.
type Exporter interface {
	Run(ctx context.Context, tenant tenants.ID, name exports.ID) error
	Sweep(ctx context.Context) error
}

// exportTime bounds one attempt: a large tenant's files take their time.
const exportTime = 12 * time.Hour

// exporting is the worker of ExportTenant, which may take longer than others.
type exporting struct {
	river.WorkerDefaults[ExportTenant]
	exporter Exporter
}

// Timeout implements river.Worker.
func (exporting) Timeout(*river.Job[ExportTenant]) time.Duration { return exportTime }

// Work implements river.Worker.
func (w exporting) Work(ctx context.Context, job *river.Job[ExportTenant]) error {
	return Verdict(w.exporter.Run(ctx, tenants.ID(job.Args.Tenant), exports.ID(job.Args.Export)))
}

// RegisterExports adds the workers that make archives.
func RegisterExports(ws *river.Workers, e Exporter) {
	river.AddWorker(ws, exporting{exporter: e})
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[SweepExports]) error { return Verdict(e.Sweep(ctx)) }))
}

// lookEvery is how often work is looked for whose worker has died.
const lookEvery = time.Minute

// PeriodicExports is the periodic job that RegisterExports' workers need.
func PeriodicExports() *river.PeriodicJob {
	return every(lookEvery, SweepExports{}, river.QueueDefault)
}
