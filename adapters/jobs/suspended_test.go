package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// standing answers the same for every tenant, and counts how often it is asked.
type standing struct {
	err   error
	asked int
}

func (s *standing) Standing(context.Context, tenants.ID) (registry.Standing, error) {
	s.asked++
	return registry.Standing{}, s.err
}

func TestWorkOfTheSuspendedWaits(t *testing.T) {
	suspended := fault.New(fault.Forbidden, "tenant.suspended", "Closed.")
	gone := fault.New(fault.NotFound, "tenant.not_found", "Gone.")
	down := fault.New(fault.Unavailable, "database.unavailable", "Down.")
	us := string(tenants.NewID())
	for name, tc := range map[string]struct {
		job   river.JobArgs
		err   error
		works bool
		asks  int
	}{
		"open":                      {WebhookDeliver{Tenant: us}, nil, true, 1},
		"a webhook":                 {WebhookDeliver{Tenant: us}, suspended, false, 1},
		"a replay":                  {WebhookReplay{Tenant: us}, suspended, false, 1},
		"an event":                  {WebhookFanOut{Tenant: us}, suspended, false, 1},
		"figures":                   {RefreshMetrics{Tenant: tenants.ID(us)}, suspended, false, 1},
		"an invitation":             {Invite{Tenant: us}, suspended, false, 1},
		"the fate of what was sent": {FollowUp{Tenant: tenants.ID(us)}, suspended, true, 0},
		"a sign-in that would end":  {RenewGrant{Tenant: us}, suspended, true, 0},
		"people's mail":             {Mail{}, suspended, true, 0},
		"a tenant that is gone":     {WebhookDeliver{Tenant: us}, gone, true, 1},
		"a database that is away":   {WebhookDeliver{Tenant: us}, down, false, 1},
		"a job without its tenant":  {WebhookDeliver{}, suspended, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(tc.job)
			if err != nil {
				t.Fatal(err)
			}
			s, worked := &standing{err: tc.err}, false
			job := &rivertype.JobRow{Kind: tc.job.Kind(), EncodedArgs: raw}
			err = HoldSuspended(s).(*holder).Work(t.Context(), job, func(context.Context) error { worked = true; return nil })
			var snoozed *river.JobSnoozeError
			if worked != tc.works || s.asked != tc.asks {
				t.Errorf("worked = %v, asked %d times", worked, s.asked)
			}
			if errors.Is(tc.err, suspended) && !tc.works && !errors.As(err, &snoozed) {
				t.Errorf("err = %v", err)
			}
			if errors.Is(tc.err, down) && fault.Of(err).Code != fault.Unavailable {
				t.Errorf("err = %v", err)
			}
		})
	}
}
