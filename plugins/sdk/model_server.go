package sdk

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/social"
)

// vendorServer answers the wire with an AI vendor.
type vendorServer struct {
	pb.UnimplementedModelServiceServer
	vendor model.Vendor
}

func (s *vendorServer) Models(ctx context.Context, in *pb.ModelsRequest) (*pb.ModelsResponse, error) {
	page, err := s.vendor.Models(ctx, wire.ToModels(in))
	if err != nil {
		return &pb.ModelsResponse{Fault: modelFailure(err, false)}, nil
	}
	return wire.FromCatalog(page), nil
}

func (s *vendorServer) Estimate(ctx context.Context, in *pb.EstimateRequest) (*pb.EstimateResponse, error) {
	v, ok := s.vendor.(model.Estimator)
	if !ok {
		return nil, absent("Estimate")
	}
	req, err := wire.ToEstimate(in)
	if err != nil {
		return &pb.EstimateResponse{Fault: malformed(err)}, nil
	}
	price, err := v.Estimate(ctx, req)
	if err != nil {
		return &pb.EstimateResponse{Fault: modelFailure(err, false)}, nil
	}
	return wire.FromEstimated(price), nil
}

func (s *vendorServer) Cancel(ctx context.Context, in *pb.CancelRequest) (*pb.CancelResponse, error) {
	v, ok := s.vendor.(model.Canceler)
	if !ok {
		return nil, absent("Cancel")
	}
	req, err := wire.ToCancel(in)
	if err != nil {
		return &pb.CancelResponse{Fault: malformed(err)}, nil
	}
	end, err := v.Cancel(ctx, req)
	if err != nil {
		return &pb.CancelResponse{Fault: modelFailure(err, false)}, nil
	}
	return wire.FromCancellation(end), nil
}

// Run streams what the vendor makes and ends with exactly one outcome.
func (s *vendorServer) Run(in *pb.RunRequest, out grpc.ServerStreamingServer[pb.RunResponse]) error {
	ctx := out.Context()
	req, err := wire.ToRun(in)
	if err != nil {
		return out.Send(ended(ctx, &pb.RunResponse{Event: &pb.RunResponse_Fault{Fault: malformed(err)}}))
	}
	if req.Commit {
		ctx = committing(ctx)
	}
	var sending error
	step, err := s.vendor.Run(ctx, req, func(e model.Event) error {
		one := wire.FromEvent(e)
		wire.Clean(one)
		if sending == nil {
			sending = out.Send(one)
		}
		return sending
	})
	if sending != nil {
		return sending // nobody listens any more
	}
	if err != nil {
		return out.Send(ended(ctx, &pb.RunResponse{Event: &pb.RunResponse_Fault{Fault: modelFailure(err, req.Commit)}}))
	}
	return out.Send(ended(ctx, wire.FromModelStep(step)))
}

// ended is the last message of a stream, with what was requested upstream.
func ended(ctx context.Context, m *pb.RunResponse) *pb.RunResponse {
	if n, ok := ctx.Value(notesKey{}).(*notes); ok {
		n.attach(m)
	}
	wire.Clean(m)
	return m
}

var kindOfCode = map[fault.Code]social.Kind{
	fault.Invalid:         social.Invalid,
	fault.Unauthenticated: social.AuthRevoked,
	fault.Forbidden:       social.Permission,
	fault.NotFound:        social.NotFound,
	fault.Conflict:        social.Duplicate,
	fault.Quota:           social.OutOfFunds,
	fault.RateLimited:     social.RateLimited,
	fault.Unavailable:     social.Transient,
	fault.Canceled:        social.Transient,
}

// modelFailure is how a vendor's error crosses. One that the vendor calls
// unknown, or does not say anything about, is Ambiguous in a commit.
func modelFailure(err error, commit bool) *pb.Fault {
	var sf *social.Fault
	if errors.As(err, &sf) {
		return failure(err, commit)
	}
	e := fault.Of(err)
	f := social.Fail(kindOfCode[e.Code], e.Reason, "%s", e.Message)
	f.Violations, f.RetryAfter, f.Err = e.Violations, e.RetryAfter, err
	if e.Field != "" && len(f.Violations) == 0 {
		f.Violations = []fault.Violation{{Field: e.Field, Reason: e.Reason, Message: e.Message}}
	}
	if f.Kind == "" || e.Code == fault.Canceled {
		f.Kind, f.Source = unproven(commit), social.FromPlugin
	}
	if commit && errors.Is(err, model.ErrUnknown) {
		f.Kind = social.Ambiguous
	}
	return wire.FromFault(f)
}

// ours begins the methods of the protocol's own services. go-plugin serves
// streams besides that last as long as the process.
const ours = "/carillon.plugin.v1."

// streamed gives a stream what unary calls get from count, bounded, led,
// recovered and noted.
func (s *server) streamed(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if !strings.HasPrefix(info.FullMethod, ours) {
		return handle(srv, stream)
	}
	chain := []grpc.UnaryServerInterceptor{s.count, bounded, led, recovered}
	next := func(ctx context.Context, _ any) (any, error) {
		ctx = context.WithValue(ctx, notesKey{}, &notes{})
		return nil, handle(srv, withContext{stream, ctx})
	}
	for i := len(chain) - 1; i >= 0; i-- {
		inner, wrap := next, chain[i]
		next = func(ctx context.Context, req any) (any, error) {
			return wrap(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: info.FullMethod}, inner)
		}
	}
	_, err := next(stream.Context(), nil)
	return err
}

type withContext struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (w withContext) Context() context.Context { return w.ctx }

// PageOf answers Models from a manifest, whatever the credential sees. Nothing
// of it changes before the next version of the plugin.
func PageOf(m model.Manifest, req model.ModelsRequest) model.Catalog {
	out := model.Catalog{Fresh: 24 * time.Hour}
	for _, x := range m.Models {
		if req.Task == "" || x.Can(req.Task) {
			out.Models = append(out.Models, x)
		}
	}
	return out
}
