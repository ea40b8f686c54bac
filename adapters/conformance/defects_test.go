package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/conformance"
	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// wrong is Pigeon's plugin with something done otherwise.
type wrong struct {
	*pigeon.Pigeon
	publish  func(context.Context, social.PublishRequest) (social.Step, error)
	find     func(context.Context, social.FindRequest) (social.Finding, error)
	metrics  func(context.Context, social.MetricsRequest) ([]social.Metrics, error)
	accounts func(context.Context, social.Call) ([]social.Account, error)
	connect  func(context.Context, social.ConnectRequest) (social.ConnectStep, error)
	refresh  func(context.Context, social.Call) (social.Credential, error)
}

func (w wrong) Publish(ctx context.Context, r social.PublishRequest) (social.Step, error) {
	if w.publish != nil {
		return w.publish(ctx, r)
	}
	return w.Pigeon.Publish(ctx, r)
}

func (w wrong) Find(ctx context.Context, r social.FindRequest) (social.Finding, error) {
	if w.find != nil {
		return w.find(ctx, r)
	}
	return w.Pigeon.Find(ctx, r)
}

func (w wrong) Metrics(ctx context.Context, r social.MetricsRequest) ([]social.Metrics, error) {
	if w.metrics != nil {
		return w.metrics(ctx, r)
	}
	return w.Pigeon.Metrics(ctx, r)
}

func (w wrong) Accounts(ctx context.Context, c social.Call) ([]social.Account, error) {
	if w.accounts != nil {
		return w.accounts(ctx, c)
	}
	return w.Pigeon.Accounts(ctx, c)
}

// signsIn and renews have the methods by which those abilities are known.
type signsIn struct{ wrong }

func (s signsIn) Connect(ctx context.Context, r social.ConnectRequest) (social.ConnectStep, error) {
	return s.connect(ctx, r)
}

type renews struct{ wrong }

func (s renews) Refresh(ctx context.Context, c social.Call) (social.Credential, error) {
	return s.refresh(ctx, c)
}

// A defect is a plugin that breaks one promise, and the check that notices.
type defect struct {
	notices string // the beginning of a failing check's ID
	serve   func(*pigeon.Pigeon)
	load    conformance.Load
}

type publisher = func(context.Context, social.PublishRequest) (social.Step, error)

// publishing is a defect of Publish, made from the right one.
func publishing(notices string, change func(right publisher) publisher) defect {
	return defect{notices: notices, serve: func(p *pigeon.Pigeon) { sdk.Serve(wrong{Pigeon: p, publish: change(p.Publish)}) }}
}

// faults is a defect of Publish that turns one kind of fault into another.
func faults(notices string, from social.Kind, change func(*social.Fault)) defect {
	return publishing(notices, func(right publisher) publisher {
		return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
			step, err := right(ctx, r)
			var f *social.Fault
			if errors.As(err, &f) && f.Kind == from {
				change(f)
			}
			return step, err
		}
	})
}

func kind(k social.Kind) func(*social.Fault) { return func(f *social.Fault) { f.Kind = k } }

func finding(notices string, change func(*pigeon.Pigeon) func(context.Context, social.FindRequest) (social.Finding, error)) defect {
	return defect{notices: notices, serve: func(p *pigeon.Pigeon) { sdk.Serve(wrong{Pigeon: p, find: change(p)}) }}
}

var absent = social.Finding{Verdict: social.Absent}

// defects are plugins that each break a promise.
func defects() map[string]defect {
	all := map[string]defect{}
	for _, some := range []map[string]defect{processDefects, publishDefects(), abilityDefects(), faultDefects(), crashDefects(), tenantDefects(), loadDefects()} {
		for name, d := range some {
			all[name] = d
		}
	}
	return all
}

func serveDefect(name string) {
	opt, err := pigeon.FromEnv(os.Getenv)
	if err != nil {
		panic(err)
	}
	switch name {
	case "wants the duplicate's name":
		publishing("", wantsName).serve(pigeon.New(opt))
	case "looks around":
		_, err := os.ReadFile(os.Getenv("LOOK_AT"))
		fmt.Fprintf(os.Stderr, "it read a file of the host's: %t\n", err == nil)
		sdk.Serve(pigeon.New(opt))
	}
	defects()[name].serve(pigeon.New(opt))
}

// TestEachCheckNoticesItsDefect runs the suite against each defect and wants
// the check that is there for it to fail.
func TestEachCheckNoticesItsDefect(t *testing.T) {
	t.Parallel()
	for name, d := range defects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opt := pigeonOptions(t, false)
			opt.Program.Name = name
			opt.Settings.Connect = []map[string]string{{"code": "1"}}
			report, err := conformance.Run(t.Context(), conformance.Options{
				Options: opt, Level: int(d.notices[1] - '0'), Only: []string{d.notices}, Load: d.load, Pause: pause,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range report.Failed() {
				if strings.HasPrefix(r.ID, d.notices) {
					if r.Did == "" || r.Section == "" {
						t.Errorf("it does not explain itself: %+v", r)
					}
					return
				}
			}
			t.Errorf("not noticed:\n%s", summary(report))
		})
	}
}

// What runs without a host is confined like what runs under one.
func TestAProcessWithoutAHostIsConfined(t *testing.T) {
	t.Parallel()
	theirs := filepath.Join(t.TempDir(), "theirs")
	if err := os.WriteFile(theirs, []byte("private"), 0o644); err != nil {
		t.Fatal(err)
	}
	opt := pigeonOptions(t, false)
	opt.Program.Name, opt.Settings.Env["LOOK_AT"] = "looks around", theirs
	stage, err := rehearsal.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	raw, err := stage.Spawn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw.Kill()
	open := slices.ContainsFunc(sandbox.Effective().Missing(), func(part string) bool { return strings.HasPrefix(part, "files ") })
	if want := fmt.Sprintf("host's: %t", open); !strings.Contains(raw.Output(), want) {
		t.Errorf("%q, want %q", raw.Output(), want)
	}
}

// wantsName gives up on a duplicate whose answer names no object.
func wantsName(right publisher) publisher {
	return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
		step, err := right(ctx, r)
		var f *social.Fault
		if errors.As(err, &f) && f.Kind == social.Duplicate && !strings.Contains(f.Upstream, `"of":"p`) {
			f.Kind = social.Permanent
		}
		return step, err
	}
}
