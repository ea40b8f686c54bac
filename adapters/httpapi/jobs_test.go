package httpapi

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
)

// running is a job that finishes at a time.
type running struct{ until time.Time }

func (r running) Get(context.Context, tenants.Scope, jobs.ID) (*jobs.Job, error) {
	if time.Now().Before(r.until) {
		return &jobs.Job{Status: jobs.Running}, nil
	}
	return &jobs.Job{Status: jobs.Succeeded, FinishedAt: r.until}, nil
}

func (r running) Cancel(ctx context.Context, who tenants.Scope, id jobs.ID) (*jobs.Job, error) {
	return r.Get(ctx, who, id)
}

func TestWaitingForAJob(t *testing.T) {
	for name, tc := range map[string]struct {
		prefer      string
		takes, wait time.Duration
		want        jobs.Status
	}{
		"at once":     {"", time.Hour, 0, jobs.Running},
		"in time":     {"wait=5", 2 * time.Second, 2 * time.Second, jobs.Succeeded},
		"too long":    {"respond-async, wait=5", time.Hour, 5 * time.Second, jobs.Running},
		"too patient": {"WAIT=99999999", time.Hour, maxWait, jobs.Running},
		"negative":    {"wait=-1", time.Hour, 0, jobs.Running},
		"nonsense":    {"wait=soon", time.Hour, 0, jobs.Running},
		"it is over":  {"wait=5", 0, 0, jobs.Succeeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			s := &Server{Jobs: running{start.Add(tc.takes)}}
			j, err := s.finished(t.Context(), tenants.Scope{}, "job_x", patienceOf(tc.prefer))
			if err != nil || j.Status != tc.want || time.Since(start) != tc.wait {
				t.Errorf("%s: %+v after %s, %v", name, j, time.Since(start), err)
			}
		})
	}
}

// The contract names every type of event.
func TestEventTypesAreInTheContract(t *testing.T) {
	for _, typ := range events.Types() {
		if !strings.Contains(string(contractJSON), "`"+string(typ)+"`") {
			t.Errorf("%s is not in openapi.yaml", typ)
		}
	}
}
