package wire

import (
	"encoding/json"
	"errors"
	"maps"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/social"
)

// ModelCall is what a call of a model looks like to the parts of the host that
// serve platforms and vendors alike.
func ModelCall(c model.Call) social.Call {
	return social.Call{
		Tenant: c.Tenant, Credential: social.Credential{Secrets: c.Credential.Secrets, Public: c.Credential.Public},
		Locale: c.Locale, Idempotency: c.Idempotency,
	}
}

func toModelCall(c *pb.Call) model.Call {
	return model.Call{
		Tenant: c.GetTenant(), Locale: c.GetLocale(), Idempotency: c.GetIdempotencyKey(),
		Credential: model.Credential{Secrets: c.GetCredential().GetSecrets(), Public: c.GetCredential().GetPublic()},
	}
}

// FromRun puts one step of one piece of work on the wire.
func FromRun(r model.RunRequest) (*pb.RunRequest, error) {
	job, err := fromJob(r)
	if err != nil {
		return nil, err
	}
	return &pb.RunRequest{
		Call: FromCall(ModelCall(r.Call)), Job: job, State: r.State, Commit: r.Commit, Attempt: int64(r.Attempt),
		MaxNanoCost: r.Max.Nano, Currency: r.Max.Currency, OutputPutUrl: r.Output,
	}, nil
}

// ToRun takes one step of one piece of work from the wire.
func ToRun(r *pb.RunRequest) (model.RunRequest, error) {
	out, err := toJob(r.GetJob())
	out.Call, out.State, out.Commit, out.Attempt = toModelCall(r.GetCall()), r.GetState(), r.GetCommit(), int(r.GetAttempt())
	out.Max, out.Output = model.Money{Nano: r.GetMaxNanoCost(), Currency: r.GetCurrency()}, r.GetOutputPutUrl()
	return out, err
}

// FromEstimate puts the question for a price on the wire.
func FromEstimate(r model.RunRequest) (*pb.EstimateRequest, error) {
	job, err := fromJob(r)
	return &pb.EstimateRequest{Call: FromCall(ModelCall(r.Call)), Job: job}, err
}

// ToEstimate takes the question for a price from the wire.
func ToEstimate(r *pb.EstimateRequest) (model.RunRequest, error) {
	out, err := toJob(r.GetJob())
	out.Call = toModelCall(r.GetCall())
	return out, err
}

// FromCancel puts the end of a job on the wire.
func FromCancel(r model.RunRequest) (*pb.CancelRequest, error) {
	job, err := fromJob(r)
	return &pb.CancelRequest{Call: FromCall(ModelCall(r.Call)), State: r.State, Job: job}, err
}

// ToCancel takes the end of a job from the wire.
func ToCancel(r *pb.CancelRequest) (model.RunRequest, error) {
	out, err := toJob(r.GetJob())
	out.Call, out.State = toModelCall(r.GetCall()), r.GetState()
	return out, err
}

func fromJob(r model.RunRequest) (*pb.Job, error) {
	out := &pb.Job{
		Task: string(r.Task), Model: r.Model, Messages: each(r.Messages, fromMessage),
		Inputs: each(r.Inputs, fromModelMedia), Texts: r.Texts,
	}
	if len(r.Params) > 0 {
		var err error
		if out.ParamsJson, err = json.Marshal(r.Params); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func toJob(j *pb.Job) (model.RunRequest, error) {
	out := model.RunRequest{
		Task: model.Task(j.GetTask()), Model: j.GetModel(), Messages: each(j.GetMessages(), toMessage),
		Inputs: each(j.GetInputs(), toModelMedia), Texts: j.GetTexts(),
	}
	if len(j.GetParamsJson()) > 0 {
		if err := json.Unmarshal(j.GetParamsJson(), &out.Params); err != nil {
			return out, errors.New("the parameters are not a JSON object")
		}
	}
	return out, nil
}

func fromMessage(m model.Message) *pb.Message {
	return &pb.Message{Role: m.Role, Parts: each(m.Parts, fromPart)}
}

func toMessage(m *pb.Message) model.Message {
	return model.Message{Role: m.GetRole(), Parts: each(m.GetParts(), toPart)}
}

func fromPart(p model.Part) *pb.Part {
	switch {
	case p.Media != nil:
		return &pb.Part{Part: &pb.Part_Media{Media: fromModelMedia(*p.Media)}}
	case len(p.ToolCall) > 0:
		return &pb.Part{Part: &pb.Part_ToolCallJson{ToolCallJson: p.ToolCall}}
	case len(p.ToolResult) > 0:
		return &pb.Part{Part: &pb.Part_ToolResultJson{ToolResultJson: p.ToolResult}}
	}
	return &pb.Part{Part: &pb.Part_Text{Text: p.Text}}
}

func toPart(p *pb.Part) model.Part {
	out := model.Part{Text: p.GetText(), ToolCall: p.GetToolCallJson(), ToolResult: p.GetToolResultJson()}
	if m := p.GetMedia(); m != nil {
		media := toModelMedia(m)
		out.Media = &media
	}
	return out
}

func fromModelMedia(m model.Media) *pb.Media {
	return &pb.Media{Mime: m.MIME, Sha256: m.SHA256, Url: m.URL, Bytes: m.Bytes}
}

func toModelMedia(m *pb.Media) model.Media {
	return model.Media{MIME: m.GetMime(), SHA256: m.GetSha256(), URL: m.GetUrl(), Bytes: m.GetBytes()}
}

// FromEvent puts something that a step made on the wire.
func FromEvent(e model.Event) *pb.RunResponse {
	out := &pb.RunResponse{Usage: fromUsage(e.Usage)}
	switch {
	case e.Delta != nil:
		out.Event = &pb.RunResponse_Delta{Delta: &pb.Delta{Text: e.Delta.Text, ToolCallJson: e.Delta.ToolCall, Index: int64(e.Delta.Index)}}
	case e.Artifact != nil:
		out.Event = &pb.RunResponse_Artifact{Artifact: fromArtifact(*e.Artifact)}
	case e.Progress != nil:
		p := e.Progress
		out.Event = &pb.RunResponse_Progress{Progress: &pb.Progress{Fraction: float64(p.Percent) / 100, Label: p.Stage, Left: fromDuration(p.Left)}}
	}
	return out
}

// ToEvent takes something that a step made from the wire. said is false for
// what says nothing this host knows.
func ToEvent(r *pb.RunResponse) (e model.Event, said bool) {
	e.Usage = toUsage(r.GetUsage())
	switch x := r.GetEvent().(type) {
	case *pb.RunResponse_Delta:
		e.Delta = &model.Delta{Text: x.Delta.GetText(), ToolCall: x.Delta.GetToolCallJson(), Index: int(x.Delta.GetIndex())}
	case *pb.RunResponse_Artifact:
		e.Artifact = toArtifact(x.Artifact)
	case *pb.RunResponse_Progress:
		p := x.Progress
		e.Progress = &model.Progress{Percent: percent(p.GetFraction()), Stage: p.GetLabel(), Left: max(0, toDuration(p.GetLeft()))}
	}
	return e, e.Delta != nil || e.Artifact != nil || e.Progress != nil || e.Usage != nil
}

func percent(fraction float64) int { return int(min(max(fraction, 0), 1)*100 + 0.5) }

func fromArtifact(a model.Artifact) *pb.Artifact {
	out := &pb.Artifact{Id: a.ID, Mime: a.MIME, Meta: a.Meta}
	switch {
	case a.Uploaded:
		out.Body = &pb.Artifact_Uploaded{Uploaded: "put"}
	case a.Vector != nil:
		out.Body = &pb.Artifact_Vector{Vector: &pb.Vector{Values: a.Vector}}
	case a.SourceURL != "":
		out.Body = &pb.Artifact_SourceUrl{SourceUrl: a.SourceURL}
	default:
		out.Body = &pb.Artifact_Data{Data: a.Data}
	}
	return out
}

func toArtifact(a *pb.Artifact) *model.Artifact {
	return &model.Artifact{
		ID: a.GetId(), MIME: a.GetMime(), Data: a.GetData(), SourceURL: a.GetSourceUrl(),
		Vector: a.GetVector().GetValues(), Uploaded: a.GetUploaded() != "", Meta: a.GetMeta(),
	}
}

func fromUsage(u *model.Usage) *pb.Usage {
	if u == nil {
		return nil
	}
	out := &pb.Usage{Units: map[string]int64{}}
	for k, v := range u.Units {
		out.Units[string(k)] = v
	}
	if u.Cost != nil {
		out.NanoCost, out.Currency = u.Cost.Nano, u.Cost.Currency
	}
	return out
}

// toUsage leaves out counts that are negative, which nobody can have used.
func toUsage(u *pb.Usage) *model.Usage {
	if u == nil {
		return nil
	}
	out := &model.Usage{Units: units(u.GetUnits())}
	if u.GetCurrency() != "" && u.GetNanoCost() >= 0 {
		out.Cost = &model.Money{Nano: u.GetNanoCost(), Currency: u.GetCurrency()}
	}
	return out
}

func units(in map[string]int64) map[model.Unit]int64 {
	out := make(map[model.Unit]int64, len(in))
	for k, v := range in {
		if v >= 0 {
			out[model.Unit(k)] = v
		}
	}
	return out
}

// FromModelStep puts a step's outcome on the wire. A step that names none or
// both stays without: it proves nothing.
func FromModelStep(s model.Step) *pb.RunResponse {
	out := &pb.RunResponse{}
	switch {
	case s.Next != nil && s.Done == nil:
		out.Event = &pb.RunResponse_Next{Next: fromNext(social.Next(*s.Next))}
	case s.Done != nil && s.Next == nil:
		d := s.Done
		out.Usage = fromUsage(&d.Usage)
		out.Event = &pb.RunResponse_Done{Done: &pb.Done{FinishReason: d.Reason, Model: d.Model, VendorId: d.VendorID}}
	}
	return out
}

// ToModelStep takes a step's outcome from the wire; both fields are nil if
// there is none.
func ToModelStep(r *pb.RunResponse) (s model.Step) {
	if n := r.GetNext(); n != nil {
		next := model.Next(toNext(n))
		s.Next = &next
	}
	if d := r.GetDone(); d != nil {
		s.Done = &model.Done{Reason: d.GetFinishReason(), Model: d.GetModel(), VendorID: d.GetVendorId()}
		if u := toUsage(r.GetUsage()); u != nil {
			s.Done.Usage = *u
		}
	}
	return s
}

// FromEstimated puts a price on the wire.
func FromEstimated(e model.Estimate) *pb.EstimateResponse {
	out := &pb.EstimateResponse{UnitsMax: map[string]int64{}, NanoCostMax: e.Max.Nano, NanoCostLikely: e.Likely.Nano, Currency: e.Max.Currency}
	for k, v := range e.Units {
		out.UnitsMax[string(k)] = v
	}
	return out
}

// ToEstimated takes a price from the wire.
func ToEstimated(r *pb.EstimateResponse) model.Estimate {
	return model.Estimate{
		Units:  units(r.GetUnitsMax()),
		Max:    model.Money{Nano: max(0, r.GetNanoCostMax()), Currency: r.GetCurrency()},
		Likely: model.Money{Nano: max(0, r.GetNanoCostLikely()), Currency: r.GetCurrency()},
	}
}

// FromCancellation puts what became of a job on the wire.
func FromCancellation(c model.Cancellation) *pb.CancelResponse {
	return &pb.CancelResponse{Stopped: c.Stopped, Usage: fromUsage(&c.Usage)}
}

// ToCancellation takes what became of a job from the wire.
func ToCancellation(r *pb.CancelResponse) model.Cancellation {
	out := model.Cancellation{Stopped: r.GetStopped()}
	if u := toUsage(r.GetUsage()); u != nil {
		out.Usage = model.Usage{Units: maps.Clone(u.Units), Cost: u.Cost}
	}
	return out
}
