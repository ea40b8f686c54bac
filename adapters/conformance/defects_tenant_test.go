package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/carillonhq/carillon/adapters/conformance"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// crashDefects are about what a process takes with it.
func crashDefects() map[string]defect {
	return map[string]defect{
		"keeps progress in memory": {notices: "L3.post-text.2.between", serve: func(p *pigeon.Pigeon) {
			var prepared sync.Map
			sdk.Serve(wrong{Pigeon: p, publish: func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				if _, known := prepared.Load(r.Call.Idempotency); r.Commit && !known {
					return social.Step{}, social.Fail(social.Permanent, "pigeon.lost", "Where were we?")
				}
				prepared.Store(r.Call.Idempotency, true)
				return p.Publish(ctx, r)
			}})
		}},
		"publishes again": finding("L3.post-text.2.applied", func(*pigeon.Pigeon) func(context.Context, social.FindRequest) (social.Finding, error) {
			return func(context.Context, social.FindRequest) (social.Finding, error) { return absent, nil }
		}),
		"believes it is there": finding("L3.post-text.2.unsent", func(*pigeon.Pigeon) func(context.Context, social.FindRequest) (social.Finding, error) {
			return func(context.Context, social.FindRequest) (social.Finding, error) {
				return social.Finding{Verdict: social.Found, Receipt: &social.Receipt{Ref: social.Ref{ID: "p1"}, Status: social.Live}}, nil
			}
		}),
	}
}

// tenantDefects are about whose is what.
func tenantDefects() map[string]defect {
	return map[string]defect{
		"keeps the first credential": publishing("L4.turns", func(right publisher) publisher {
			var first sync.Map
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				kept, _ := first.LoadOrStore("token", r.Call.Credential.AccessToken)
				r.Call.Credential.AccessToken = kept.(string)
				return right(ctx, r)
			}
		}),
		"tells what another wrote": publishing("L4.turns", func(right publisher) publisher {
			var mu sync.Mutex
			last := ""
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				mu.Lock()
				defer mu.Unlock()
				if step.Next != nil {
					step.Next.Label = "after " + last
				}
				last = r.Content.Text
				return step, err
			}
		}),
		"prints the token": publishing("L4.turns", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				fmt.Fprintln(os.Stderr, "publishing with", r.Call.Credential.AccessToken)
				return right(ctx, r)
			}
		}),
		"prints what was refused": publishing("L4.refusals", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				if err != nil {
					fmt.Printf("refused: %v %s\n", err, r.Call.Credential.AccessToken)
				}
				return step, err
			}
		}),
		"tells people the token": publishing("L4.refusals", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				var f *social.Fault
				if errors.As(err, &f) {
					f.Message += " Token: " + r.Call.Credential.AccessToken
				}
				return step, err
			}
		}),
		"goes out as another": publishing("L4.together", func(right publisher) publisher {
			var first sync.Map // the context of each tenant's first call
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				first.LoadOrStore(r.Call.Tenant, context.WithoutCancel(ctx))
				first.Range(func(tenant, of any) bool {
					if tenant != r.Call.Tenant {
						ctx = of.(context.Context)
					}
					return true
				})
				return right(ctx, r)
			}
		}),
		"shares a variable": publishing("L4.together", func(right publisher) publisher {
			var mu sync.Mutex
			var token string
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				mu.Lock()
				before := token
				token = r.Call.Credential.AccessToken
				if before != "" {
					r.Call.Credential.AccessToken = before
				}
				mu.Unlock()
				return right(ctx, r)
			}
		}),
	}
}

// loadDefects are about what stays behind.
func loadDefects() map[string]defect {
	var mu sync.Mutex
	var kept [][]byte
	memory := publishing("L5.load", func(right publisher) publisher {
		return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = byte(i)
			}
			mu.Lock()
			kept = append(kept, block)
			mu.Unlock()
			return right(ctx, r)
		}
	})
	files := publishing("L5.load", func(right publisher) publisher {
		return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
			f, err := os.Open(os.DevNull)
			if err != nil {
				return social.Step{}, err
			}
			leaked.Store(r.Call.Idempotency+fmt.Sprint(r.Commit), f)
			return right(ctx, r)
		}
	})
	memory.load, files.load = conformance.Load{Publications: 100, AtOnce: 8}, conformance.Load{Publications: 100, AtOnce: 8}
	return map[string]defect{"keeps memory": memory, "keeps files open": files}
}

var leaked sync.Map
