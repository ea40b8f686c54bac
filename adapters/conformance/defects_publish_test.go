package conformance_test

import (
	"context"
	"net/http"
	"os"
	"strings"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// publishDefects are about publishing.
func publishDefects() map[string]defect {
	return map[string]defect{
		"forgets the receipt": publishing("L1.publish", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				if step.Receipt != nil {
					step.Receipt.Ref = social.Ref{}
				}
				return step, err
			}
		}),
		"names another object": publishing("L1.publish", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				if step.Receipt != nil {
					step.Receipt.Ref.ID += "x"
				}
				return step, err
			}
		}),
		"counts bytes": publishing("L1.longest", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				if len(r.Content.Text) > 500 {
					return social.Step{}, social.Fail(social.Invalid, "pigeon.long", "The text is too long.")
				}
				return right(ctx, r)
			}
		}),
		"escapes the text": publishing("L1.publish", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				r.Content.Text = strings.ReplaceAll(r.Content.Text, "&", "&amp;")
				return right(ctx, r)
			}
		}),
		"stores the token": publishing("L1.publish", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				r.State = nil
				step, err := right(ctx, r)
				if step.Next != nil {
					step.Next.State = []byte(r.Call.Credential.AccessToken)
				}
				return step, err
			}
		}),
		"uploads in the commit": publishing("L1.publish", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				if r.Commit {
					post(ctx, r, "/api/v1/media")
				}
				return right(ctx, r)
			}
		}),
		"publishes while preparing": publishing("L1.repeat", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				step, err := right(ctx, r)
				if step.Next != nil && step.Next.Commit {
					again := r
					again.State, again.Commit = step.Next.State, true
					_, _ = right(ctx, again)
				}
				return step, err
			}
		}),
		"lets the platform count": publishing("L1.long", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				if len(r.Content.Text) > 500 {
					return social.Step{}, social.Fail(social.Permanent, "pigeon.no", "No.")
				}
				return right(ctx, r)
			}
		}),
		"hides the sign-in": faults("L1.token", social.AuthExpired, kind(social.Invalid)),
		"drops the parent": publishing("L1.thread", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				r.Content.ReplyTo, r.Content.Root = nil, nil
				return right(ctx, r)
			}
		}),
		"calls home": publishing("L1.", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				_, _ = sdk.HTTPClient().Get("http://metrics.example.com/")
				return right(ctx, r)
			}
		}),
		"forgets its call": publishing("L1.whose", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				_, _ = sdk.HTTPClient().Get(os.Getenv("CARILLON_PIGEON_URL") + "/healthz")
				return right(ctx, r)
			}
		}),
		"goes around the proxy": publishing("L1.", func(right publisher) publisher {
			return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
				_, _ = (&http.Client{Transport: &http.Transport{}}).Get(os.Getenv("CARILLON_PIGEON_URL") + "/healthz")
				return right(ctx, r)
			}
		}),
	}
}

// post makes a request that nobody asked for.
func post(ctx context.Context, r social.PublishRequest, path string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("CARILLON_PIGEON_URL")+path, strings.NewReader("x"))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.Call.Credential.AccessToken)
	if res, err := sdk.HTTPClient().Do(req); err == nil {
		_ = res.Body.Close()
	}
}
