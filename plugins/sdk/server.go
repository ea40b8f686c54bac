package sdk

import (
	"context"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

// recovered turns a panic into a broken plugin: the caller learns that nothing
// is known, never that something was published.
func recovered(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (res any, err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "panic", "method", info.FullMethod, "panic", p, "stack", string(debug.Stack()))
			res, err = nil, status.Errorf(codes.Internal, "panic in %s", info.FullMethod)
		}
	}()
	return handle(ctx, req)
}

// noted collects what the call requests upstream and mends the response's texts.
func noted(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	n := &notes{}
	res, err := handle(context.WithValue(ctx, notesKey{}, n), req)
	if m, ok := res.(proto.Message); ok && err == nil {
		n.attach(m)
		wire.Clean(m)
	}
	return res, err
}

func (s *server) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{Manifest: wire.FromManifest(s.manifest)}, nil
}

func (s *server) Connect(ctx context.Context, in *pb.ConnectRequest) (*pb.ConnectResponse, error) {
	p, ok := social.Able[social.Connector](s.platform, social.CanConnect)
	if !ok {
		return nil, absent("Connect")
	}
	step, err := p.Connect(ctx, wire.ToConnect(in))
	if err != nil {
		return &pb.ConnectResponse{Outcome: &pb.ConnectResponse_Fault{Fault: failure(err, false)}}, nil
	}
	return wire.FromConnectStep(step), nil
}

func (s *server) Accounts(ctx context.Context, in *pb.AccountsRequest) (*pb.AccountsResponse, error) {
	p, ok := social.Able[social.Lister](s.platform, social.CanAccounts)
	if !ok {
		return nil, absent("Accounts")
	}
	list, err := p.Accounts(ctx, wire.ToCall(in.GetCall()))
	if err != nil {
		return &pb.AccountsResponse{Fault: failure(err, false)}, nil
	}
	return &pb.AccountsResponse{Accounts: wire.FromAccounts(list)}, nil
}

func (s *server) Refresh(ctx context.Context, in *pb.RefreshRequest) (*pb.RefreshResponse, error) {
	p, ok := social.Able[social.Refresher](s.platform, social.CanRefresh)
	if !ok {
		return nil, absent("Refresh")
	}
	c, err := p.Refresh(ctx, wire.ToCall(in.GetCall()))
	if err != nil {
		return &pb.RefreshResponse{Fault: failure(err, false)}, nil
	}
	return &pb.RefreshResponse{Credential: wire.FromCredential(c)}, nil
}

func (s *server) Publish(ctx context.Context, in *pb.PublishRequest) (*pb.PublishResponse, error) {
	if s.platform == nil {
		return nil, absent("Publish")
	}
	req, err := wire.ToPublish(in)
	if err != nil {
		return &pb.PublishResponse{Outcome: &pb.PublishResponse_Fault{Fault: malformed(err)}}, nil
	}
	if req.Commit {
		ctx = committing(ctx)
	}
	step, err := s.platform.Publish(ctx, req)
	if err != nil {
		return &pb.PublishResponse{Outcome: &pb.PublishResponse_Fault{Fault: failure(err, req.Commit)}}, nil
	}
	return wire.FromStep(step), nil
}

func (s *server) Find(ctx context.Context, in *pb.FindRequest) (*pb.FindResponse, error) {
	p, ok := social.Able[social.Finder](s.platform, social.CanFind)
	if !ok {
		return nil, absent("Find")
	}
	req, err := wire.ToFind(in)
	if err != nil {
		return &pb.FindResponse{Fault: malformed(err)}, nil
	}
	finding, err := p.Find(ctx, req)
	if err != nil {
		return &pb.FindResponse{Fault: failure(err, false)}, nil
	}
	return wire.FromFinding(finding), nil
}

func (s *server) Metrics(ctx context.Context, in *pb.MetricsRequest) (*pb.MetricsResponse, error) {
	p, ok := social.Able[social.Meter](s.platform, social.CanMetrics)
	if !ok {
		return nil, absent("Metrics")
	}
	list, err := p.Metrics(ctx, wire.ToMetricsRequest(in))
	if err != nil {
		return &pb.MetricsResponse{Fault: failure(err, false)}, nil
	}
	return &pb.MetricsResponse{Sets: wire.FromMetrics(list)}, nil
}

// failure is how a platform's error crosses: in-band, with the kind that an
// error without one has in this step. What wrapped the fault becomes its cause.
func failure(err error, commit bool) *pb.Fault {
	f := *social.FaultOf(err, commit)
	if _, bare := err.(*social.Fault); !bare && f.Err == nil { //nolint:errorlint // asks whether it is wrapped
		f.Err = err
	}
	return wire.FromFault(&f)
}

// malformed answers a request that could not be read: surely nothing was done.
func malformed(err error) *pb.Fault {
	f := social.Fail(social.Invalid, "plugin.request_malformed", "The plugin could not read the request.")
	f.Source, f.Err = social.FromPlugin, err
	return wire.FromFault(f)
}

func absent(method string) error {
	return status.Errorf(codes.Unimplemented, "this plugin has no %s", method)
}
