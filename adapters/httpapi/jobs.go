package httpapi

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
)

// Jobs is what the HTTP surface uses of jobs.Service.
type Jobs interface {
	Get(ctx context.Context, who tenants.Scope, id jobs.ID) (*jobs.Job, error)
	Cancel(ctx context.Context, who tenants.Scope, id jobs.ID) (*jobs.Job, error)
}

// GetJob implements GET /jobs/{job}.
func (s *Server) GetJob(ctx context.Context, req api.GetJobRequestObject) (api.GetJobResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	j, err := s.finished(ctx, who, jobs.ID(req.Job), patienceOf(or(req.Params.Prefer)))
	if err != nil {
		return nil, err
	}
	return api.GetJob200JSONResponse(toJob(j)), nil
}

// CancelJob implements POST /jobs/{job}:cancel.
func (s *Server) CancelJob(ctx context.Context, req api.CancelJobRequestObject) (api.CancelJobResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	j, err := s.Jobs.Cancel(ctx, who, jobs.ID(req.Job))
	if err != nil {
		return nil, err
	}
	return api.CancelJob200JSONResponse(toJob(j)), nil
}

func toJob(j *jobs.Job) api.Job {
	return api.Job{
		Id: string(j.ID), Object: api.JobObjectJob, Type: j.Type, Subject: j.Subject, Status: api.JobStatus(j.Status),
		Tries: j.Tries, CreatedAt: j.CreatedAt, FinishedAt: some(j.FinishedAt),
	}
}

// How long an answer waits for a job at most, and how often it looks.
const (
	maxWait  = 10 * time.Second
	lookEach = 250 * time.Millisecond
)

// finished is the job once it has finished, or as it is when patience ends.
func (s *Server) finished(ctx context.Context, who tenants.Scope, job jobs.ID, patience time.Duration) (*jobs.Job, error) {
	enough := time.After(patience)
	look := time.NewTicker(lookEach)
	defer look.Stop()
	for {
		j, err := s.Jobs.Get(ctx, who, job)
		if err != nil || !j.FinishedAt.IsZero() || patience == 0 {
			return j, err
		}
		select {
		case <-look.C:
		case <-enough:
			return j, nil
		case <-ctx.Done():
			return j, nil
		}
	}
}

// patienceOf reads wait=N in a Prefer header (RFC 7240). Preferences that are
// not understood are not met, and nothing else.
func patienceOf(prefer string) time.Duration {
	for p := range strings.SplitSeq(prefer, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if n, err := strconv.Atoi(value); strings.EqualFold(name, "wait") && err == nil && n > 0 {
			return min(time.Duration(min(n, 3600))*time.Second, maxWait)
		}
	}
	return 0
}

// jobAt is the address of a job, for Location.
func jobAt(job string) *string { return some(base + "/jobs/" + job) }
