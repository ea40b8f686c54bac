package jobs

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/tenants"
)

// TidyBrand removes the bytes of a brand's picture that is shown no more.
type TidyBrand struct {
	Tenant  string `json:"tenant"`
	Picture string `json:"picture"`
}

// Kind implements river.JobArgs. It never changes.
func (TidyBrand) Kind() string { return "branding.tidy" }

// Tidier is the part of branding.Service that a worker needs.
type Tidier interface {
	Tidy(ctx context.Context, tenant tenants.ID, picture string) error
}

// RegisterBrands adds the worker that tidies up after brands.
func RegisterBrands(ws *river.Workers, t Tidier) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[TidyBrand]) error {
		return Verdict(t.Tidy(ctx, tenants.ID(job.Args.Tenant), job.Args.Picture))
	}))
}
