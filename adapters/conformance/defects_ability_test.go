package conformance_test

import (
	"context"
	"sync"

	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// abilityDefects are about what is optional.
func abilityDefects() map[string]defect {
	return map[string]defect{
		"finds everything": finding("L1.find.absent", func(*pigeon.Pigeon) func(context.Context, social.FindRequest) (social.Finding, error) {
			return func(context.Context, social.FindRequest) (social.Finding, error) {
				return social.Finding{Verdict: social.Found, Receipt: &social.Receipt{Ref: social.Ref{ID: "p1"}, Status: social.Live}}, nil
			}
		}),
		"finds nothing": finding("L1.find.found", func(*pigeon.Pigeon) func(context.Context, social.FindRequest) (social.Finding, error) {
			return func(context.Context, social.FindRequest) (social.Finding, error) { return absent, nil }
		}),
		"finds by words": {notices: "L1.find.equal", serve: func(p *pigeon.Pigeon) {
			var seen sync.Map
			sdk.Serve(wrong{Pigeon: p, publish: func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := p.Publish(ctx, r)
				if step.Receipt != nil {
					seen.Store(r.Content.Text, step.Receipt)
				}
				return step, err
			}, find: func(_ context.Context, r social.FindRequest) (social.Finding, error) {
				if found, ok := seen.Load(r.Content.Text); ok {
					return social.Finding{Verdict: social.Found, Receipt: found.(*social.Receipt)}, nil
				}
				return absent, nil
			}})
		}},
		"ignores what is taken": {notices: "L1.find.taken", serve: func(p *pigeon.Pigeon) {
			var first sync.Map
			sdk.Serve(wrong{Pigeon: p, publish: func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := p.Publish(ctx, r)
				if step.Receipt != nil {
					first.LoadOrStore(r.Content.Text, step.Receipt)
				}
				return step, err
			}, find: func(ctx context.Context, r social.FindRequest) (social.Finding, error) {
				if found, ok := first.Load(r.Content.Text); ok && len(r.Taken) > 0 {
					return social.Finding{Verdict: social.Found, Receipt: found.(*social.Receipt)}, nil
				}
				return p.Find(ctx, r)
			}})
		}},
		"looks at one page": {notices: "L1.find.full", serve: func(p *pigeon.Pigeon) {
			var mu sync.Mutex
			var page []*social.Receipt // the newest, as a listing has them
			texts := map[string]string{}
			sdk.Serve(wrong{Pigeon: p, publish: func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := p.Publish(ctx, r)
				if step.Receipt != nil {
					mu.Lock()
					defer mu.Unlock()
					page, texts[step.Receipt.Ref.ID] = append(page, step.Receipt), r.Content.Text
					page = page[max(0, len(page)-20):]
				}
				return step, err
			}, find: func(_ context.Context, r social.FindRequest) (social.Finding, error) {
				mu.Lock()
				defer mu.Unlock()
				for _, one := range page {
					if texts[one.Ref.ID] == r.Content.Text {
						return social.Finding{Verdict: social.Found, Receipt: one}, nil
					}
				}
				return absent, nil
			}})
		}},
		"calls everything visible": finding("L1.find.status", func(p *pigeon.Pigeon) func(context.Context, social.FindRequest) (social.Finding, error) {
			return func(ctx context.Context, r social.FindRequest) (social.Finding, error) {
				if r.Ref != nil {
					return social.Finding{Verdict: social.Found, Receipt: &social.Receipt{Ref: *r.Ref, Status: social.Live}}, nil
				}
				return p.Find(ctx, r)
			}
		}),
		"invents figures": {notices: "L1.metrics", serve: func(p *pigeon.Pigeon) {
			sdk.Serve(wrong{Pigeon: p, metrics: func(_ context.Context, r social.MetricsRequest) ([]social.Metrics, error) {
				var out []social.Metrics
				for _, ref := range r.Posts {
					out = append(out, social.Metrics{Ref: ref, Values: map[string]float64{"likes": 1}})
				}
				return out, nil
			}})
		}},
		"lists somebody else": {notices: "L1.accounts", serve: func(p *pigeon.Pigeon) {
			sdk.Serve(wrong{Pigeon: p, accounts: func(context.Context, social.Call) ([]social.Account, error) {
				return []social.Account{{ID: "acc_other"}}, nil
			}})
		}},
		"asks forever": {notices: "L1.connect", serve: func(p *pigeon.Pigeon) {
			sdk.Serve(signsIn{wrong{Pigeon: p, connect: func(context.Context, social.ConnectRequest) (social.ConnectStep, error) {
				return social.ConnectStep{Form: []byte(`{"type":"object"}`)}, nil
			}}})
		}},
		"renews to nothing": {notices: "L1.refresh", serve: func(p *pigeon.Pigeon) {
			sdk.Serve(renews{wrong{Pigeon: p, refresh: func(context.Context, social.Call) (social.Credential, error) {
				return social.Credential{}, nil
			}}})
		}},
	}
}
