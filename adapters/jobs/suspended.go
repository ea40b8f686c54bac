package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// held is the work that waits while its tenant, or one above it, is suspended:
// what tells others, and what asks platforms for more than the fate of a post
// that was sent before. Sign-ins go on being renewed, or there would be nothing
// left to resume.
var held = map[string]bool{
	WebhookDeliver{}.Kind(): true, WebhookFanOut{}.Kind(): true, WebhookReplay{}.Kind(): true,
	RefreshMetrics{}.Kind(): true, Invite{}.Kind(): true,
}

// heldFor is how long such work waits before it looks again. It counts as no
// attempt.
const heldFor = time.Minute

// Standings says how tenants stand. It returns fault.Forbidden for a suspended
// one.
type Standings interface {
	Standing(ctx context.Context, tenant tenants.ID) (registry.Standing, error)
}

// HoldSuspended returns what postpones the work of suspended tenants, for
// river.Config.Middleware. It asks before each job: what is suspended stops on
// every process with its next job, and goes on within a minute of resuming.
func HoldSuspended(s Standings) rivertype.Middleware { return &holder{standings: s} }

type holder struct {
	river.MiddlewareDefaults
	standings Standings
}

// Work implements rivertype.WorkerMiddleware.
func (h *holder) Work(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) error {
	if tenant := tenantOf(job); held[job.Kind] && tenant.Valid() {
		_, err := h.standings.Standing(ctx, tenant)
		if fault.Is(err, fault.Forbidden) {
			return river.JobSnooze(heldFor)
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return Verdict(err)
		}
	}
	return work(ctx)
}
