package pluginhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

// process is one life of a plugin.
type process struct {
	run      *run
	client   *plugin.Client
	plugin   pb.PluginServiceClient
	social   pb.SocialServiceClient
	model    pb.ModelServiceClient
	health   grpc_health_v1.HealthClient
	manifest social.Manifest

	probeTimeout time.Duration
	heard        atomic.Int64 // Unix nanoseconds of the last answer
	probing      sync.Mutex
	gate         *gate
	accused      sync.Map // operations that were blamed for its end
	cleanup      sync.Once
}

// launch starts a process and asks for its manifest. When the start timeout has
// passed, or the host closes, the child is killed, which ends every wait here.
func launch(s *supervisor) (*process, error) {
	r, err := newRun(s)
	if err != nil {
		return nil, err
	}
	limit := cmp.Or(s.spec.Start, s.host.cfg.Timeouts.Start)
	ctx, cancel := context.WithTimeoutCause(s.life, limit, fmt.Errorf("not ready in %s", limit))
	defer cancel()
	unwatch := context.AfterFunc(ctx, func() { r.killFor(context.Cause(ctx)) })
	p := &process{run: r, client: plugin.NewClient(clientConfig(s, r)), probeTimeout: s.host.cfg.Timeouts.Probe, gate: newGate()}
	err = p.attach(ctx, s.spec.ID)
	if err == nil && s.spec.Accept != nil {
		err = s.spec.Accept(p.manifest)
	}
	if !unwatch() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		r.killFor(err)
		p.release()
		return nil, fmt.Errorf("start %s: %w", s.spec.Name, r.cause())
	}
	s.host.cfg.Log.Info("plugin started", "plugin", s.spec.ID, "version", p.manifest.Version, "pid", r.pid(), "sha256", s.program.digest(), "sandbox", r.level.Name())
	return p, nil
}

func clientConfig(s *supervisor, r *run) *plugin.ClientConfig {
	cfg := s.host.cfg
	return &plugin.ClientConfig{
		HandshakeConfig: sdk.Handshake,
		Plugins:         plugin.PluginSet{sdk.Name: dispenser{}},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, dir string) (runner.Runner, error) {
			return r, r.prepare(spec.Env, dir)
		},
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: s.host.sockets.path},
		SkipHostEnv:      true,
		AutoMTLS:         true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		StartTimeout:     cmp.Or(s.spec.Start, cfg.Timeouts.Start),
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       r.relays[0],
		SyncStderr:       r.relays[1],
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDisableRetry(), // a commit is sent once
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
			grpc.WithStatsHandler(sentMark{}),
			grpc.WithStatsHandler(otelgrpc.NewClientHandler(otelgrpc.WithPropagators(propagation.TraceContext{}))),
		},
	}
}

// dispenser makes go-plugin hand out its connection.
type dispenser struct{ plugin.NetRPCUnsupportedPlugin }

func (dispenser) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return fmt.Errorf("the host serves nothing to plugins")
}

func (dispenser) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

func (p *process) attach(ctx context.Context, id string) error {
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(sdk.Name)
	if err != nil {
		return err
	}
	conn, ok := raw.(*grpc.ClientConn)
	if !ok {
		return fmt.Errorf("dispensed %T", raw)
	}
	p.plugin, p.social = pb.NewPluginServiceClient(conn), pb.NewSocialServiceClient(conn)
	p.model = pb.NewModelServiceClient(conn)
	p.health = grpc_health_v1.NewHealthClient(conn)
	return p.describe(ctx, id)
}

func (p *process) describe(ctx context.Context, id string) error {
	res, err := p.plugin.Describe(ctx, &pb.DescribeRequest{})
	if err != nil {
		return err
	}
	wire.Clean(res)
	p.manifest = wire.ToManifest(res.GetManifest())
	if id != "" && p.manifest.ID != id {
		return fmt.Errorf("the plugin says it is %.100q, not %q", p.manifest.ID, id)
	}
	p.answered()
	return sdk.CheckManifest(p.manifest)
}

func (p *process) answered() { p.heard.Store(time.Now().UnixNano()) }

func (p *process) silence() time.Duration { return time.Since(time.Unix(0, p.heard.Load())) }

func (p *process) alive() bool {
	select {
	case <-p.run.done:
		return false
	default:
		return true
	}
}

// errSilent is why a process that does not answer is killed.
var errSilent = errors.New("no answer to a health check")

// dying is how long a process whose connection broke may take to end by itself
// before it is killed: what ended it is worth knowing.
const dying = 200 * time.Millisecond

// probe asks whether the plugin is there and kills it if it is not. It reports
// whether there was an answer.
func (p *process) probe() bool {
	p.probing.Lock()
	defer p.probing.Unlock()
	if !p.alive() {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.probeTimeout)
	defer cancel()
	_, err := p.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err == nil {
		p.answered()
		return true
	}
	if c := status.Code(err); c == codes.Unavailable || c == codes.Canceled { // the connection broke, or was closed for it
		select {
		case <-p.run.done:
			return false
		case <-time.After(dying):
		}
	}
	p.run.killFor(fmt.Errorf("%w: %w", errSilent, err))
	<-p.run.done
	return false
}

// cause says why the process ended.
func (p *process) cause() error { return p.run.cause() }

// weight is what its end says against the operations that were under way: 0 if
// it was asked to stop or lives.
func (p *process) weight() int {
	if p.alive() {
		return 0
	}
	err := p.cause()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, errStopped):
		return 0
	case errors.Is(err, errSilent), errors.Is(err, errGreedy):
		return fellByItself
	case errors.As(err, &exit) && exit.ExitCode() == -1 && strings.Contains(exit.Error(), "killed"):
		return fellByOthers
	}
	return fellByItself
}

// stop lets the calls in flight finish until ctx ends, then asks the process
// to leave. A frozen process cannot be asked: it is killed first.
func (p *process) stop(ctx context.Context) {
	defer p.kill()
	empty := p.gate.close()
	if !p.probe() {
		return
	}
	select {
	case <-empty:
	case <-ctx.Done():
	case <-p.run.done:
	}
	p.run.terminate()
	select {
	case <-p.run.done:
	case <-time.After(p.probeTimeout):
	}
}

// kill ends the process and waits for that.
func (p *process) kill() {
	p.run.killFor(errStopped)
	<-p.run.done
}

// release frees what go-plugin holds for a process that is gone.
func (p *process) release() {
	p.cleanup.Do(func() {
		p.client.Kill()
		for _, r := range p.run.relays {
			r.end()
		}
	})
}
