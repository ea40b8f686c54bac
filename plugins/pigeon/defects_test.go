package pigeon_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// defects are plugins that break one promise each, with the case of the
// contract that must notice.
var defects = map[string]struct {
	notices string
	wrap    func(social.Platform) social.Platform
}{
	"retries a lost commit":     {"settled:_drop", func(p social.Platform) social.Platform { return retrying{p} }},
	"calls a lost commit safe":  {"settled:_answer", func(p social.Platform) social.Platform { return careless{p} }},
	"publishes while preparing": {"preparing_repeats", func(p social.Platform) social.Platform { return hasty{p} }},
	"tells the token":           {"repeatable:_refuse_by_rate", func(p social.Platform) social.Platform { return chatty{p} }},
	"forgets the receipt":       {"one_commit", func(p social.Platform) social.Platform { return forgetful{p} }},
}

// TestTheContractNoticesDefects runs the contract against each defect in a
// process of its own and wants it to fail.
func TestTheContractNoticesDefects(t *testing.T) {
	if name := os.Getenv("DEFECT"); name != "" {
		socialtest.Run(t, func(t *testing.T) socialtest.Harness {
			h := open(t, false)
			h.Platform = defects[name].wrap(h.Platform)
			return h
		})
		return
	}
	for name, defect := range defects {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestTheContractNoticesDefects$", "-test.v")
			cmd.Env = append(os.Environ(), "DEFECT="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestTheContractNoticesDefects/"+defect.notices) {
				t.Errorf("not noticed: %v\n%s", err, out)
			}
		})
	}
}

type retrying struct{ social.Platform }

func (p retrying) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	step, err := p.Platform.Publish(ctx, req)
	if social.FaultOf(err, true).Kind == social.Ambiguous && err != nil {
		return p.Platform.Publish(ctx, req)
	}
	return step, err
}

type careless struct{ social.Platform }

func (p careless) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	step, err := p.Platform.Publish(ctx, req)
	var f *social.Fault
	if errors.As(err, &f) && f.Kind == social.Ambiguous {
		f.Kind = social.Transient
	}
	return step, err
}

type hasty struct{ social.Platform }

func (p hasty) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	step, err := p.Platform.Publish(ctx, req)
	if err == nil && step.Next != nil && step.Next.Commit {
		req.State, req.Commit = step.Next.State, true
		if _, err := p.Platform.Publish(ctx, req); err != nil {
			return social.Step{}, err
		}
	}
	return step, err
}

type chatty struct{ social.Platform }

func (p chatty) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	step, err := p.Platform.Publish(ctx, req)
	var f *social.Fault
	if errors.As(err, &f) {
		f.Upstream = "Authorization: Bearer " + req.Call.Credential.AccessToken
	}
	return step, err
}

type forgetful struct{ social.Platform }

func (p forgetful) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	step, err := p.Platform.Publish(ctx, req)
	if step.Receipt != nil {
		step.Receipt.Ref.ID = ""
	}
	return step, err
}
