package pluginhost

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

// platform is one plugin as ports. It stays valid when the process behind it
// is replaced.
type platform struct {
	e        *entry
	manifest social.Manifest
}

var _ Plugin = (*platform)(nil)

func (p *platform) Manifest() social.Manifest { return p.manifest }

func (p *platform) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	shape, state := unstamp(req.State)
	req.State = state
	in, err := wire.FromPublish(req)
	if err != nil {
		return social.Step{}, unsendable(err)
	}
	r := request{method: "publish", call: req.Call, account: req.Account.ID, timeout: p.e.host.cfg.Timeouts.Prepare, message: in}
	if req.Commit {
		r.method, r.timeout = "commit", p.e.host.cfg.Timeouts.Commit
	}
	r.stateful, r.shape = len(state) > 0, shape
	res, err := ask(ctx, p.e, r, func(ctx context.Context, to *process) (*pb.PublishResponse, error) {
		shape = to.manifest.StateVersion
		return to.social.Publish(ctx, in)
	})
	if err != nil {
		return social.Step{}, err
	}
	step := wire.ToStep(res)
	if err := checkStep(step); err != nil {
		return step, err
	}
	p.e.discreet(step.Receipt)
	if step.Next != nil {
		step.Next.Label = p.e.secrets.redact(step.Next.Label)
		step.Next.State, err = stamp(shape, step.Next.State)
	}
	return step, err
}

// checkStep refuses an outcome that the protocol could not act on. The error
// is no fault: in a commit the outcome is then unknown.
func checkStep(s social.Step) error {
	switch {
	case s.Next == nil && s.Receipt == nil:
		return errors.New("the plugin answered a step with no outcome")
	case s.Receipt != nil:
		return checkReceipt(s.Receipt)
	}
	return nil
}

// discreet takes secrets out of what a receipt, if there is one, says to people.
// What names the object is the platform's own.
func (e *entry) discreet(r *social.Receipt) {
	if r == nil {
		return
	}
	r.Ref.URL = e.secrets.redact(r.Ref.URL)
	for i, w := range r.Warnings {
		r.Warnings[i] = e.secrets.redact(w)
	}
}

func checkReceipt(r *social.Receipt) error {
	if r.Ref.ID == "" && r.Ref.URL == "" {
		return errors.New("the plugin's receipt names nothing")
	}
	if r.Status == "" { // a word of a newer wire: accepted, and no more is known
		r.Status = social.Processing
	}
	return nil
}

func (p *platform) Find(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	if err := p.needs(social.CanFind); err != nil {
		return social.Finding{}, err
	}
	shape, state := unstamp(req.State)
	req.State = state
	in, err := wire.FromFind(req)
	if err != nil {
		return social.Finding{}, unsendable(err)
	}
	r := p.query("find", req.Call, in)
	r.account, r.stateful, r.shape = req.Account.ID, len(state) > 0, shape
	res, err := ask(ctx, p.e, r, func(ctx context.Context, to *process) (*pb.FindResponse, error) {
		return to.social.Find(ctx, in)
	})
	if err != nil {
		return social.Finding{}, err
	}
	f := wire.ToFinding(res)
	p.e.discreet(f.Receipt)
	return f, checkFinding(f)
}

func checkFinding(f social.Finding) error {
	switch {
	case f.Verdict == "":
		return errors.New("the plugin answered a lookup with no verdict")
	case f.Verdict == social.Found && f.Receipt == nil:
		return errors.New("the plugin found something and does not say what")
	case f.Verdict == social.Found:
		return checkReceipt(f.Receipt)
	}
	return nil
}

func (p *platform) Metrics(ctx context.Context, req social.MetricsRequest) ([]social.Metrics, error) {
	if err := p.needs(social.CanMetrics); err != nil {
		return nil, err
	}
	in := wire.FromMetricsRequest(req)
	r := p.query("metrics", req.Call, in)
	r.account = req.Account.ID
	res, err := ask(ctx, p.e, r, func(ctx context.Context, to *process) (*pb.MetricsResponse, error) {
		return to.social.Metrics(ctx, in)
	})
	if err != nil {
		return nil, err
	}
	return wire.ToMetrics(res.GetSets()), nil
}

// needs answers for an ability that the manifest does not declare.
func (p *platform) needs(c social.Capability) error {
	if p.manifest.Can(c) {
		return nil
	}
	f := social.Fail(social.Unsupported, "plugin.unsupported", "%s cannot do this.", p.manifest.Name)
	f.Source = social.FromPlugin
	return f
}

func (p *platform) query(method string, call social.Call, m proto.Message) request {
	return request{method: method, call: call, timeout: p.e.host.cfg.Timeouts.Query, message: m}
}

// unsendable is a request that has no form on the wire: surely nothing was done.
func unsendable(err error) error {
	f := social.Fail(social.Invalid, "plugin.request_malformed", "The request cannot be sent to this platform's plugin.")
	f.Source, f.Err = social.FromPlugin, err
	return f
}
