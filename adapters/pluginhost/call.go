package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

// request is one call before it is sent.
type request struct {
	method   string
	call     social.Call
	timeout  time.Duration
	message  proto.Message
	instance string // that a person named while signing in
}

// answer is what every response of the wire has in common.
type answer interface {
	proto.Message
	GetFault() *pb.Fault
	GetNotes() *pb.Notes
}

// ask makes one call. A fault that the plugin answered with comes back as an
// error, redacted. See the package comment for what the other errors mean.
func ask[A answer](ctx context.Context, s *supervisor, r request, rpc func(context.Context, *process) (A, error)) (A, error) {
	ctx, span := s.host.tracer.Start(ctx, "plugin "+r.method, trace.WithAttributes(attribute.String("plugin.id", s.spec.ID)))
	defer span.End()
	begun := time.Now()
	res, err := send(ctx, s, r, rpc)
	if err == nil {
		s.host.upstream(ctx, res.GetNotes())
		if f := wire.ToFault(res.GetFault()); f != nil {
			err = s.redacted(f)
		}
	}
	outcome := outcomeOf(err)
	if err != nil {
		span.SetStatus(otelcodes.Error, outcome)
	}
	s.host.cfg.Observe(Observation{Plugin: s.spec.ID, Method: r.method, Outcome: outcome, Took: time.Since(begun)})
	return res, err
}

// send gets a slot and a process, then sends once. A call that did not leave
// the host, because the process fell before it, is tried on the next one.
func send[A answer](ctx context.Context, s *supervisor, r request, rpc func(context.Context, *process) (A, error)) (A, error) {
	var none A
	wire.Clean(r.message)
	if proto.Size(r.message) > wire.MaxMessage {
		return none, social.Fail(social.Invalid, "plugin.request_too_large", "The request is too large for this platform's plugin.")
	}
	release, err := s.slots.acquire(ctx, r.call.Tenant)
	if err != nil {
		return none, err
	}
	defer release()
	s.secrets.lend(r.call.Credential)
	for range 2 {
		var p *process
		if p, err = s.process(ctx); err != nil {
			return none, err
		}
		leave := s.visit(r)
		res, sent, failed := once(ctx, p, r.timeout, rpc)
		leave()
		if failed == nil {
			wire.Clean(res)
			return res, nil
		}
		if err = s.broken(p, failed); sent {
			return none, err
		}
	}
	return none, down("plugin.unreachable", 0, err)
}

// once makes one call. sent is false only if nothing of it left the host.
func once[A answer](ctx context.Context, p *process, timeout time.Duration, rpc func(context.Context, *process) (A, error)) (res A, sent bool, err error) {
	p.calls.RLock()
	defer p.calls.RUnlock()
	var left atomic.Bool
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, leftKey{}, &left), timeout)
	defer cancel()
	if until, ok := ctx.Deadline(); ok {
		ctx = metadata.AppendToOutgoingContext(ctx, sdk.DeadlineKey, strconv.FormatInt(until.UnixNano(), 10))
	}
	if res, err = rpc(ctx, p); err == nil {
		p.answered()
	}
	return res, left.Load(), err
}

// broken reads a gRPC status: the plugin or the transport broke, and nothing
// is known of what it did. One that dropped the connection or let a deadline
// pass has to show that it still lives; the former at once, so that the next
// call meets another process.
func (s *supervisor) broken(p *process, err error) error {
	switch status.Code(err) {
	case codes.Unavailable:
		p.probe()
	case codes.DeadlineExceeded:
		go p.probe()
	}
	return fmt.Errorf("plugin %s: %s", s.spec.ID, s.secrets.redact(wire.Text(err.Error())))
}

func (s *supervisor) redacted(f *social.Fault) *social.Fault {
	f.Message, f.Upstream = s.secrets.redact(f.Message), s.secrets.redact(f.Upstream)
	for i := range f.Violations {
		f.Violations[i].Message = s.secrets.redact(f.Violations[i].Message)
	}
	if f.Err != nil {
		f.Err = errors.New(s.secrets.redact(f.Err.Error()))
	}
	return f
}

// maxUpstream is the most requests of one call that become spans.
const maxUpstream = 50

// upstream makes a span of every request that the plugin says it made, so a
// trace reaches the platform without the plugin's help.
func (h *Host) upstream(ctx context.Context, n *pb.Notes) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	calls := n.GetCalls()
	for _, u := range calls[:min(len(calls), maxUpstream)] {
		start := u.GetStartedAt().AsTime()
		_, span := h.tracer.Start(ctx, u.GetMethod()+" "+u.GetHost(), trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(
				attribute.String("server.address", u.GetHost()), attribute.String("url.path", u.GetPath()),
				attribute.String("http.request.method", u.GetMethod()), attribute.Int64("http.response.status_code", u.GetStatus()),
				attribute.String("upstream.request_id", u.GetRequestId()),
			))
		span.End(trace.WithTimestamp(start.Add(u.GetTook().AsDuration())))
	}
}

func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	var f *social.Fault
	if errors.As(err, &f) && f.Kind != "" {
		return string(f.Kind)
	}
	return "broken"
}
