package httpapi

import (
	"context"
	"fmt"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// GetReceipt implements GET /posts/{post}/receipt.
func (s *Server) GetReceipt(ctx context.Context, req api.GetReceiptRequestObject) (api.GetReceiptResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.Posts.Receipt(ctx, who, publishing.PostID(req.Post))
	if err != nil {
		return nil, err
	}
	return api.GetReceipt200JSONResponse(toReceipt(r)), nil
}

// GetMetrics implements GET /posts/{post}/metrics.
func (s *Server) GetMetrics(ctx context.Context, req api.GetMetricsRequestObject) (api.GetMetricsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	figures, err := s.Posts.Metrics(ctx, who, publishing.PostID(req.Post))
	if err != nil {
		return nil, err
	}
	return api.GetMetrics200JSONResponse{Data: each(figures, toMetrics)}, nil
}

// RefreshMetrics implements POST /posts/{post}/metrics:refresh.
func (s *Server) RefreshMetrics(ctx context.Context, req api.RefreshMetricsRequestObject) (api.RefreshMetricsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	job, err := s.Posts.AskMetrics(ctx, who, publishing.PostID(req.Post))
	if err != nil {
		return nil, err
	}
	var at *string
	if s.Authz.Allow(ctx, who, jobs.ActRead) == nil { // it would be a dead end for others
		at = jobAt(job)
	}
	return api.RefreshMetrics202Response{Headers: api.RefreshMetrics202ResponseHeaders{Location: at}}, nil
}

func toReceipt(r *publishing.Receipt) api.Receipt {
	tries := map[publishing.SegmentID][]api.Attempt{}
	for _, a := range r.Attempts {
		tries[a.Segment] = append(tries[a.Segment], toAttempt(a))
	}
	return api.Receipt{
		PostId: string(r.ID), Object: api.ReceiptObjectReceipt, State: api.PostState(r.State), Held: toHeld(r.Held()),
		Deliveries: each(r.Deliveries, func(d *publishing.Delivery) api.Delivery {
			return api.Delivery{
				Id: string(d.ID), ChannelId: string(d.Channel), Format: some(d.Format), State: string(d.State()), Held: toHeld(d.Held), Visibility: some(api.Visibility(d.Hidden())),
				ContentHash: some(d.Hash), DueAt: d.DueAt,
				Segments: each(d.Segments, func(s *publishing.Segment) api.SegmentReceipt { return toSegmentReceipt(s, tries[s.ID]) }),
			}
		}),
	}
}

func toSegmentReceipt(s *publishing.Segment, tries []api.Attempt) api.SegmentReceipt {
	out := api.SegmentReceipt{
		Id: string(s.ID), Position: s.Position, Kind: api.SegmentReceiptKindThread, State: string(s.State), Label: some(s.Label),
		Evidence: some(string(s.Evidence)), LiveAt: some(s.LiveAt), NextAt: some(s.NextAt), Attempts: tries,
		Visibility: some(api.Visibility(s.Hidden)), Warnings: s.Warnings,
	}
	if s.Comment {
		out.Kind = api.SegmentReceiptKindComment
	}
	if s.Problem != nil {
		out.Reason, out.Message = some(s.Problem.Reason), some(s.Problem.Message)
	}
	if s.Ref != nil {
		out.RemoteId, out.Url = some(s.Ref.ID), some(s.Ref.URL)
	}
	if out.Attempts == nil {
		out.Attempts = []api.Attempt{}
	}
	return out
}

func toAttempt(a publishing.Attempt) api.Attempt {
	out := api.Attempt{
		Number: a.N, Replay: some(a.Replay), Outcome: some(string(a.Outcome)), ArmedAt: a.ArmedAt, EndedAt: some(a.EndedAt),
	}
	if a.Problem != nil {
		out.Reason, out.Message = some(a.Problem.Reason), some(a.Problem.Message)
	}
	return out
}

func pointer(base string, i int) string { return fmt.Sprintf("%s/%d", base, i) }
