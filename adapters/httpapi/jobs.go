package httpapi

import (
	"context"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
)

// Jobs is what the HTTP surface uses of jobs.Service.
type Jobs interface {
	Get(ctx context.Context, who tenants.Scope, id jobs.ID) (*jobs.Job, error)
}

// GetJob implements GET /jobs/{job}.
func (s *Server) GetJob(ctx context.Context, req api.GetJobRequestObject) (api.GetJobResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	j, err := s.Jobs.Get(ctx, who, jobs.ID(req.Job))
	if err != nil {
		return nil, err
	}
	return api.GetJob200JSONResponse{
		Id: string(j.ID), Object: api.JobObjectJob, Type: j.Type, Subject: j.Subject, Status: api.JobStatus(j.Status),
		Tries: j.Tries, CreatedAt: j.CreatedAt, FinishedAt: some(j.FinishedAt),
	}, nil
}

// jobAt is the address of a job, for Location.
func jobAt(job string) *string { return some(base + "/jobs/" + job) }
