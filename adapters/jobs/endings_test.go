package jobs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	names "github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/tenants"
)

type ends struct {
	got  []Ending
	fail error
}

func (e *ends) EndJob(_ context.Context, got Ending) error {
	e.got = append(e.got, got)
	return e.fail
}

func TestTheEndOfANamedJobIsHandedOn(t *testing.T) {
	tenant, boom := tenants.NewID(), errors.New("boom")
	for name, tc := range map[string]struct {
		err     error
		attempt int
		plain   bool
		stopped bool
		want    names.Status
	}{
		"done":              {attempt: 1, want: names.Succeeded},
		"another try":       {err: boom, attempt: 1},
		"the last try":      {err: boom, attempt: 3, want: names.Failed},
		"given up":          {err: river.JobCancel(boom), attempt: 1, want: names.Failed},
		"put off":           {err: river.JobSnooze(time.Second), attempt: 3},
		"stopped by people": {err: context.Canceled, attempt: 1, stopped: true, want: names.Canceled},
		"without a name":    {attempt: 1, plain: true},
	} {
		t.Run(name, func(t *testing.T) {
			job := &rivertype.JobRow{ID: 7, Attempt: tc.attempt, MaxAttempts: 3, EncodedArgs: []byte(`{"tenant":"` + string(tenant) + `"}`), Metadata: []byte(`{"x":1}`)}
			if !tc.plain {
				job.Metadata = Named("job_1", &river.InsertOpts{Queue: QueueLater}).Metadata
			}
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			e := new(ends)
			err := Endings(e).(rivertype.WorkerMiddleware).Work(ctx, job, func(context.Context) error {
				if tc.stopped {
					stop(rivertype.ErrJobCancelledRemotely)
				}
				return tc.err
			})
			if !errors.Is(err, tc.err) {
				t.Errorf("err = %v", err)
			}
			if (len(e.got) == 1) != (tc.want != "") {
				t.Fatalf("handed on: %+v", e.got)
			}
			if tc.want != "" && (e.got[0].Status != tc.want || e.got[0].Tenant != tenant || e.got[0].Job != "job_1") {
				t.Errorf("%+v", e.got[0])
			}
		})
	}
}

// What was done and cannot be told of is done again.
func TestAnEndThatCannotBeToldIsNone(t *testing.T) {
	e := &ends{fail: errors.New("no database")}
	job := &rivertype.JobRow{Attempt: 1, MaxAttempts: 3, Metadata: Named("job_1", nil).Metadata}
	err := Endings(e).(rivertype.WorkerMiddleware).Work(t.Context(), job, func(context.Context) error { return nil })
	if !errors.Is(err, e.fail) {
		t.Errorf("err = %v", err)
	}
}
