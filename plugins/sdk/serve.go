package sdk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/social"
)

// Drain is how long a plugin that was asked to stop finishes what it has begun.
const Drain = 10 * time.Second

// Serve runs p as a plugin and ends the process when the host is done with it:
// on SIGTERM once the calls in flight are answered or Drain has passed, and at
// once when standard input ends, because then there is no host. A manifest
// that CheckManifest refuses ends it with status 2. It never returns.
//
// Logs of package slog go to standard error, where the host reads them. Nothing
// else may be written to standard output.
func Serve(p Plugin) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	m, err := Describe(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	s := newServer(p, m)
	if os.Getenv(Handshake.MagicCookieKey) == Handshake.MagicCookieValue {
		go exitWithHost(os.Stdin)
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		go s.drainWhen(asked)
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: Handshake,
		Plugins:         plugin.PluginSet{Name: guest{server: s}},
		GRPCServer:      s.grpc,
		Logger:          hclog.NewNullLogger(),
	})
	os.Exit(0)
}

// exitWithHost is the lifeline: the host holds the other end of stdin.
func exitWithHost(stdin io.Reader) {
	_, _ = io.Copy(io.Discard, stdin)
	os.Exit(0)
}

// guest registers the services on the server that go-plugin runs.
type guest struct {
	plugin.NetRPCUnsupportedPlugin
	server *server
}

func (g guest) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterPluginServiceServer(s, g.server)
	pb.RegisterSocialServiceServer(s, g.server)
	if g.server.vendor != nil {
		pb.RegisterModelServiceServer(s, &vendorServer{vendor: g.server.vendor})
	}
	return nil
}

func (guest) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("the plugin's end of %s dispenses nothing", Name)
}

// server answers the wire with a platform.
type server struct {
	pb.UnimplementedPluginServiceServer
	pb.UnimplementedSocialServiceServer
	platform social.Platform // nil: it is none
	vendor   model.Vendor    // nil: it is none
	manifest social.Manifest
	busy     sync.RWMutex // held for reading by each call in flight
	running  atomic.Pointer[grpc.Server]
}

func newServer(p Plugin, m social.Manifest) *server {
	s := &server{manifest: m}
	s.platform, _ = p.(social.Platform)
	s.vendor, _ = p.(model.Vendor)
	return s
}

// grpc makes the server that go-plugin runs. The trace that the host began
// continues in the context of each call.
func (s *server) grpc(opts []grpc.ServerOption) *grpc.Server {
	out := grpc.NewServer(append(opts,
		grpc.MaxRecvMsgSize(wire.MaxMessage),
		grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithPropagators(propagation.TraceContext{}))),
		grpc.ChainUnaryInterceptor(s.count, bounded, led, recovered, noted),
		grpc.StreamInterceptor(s.streamed),
	)...)
	s.running.Store(out)
	return out
}

func (s *server) count(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	s.busy.RLock()
	defer s.busy.RUnlock()
	return handle(ctx, req)
}

// drainWhen waits until the plugin is asked to leave, then for the calls in
// flight. One that comes later is not begun.
func (s *server) drainWhen(asked <-chan os.Signal) {
	<-asked
	idle := make(chan struct{})
	go func() { s.busy.Lock(); close(idle) }()
	select {
	case <-idle:
	case <-time.After(Drain):
	}
	s.flush()
	os.Exit(0)
}

// flushTime is how long the last answers have to reach the socket.
const flushTime = 250 * time.Millisecond

// flush lets answers that were given be written. The stream that carries what
// the plugin prints has no end of its own, so the server is not waited for.
func (s *server) flush() {
	over := make(chan struct{})
	if running := s.running.Load(); running != nil {
		go func() { running.GracefulStop(); close(over) }()
	}
	select {
	case <-over:
	case <-time.After(flushTime):
	}
}
