package pluginhost

import (
	"context"
	"errors"
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
	account  string // that it is about, if any
	model    string // likewise, of a vendor
	timeout  time.Duration
	message  proto.Message
	instance string // that a person named while signing in
	stateful bool   // it goes on with a state
	shape    int    // of that state
}

// kind is what the steps of one piece of work have in common.
func (r request) kind() string {
	switch r.method {
	case "commit":
		return "publish"
	case "buy":
		return "run"
	}
	return r.method
}

// answer is what every response of the wire has in common.
type answer interface {
	proto.Message
	GetFault() *pb.Fault
	GetNotes() *pb.Notes
}

// ask makes one call. A fault that the plugin answered with comes back as an
// error, redacted. See the package comment for what the other errors mean.
func ask[A answer](ctx context.Context, e *entry, r request, rpc func(context.Context, *process) (A, error)) (A, error) {
	ctx, span := e.host.tracer.Start(ctx, "plugin "+r.method, trace.WithAttributes(attribute.String("plugin.id", e.id)))
	defer span.End()
	begun := time.Now()
	res, err := guarded(ctx, e, r, rpc)
	outcome := outcomeOf(err)
	if err != nil {
		span.SetStatus(otelcodes.Error, outcome)
	}
	e.host.cfg.Observe(Observation{Plugin: e.id, Method: r.method, Outcome: outcome, Took: time.Since(begun)})
	return res, err
}

// guarded makes one call if the breakers let it, and lets them know how it went.
func guarded[A answer](ctx context.Context, e *entry, r request, rpc func(context.Context, *process) (A, error)) (A, error) {
	var none A
	t, err := e.breakers.admit(r, e.instance(r))
	if err != nil {
		return none, err
	}
	res, err := send(ctx, e, r, rpc)
	asked := false
	if err == nil {
		asked = e.upstream(ctx, res.GetNotes())
		if f := wire.ToFault(res.GetFault()); f != nil {
			err = e.redacted(f)
			e.explain(ctx, r, f)
		}
	}
	t.done(healthOf(err, asked), err)
	return res, err
}

// send gets a slot and a place in a process, then sends once. A call that did
// not leave the host, because the process fell before it, is tried on the next
// one.
func send[A answer](ctx context.Context, e *entry, r request, rpc func(context.Context, *process) (A, error)) (A, error) {
	var none A
	wire.Clean(r.message)
	if proto.Size(r.message) > wire.MaxMessage {
		return none, social.Fail(social.Invalid, "plugin.request_too_large", "The request is too large for this platform's plugin.")
	}
	release, err := e.slots.acquire(ctx, r.call.Tenant)
	if err != nil {
		return none, err
	}
	defer release()
	suspect, err := e.poison.admit(r)
	if err != nil {
		return none, err
	}
	defer e.secrets.lend(r.call.Secrets(e.serving().known())...)()
	if suspect {
		return alone(ctx, e, r, rpc)
	}
	for range 2 {
		at, err := e.enter(ctx, r)
		if err != nil {
			return none, err
		}
		led, leave := at.s.visit(ctx, r)
		res, sent, failed := once(led, at.p, r.timeout, rpc)
		leave()
		if failed == nil {
			at.leave(true)
			e.poison.clear(r.operation())
			wire.Clean(res)
			return res, nil
		}
		err = e.broken(at, r, failed, sent)
		if sent {
			return none, err
		}
	}
	return none, down("plugin.unreachable", 0, e.secrets.clean(err))
}

// once makes one call. sent is false only if nothing of it left the host.
func once[A answer](ctx context.Context, p *process, timeout time.Duration, rpc func(context.Context, *process) (A, error)) (res A, sent bool, err error) {
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
// call meets another process. If it fell, what was under way is suspected.
func (e *entry) broken(at seat, r request, err error, sent bool) error {
	suspect := func(alive bool) {
		at.leave(alive)
		if sent {
			e.blame(at.p, r, false)
		}
	}
	switch code := status.Code(err); {
	case code == codes.Unavailable, !at.p.alive():
		suspect(at.p.probe())
	case code == codes.DeadlineExceeded:
		go func() { suspect(at.p.probe()) }()
	case code == codes.Canceled:
		at.leave(false) // nobody waited for what it would have said
	default:
		at.leave(true)
	}
	return e.unclear(err)
}

// unclear is the error of a call of which nobody knows what it did.
func (e *entry) unclear(err error) error {
	return errors.New("plugin " + e.id + ": " + e.secrets.clean(err).Error()) // what is behind it may say more
}

// blame suspects an operation of the end of a process, once. alone says that no
// other was ever in it.
func (e *entry) blame(p *process, r request, alone bool) {
	weight, op := p.weight(), r.operation()
	if weight == 0 || op == "" {
		return
	}
	if _, known := p.accused.LoadOrStore(op, true); !known && e.poison.blame(op, weight, alone) {
		e.host.cfg.Log.Error("plugin operation parked", "plugin", e.id, "method", r.method, "tenant", r.call.Tenant, "key", r.call.Idempotency)
	}
}

func (e *entry) redacted(f *social.Fault) *social.Fault {
	f.Message, f.Upstream = e.secrets.redact(f.Message), e.secrets.redact(f.Upstream)
	for i := range f.Violations {
		f.Violations[i].Message = e.secrets.redact(f.Violations[i].Message)
	}
	if f.Err != nil {
		f.Err = e.secrets.clean(f.Err)
	}
	return f
}

// explain logs what is behind a fault. The fault itself goes to people, and
// what a plugin's own error says is for the operator.
func (e *entry) explain(ctx context.Context, r request, f *social.Fault) {
	if f.Err == nil {
		return
	}
	e.host.cfg.Log.WarnContext(ctx, "plugin call failed", "plugin", e.id, "method", r.method, "tenant", r.call.Tenant,
		"key", f.Key, "kind", string(f.Kind), "cause", f.Err.Error())
}

// maxUpstream is the most requests of one call that become spans.
const maxUpstream = 50

// upstream makes a span of every request that the plugin says it made, so a
// trace reaches the platform without the plugin's help. It reports whether the
// plugin asked its platform; one that never tells is believed to.
func (e *entry) upstream(ctx context.Context, n *pb.Notes) (asked bool) {
	calls := n.GetCalls()
	if len(calls) > 0 {
		e.notes.Store(true)
	}
	asked = len(calls) > 0 || !e.notes.Load()
	if !trace.SpanFromContext(ctx).IsRecording() {
		return asked
	}
	e.secrets.known().StrikeNotes(n)
	for _, u := range calls[:min(len(calls), maxUpstream)] {
		start := u.GetStartedAt().AsTime()
		_, span := e.host.tracer.Start(ctx, u.GetMethod()+" "+u.GetHost(), trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(
				attribute.String("server.address", u.GetHost()), attribute.String("url.path", u.GetPath()),
				attribute.String("http.request.method", u.GetMethod()), attribute.Int64("http.response.status_code", u.GetStatus()),
				attribute.String("upstream.request_id", u.GetRequestId()),
			))
		span.End(trace.WithTimestamp(start.Add(u.GetTook().AsDuration())))
	}
	return asked
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
