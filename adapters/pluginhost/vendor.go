package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/social"
)

// Vendor is a running plugin as ports/model. Every ability is there; one that
// the manifest does not declare answers Invalid.
type Vendor interface {
	Manifest() social.Manifest // Model is set
	model.Vendor
	model.Estimator
	model.Canceler
}

// Vendor returns the AI vendor with that manifest id, as Platform does with a
// platform. Errors: NotFound, Unavailable.
func (h *Host) Vendor(ctx context.Context, id string) (Vendor, error) {
	e, m, err := h.described(ctx, id)
	switch {
	case err != nil:
		return nil, vendorFault(ctx, err, false)
	case e == nil || m.Model == nil:
		return nil, noVendor()
	}
	return &vendor{e, m}, nil
}

// Vendors returns the manifest of every AI vendor that can be asked for it, as
// List does of platforms.
func (h *Host) Vendors(ctx context.Context) []social.Manifest {
	return slices.DeleteFunc(h.manifests(ctx), func(m social.Manifest) bool { return m.Model == nil })
}

func noVendor() error {
	return fault.New(fault.NotFound, "model.unknown_vendor", "There is no such AI vendor here.")
}

type vendor struct {
	e        *entry
	manifest social.Manifest
}

var _ Vendor = (*vendor)(nil)

func (v *vendor) Manifest() social.Manifest { return v.manifest }

func (v *vendor) Models(ctx context.Context, req model.ModelsRequest) (model.Catalog, error) {
	in := wire.FromModels(req)
	res, err := ask(ctx, v.e, v.request("models", model.RunRequest{Call: req.Call}, in), func(ctx context.Context, to *process) (*pb.ModelsResponse, error) {
		return to.model.Models(ctx, in)
	})
	if err != nil {
		return model.Catalog{}, vendorFault(ctx, err, false)
	}
	return wire.ToCatalog(res), nil
}

func (v *vendor) Estimate(ctx context.Context, req model.RunRequest) (model.Estimate, error) {
	if err := v.needs(social.CanEstimate); err != nil {
		return model.Estimate{}, err
	}
	in, err := wire.FromEstimate(req)
	if err != nil {
		return model.Estimate{}, vendorFault(ctx, unsendable(err), false)
	}
	res, err := ask(ctx, v.e, v.request("estimate", req, in), func(ctx context.Context, to *process) (*pb.EstimateResponse, error) {
		return to.model.Estimate(ctx, in)
	})
	if err != nil {
		return model.Estimate{}, vendorFault(ctx, err, false)
	}
	return wire.ToEstimated(res), nil
}

func (v *vendor) Cancel(ctx context.Context, req model.RunRequest) (model.Cancellation, error) {
	if err := v.needs(social.CanCancel); err != nil {
		return model.Cancellation{}, err
	}
	shape, state := unstamp(req.State)
	req.State = state
	in, err := wire.FromCancel(req)
	if err != nil {
		return model.Cancellation{}, vendorFault(ctx, unsendable(err), false)
	}
	r := v.request("cancel", req, in)
	r.stateful, r.shape = len(state) > 0, shape
	res, err := ask(ctx, v.e, r, func(ctx context.Context, to *process) (*pb.CancelResponse, error) {
		return to.model.Cancel(ctx, in)
	})
	if err != nil {
		return model.Cancellation{}, vendorFault(ctx, err, false)
	}
	return wire.ToCancellation(res), nil
}

// Run implements model.Vendor. What it says and emits has no secrets in it, but
// for what is binary.
func (v *vendor) Run(ctx context.Context, req model.RunRequest, emit func(model.Event) error) (model.Step, error) {
	if ctx.Err() != nil {
		return model.Step{}, vendorFault(ctx, ctx.Err(), false)
	}
	shape, state := unstamp(req.State)
	req.State = state
	in, err := wire.FromRun(req)
	if err != nil {
		return model.Step{}, vendorFault(ctx, unsendable(err), false)
	}
	r := v.request("run", req, in)
	r.stateful, r.shape = len(state) > 0, shape
	if r.timeout = v.e.host.cfg.Timeouts.Prepare; req.Commit {
		r.method, r.timeout = "buy", v.e.host.cfg.Timeouts.Paid
	}
	var refused error
	res, err := ask(ctx, v.e, r, func(ctx context.Context, to *process) (*pb.RunResponse, error) {
		shape = to.manifest.StateVersion
		last, err := v.receive(ctx, to, in, emit)
		if errors.As(err, new(receiverError)) {
			refused = errors.Unwrap(err)
		}
		return last, err
	})
	switch {
	case refused != nil && req.Commit:
		return model.Step{}, fmt.Errorf("%w: %w", model.ErrUnknown, refused)
	case refused != nil:
		return model.Step{}, refused
	case err != nil:
		return model.Step{}, vendorFault(ctx, err, req.Commit)
	}
	step := wire.ToModelStep(res)
	if step.Next == nil && step.Done == nil {
		return step, vendorFault(ctx, errors.New("the plugin answered a step with no outcome"), req.Commit)
	}
	v.discreet(step)
	if step.Next != nil {
		if step.Next.State, err = stamp(shape, step.Next.State); err != nil {
			return step, vendorFault(ctx, err, req.Commit)
		}
	}
	return step, nil
}

// receiverError is what emit said, to be told from what the plugin did.
type receiverError struct{ error }

func (r receiverError) Unwrap() error { return r.error }

// receive reads a stream to its end and returns the message with the outcome.
func (v *vendor) receive(ctx context.Context, to *process, in *pb.RunRequest, emit func(model.Event) error) (*pb.RunResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a stream that is left alone ends
	stream, err := to.model.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the plugin's stream ended without an outcome")
		}
		if err != nil {
			return nil, err
		}
		to.answered()
		wire.Clean(m)
		if m.GetNext() != nil || m.GetDone() != nil || m.GetFault() != nil {
			return m, nil
		}
		e, said := wire.ToEvent(m)
		if !said {
			continue
		}
		if err := checkEvent(e); err != nil {
			return nil, err
		}
		v.strike(e)
		if err := emit(e); err != nil {
			return nil, receiverError{err}
		}
	}
}

// checkEvent refuses an artifact that is none.
func checkEvent(e model.Event) error {
	a := e.Artifact
	if a != nil && (len(a.Data) > model.MaxInline || len(a.Data) == 0 && a.SourceURL == "" && a.Vector == nil && !a.Uploaded) {
		return errors.New("the plugin sent an artifact that is empty or too large")
	}
	return nil
}

// strike takes secrets out of what a vendor made. A text is not redacted by
// pattern: somebody may have asked for one that looks like it.
func (v *vendor) strike(e model.Event) {
	known := v.e.secrets.known()
	switch {
	case e.Delta != nil:
		e.Delta.Text = known.Strike(e.Delta.Text)
		if len(e.Delta.ToolCall) > 0 {
			e.Delta.ToolCall = []byte(known.Strike(string(e.Delta.ToolCall)))
		}
	case e.Progress != nil:
		e.Progress.Stage = known.Strike(e.Progress.Stage)
	case e.Artifact != nil:
		e.Artifact.ID, e.Artifact.SourceURL = known.Strike(e.Artifact.ID), known.Strike(e.Artifact.SourceURL)
		for k, x := range e.Artifact.Meta {
			e.Artifact.Meta[k] = known.Strike(x)
		}
	}
}

// discreet takes secrets out of what a step says at its end.
func (v *vendor) discreet(s model.Step) {
	known := v.e.secrets.known()
	if s.Done != nil {
		s.Done.Reason, s.Done.Model, s.Done.VendorID = known.Strike(s.Done.Reason), known.Strike(s.Done.Model), known.Strike(s.Done.VendorID)
	}
	if s.Next != nil {
		s.Next.Label = v.e.secrets.redact(s.Next.Label)
	}
}

// request is a call about a model. What fails for one is no sign for another.
func (v *vendor) request(method string, req model.RunRequest, m proto.Message) request {
	return request{
		method: method, call: wire.ModelCall(req.Call), timeout: v.e.host.cfg.Timeouts.Query, message: m,
		model: req.Model, instance: req.Call.Credential.Public[model.BaseURL],
	}
}

func (v *vendor) needs(c social.Capability) error {
	if v.manifest.Can(c) {
		return nil
	}
	return fault.New(fault.Invalid, "plugin.unsupported", "%s cannot do this.", v.manifest.Name)
}

// vendorFault is err in the words of ports/model: a fault, and in a commit
// ErrUnknown besides unless it proves that nothing was bought.
func vendorFault(ctx context.Context, err error, commit bool) error {
	f := social.FaultOf(err, commit)
	var out error = f
	switch {
	case ctx.Err() != nil && f.Kind != social.OutOfFunds:
		out = fault.New(fault.Canceled, "request.canceled", "The request did not finish in time.").Because(err)
	case f.Key == "plugin.broken":
		f.Message = "The connection to this AI vendor failed."
	}
	if commit && f.Kind == social.Ambiguous {
		return fmt.Errorf("%w: %w", model.ErrUnknown, out)
	}
	return out
}
