package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/carillonhq/carillon/plugins/pigeon"
	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

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
	"hangs after a deadline": {notices: "L0.deadline", serve: hangsAfterADeadline},
}

// hangsAfterADeadline lets go of its request and then answers nobody.
func hangsAfterADeadline(p *pigeon.Pigeon) {
	serveWith(wrong{Pigeon: p, publish: func(ctx context.Context, r social.PublishRequest) (social.Step, error) {
		step, err := p.Publish(ctx, r)
		if ctx.Err() != nil {
			hanging.Store(true)
		}
		return step, err
	}}, func(*social.Manifest) {
		if hanging.Load() {
			select {}
		}
	})
}

var hanging atomic.Bool

// serveRaw serves p without the SDK's care, its manifest changed at each call.
func serveRaw(p *pigeon.Pigeon, change func(*social.Manifest)) {
	serveWith(wrong{Pigeon: p}, change)
}

func serveWith(p wrong, change func(*social.Manifest)) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: sdk.Handshake, Plugins: plugin.PluginSet{sdk.Name: bare{p: p, change: change}}, GRPCServer: plugin.DefaultGRPCServer,
	})
	os.Exit(0)
}

type bare struct {
	plugin.NetRPCUnsupportedPlugin
	pb.UnimplementedPluginServiceServer
	pb.UnimplementedSocialServiceServer
	p      wrong
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

func (b bare) Publish(ctx context.Context, in *pb.PublishRequest) (*pb.PublishResponse, error) {
	req, err := wire.ToPublish(in)
	if err != nil {
		return nil, err
	}
	step, err := b.p.Publish(ctx, req)
	if err != nil {
		return &pb.PublishResponse{Outcome: &pb.PublishResponse_Fault{Fault: wire.FromFault(social.FaultOf(err, req.Commit))}}, nil
	}
	return wire.FromStep(step), nil
}
