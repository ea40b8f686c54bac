package conformance_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/ports/social"
)

// faultDefects are about requests that go wrong.
func faultDefects() map[string]defect {
	const commit = "L2.post-text.post-api-v1-posts."
	all := map[string]defect{
		"retries a lost commit": publishing(commit+"reset-after", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				if err != nil && social.FaultOf(err, r.Commit).Kind == social.Ambiguous {
					return right(ctx, r)
				}
				return step, err
			}
		}),
		"takes the older one for it": publishing(commit+"older", func(right publisher) publisher {
			var first sync.Map
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				if step.Receipt != nil {
					first.LoadOrStore(r.Content.Text, step.Receipt)
				}
				if there, ok := first.Load(r.Content.Text); ok && err != nil && social.FaultOf(err, r.Commit).Kind == social.Duplicate {
					return social.Step{Receipt: there.(*social.Receipt)}, nil
				}
				return step, err
			}
		}),
		"takes 500 for done": publishing(commit+"500", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				if f := social.FaultOf(err, r.Commit); err != nil && f.HTTPStatus == 500 {
					return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: "surely"}, Status: social.Live}}, nil
				}
				return step, err
			}
		}),
		"does not say when":   faults(commit+"429", social.RateLimited, func(f *social.Fault) { f.RetryAfter = 0 }),
		"waits too little":    faults(commit+"429", social.RateLimited, func(f *social.Fault) { f.RetryAfter = time.Second }),
		"hides the limit":     faults(commit+"429", social.RateLimited, kind(social.Invalid)),
		"explains nothing":    faults(commit+"429", social.RateLimited, func(f *social.Fault) { f.Message = "" }),
		"repeats its uploads": faults("L2.post-image.post-api-v1-media.401", social.AuthExpired, kind(social.Transient)),
		"gives up on the first": publishing("L2.post-image.post-api-v1-media.503", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				var f *social.Fault
				if errors.As(err, &f) && f.Kind == social.Transient {
					f.Kind = social.Permanent
				}
				return step, err
			}
		}),
	}
	for check, from := range map[string]social.Kind{
		"401": social.AuthExpired, "403": social.Permanent, "404": social.NotFound, "422": social.Invalid, "500": social.Ambiguous, "503": social.Ambiguous,
		"garbled": social.Ambiguous, "reset-after": social.Ambiguous, "duplicate": social.Duplicate,
	} {
		all["calls "+check+" harmless"] = faults(commit+check, from, kind(social.Transient))
	}
	all["calls a reset final"] = faults(commit+"reset-before", social.Ambiguous, kind(social.Permanent))
	all["calls silence harmless"] = publishing(commit+"stall", func(right publisher) publisher {
		return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
			until, _ := ctx.Deadline()
			ctx, cancel := context.WithDeadline(ctx, until.Add(-1e9)) // answers in time, and wrongly
			defer cancel()
			step, err := right(ctx, r)
			if err != nil {
				return step, social.Fail(social.Transient, "pigeon.slow", "Pigeon is slow.")
			}
			return step, err
		}
	})
	for _, check := range []string{"401", "403", "429", "500", "503", "garbled", "reset-before", "reset-after"} {
		all["sees nothing on "+check] = finding("L2.find."+check, blindly)
	}
	return all
}

// blindly takes whatever goes wrong for an absence.
func blindly(p *pigeon.Pigeon) func(context.Context, social.FindRequest) (social.Finding, error) {
	return func(ctx context.Context, r social.FindRequest) (social.Finding, error) {
		f, err := p.Find(ctx, r)
		if err != nil {
			return absent, nil
		}
		return f, nil
	}
}
