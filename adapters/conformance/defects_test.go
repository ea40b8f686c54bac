package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/carillonhq/carillon/adapters/conformance"
	"github.com/carillonhq/carillon/plugins/pigeon"
	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
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

// processDefects are about the process.
var processDefects = map[string]defect{
	"says nothing":   {notices: "L0.handshake", serve: func(*pigeon.Pigeon) { os.Exit(3) }},
	"has no formats": {notices: "L0.manifest", serve: func(p *pigeon.Pigeon) { serveRaw(p, func(m *social.Manifest) { m.Formats = nil }) }},
	"cannot look":    {notices: "L0.manifest", serve: func(p *pigeon.Pigeon) { serveRaw(p, func(m *social.Manifest) { m.Capabilities = nil }) }},
	"describes by the day": {notices: "L0.describe", serve: func(p *pigeon.Pigeon) {
		n := 0
		serveRaw(p, func(m *social.Manifest) { n++; m.Summary = fmt.Sprint(n) })
	}},
	"asks while describing": {notices: "L0.describe", serve: func(p *pigeon.Pigeon) {
		serveRaw(p, func(m *social.Manifest) { _, _ = sdk.HTTPClient().Get(m.Homepage + "/healthz") })
	}},
	"outlives its host": {notices: "L0.lifeline", serve: func(p *pigeon.Pigeon) { serveRaw(p, func(*social.Manifest) {}) }},
	"does not leave": {notices: "L0.sigterm", serve: func(p *pigeon.Pigeon) {
		signal.Ignore(syscall.SIGTERM)
		serveRaw(p, func(*social.Manifest) {})
	}},
	"leaves at once": {notices: "L0.drain", serve: func(p *pigeon.Pigeon) {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		go func() { <-asked; os.Exit(0) }()
		sdk.Serve(p)
	}},
	"ignores deadlines": publishing("L0.deadline", func(right publisher) publisher {
		return func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
			return right(context.WithoutCancel(ctx), r)
		}
	}),
}

// serveRaw serves p without the SDK's care, its manifest changed at each call.
func serveRaw(p *pigeon.Pigeon, change func(*social.Manifest)) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: sdk.Handshake, Plugins: plugin.PluginSet{sdk.Name: bare{p: p, change: change}}, GRPCServer: plugin.DefaultGRPCServer,
	})
	os.Exit(0)
}

type bare struct {
	plugin.NetRPCUnsupportedPlugin
	pb.UnimplementedPluginServiceServer
	pb.UnimplementedSocialServiceServer
	p      *pigeon.Pigeon
	change func(*social.Manifest)
}

func (b bare) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterPluginServiceServer(s, b)
	pb.RegisterSocialServiceServer(s, b)
	return nil
}

func (bare) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}

func (b bare) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	m := b.p.Manifest()
	b.change(&m)
	return &pb.DescribeResponse{Manifest: wire.FromManifest(m)}, nil
}

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
