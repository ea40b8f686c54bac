package wire

import (
	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/ports/social"
)

// FromPublish puts one step of one object on the wire.
func FromPublish(r social.PublishRequest) (*pb.PublishRequest, error) {
	content, err := FromContent(r.Content)
	if err != nil {
		return nil, err
	}
	return &pb.PublishRequest{
		Call: FromCall(r.Call), Account: FromAccount(r.Account), Content: content,
		State: r.State, Commit: r.Commit, Attempt: int64(r.Attempt),
	}, nil
}

// ToPublish takes one step of one object from the wire.
func ToPublish(r *pb.PublishRequest) (social.PublishRequest, error) {
	content, err := ToContent(r.GetContent())
	if err != nil {
		return social.PublishRequest{}, err
	}
	return social.PublishRequest{
		Call: ToCall(r.GetCall()), Account: ToAccount(r.GetAccount()), Content: content,
		State: r.GetState(), Commit: r.GetCommit(), Attempt: int(r.GetAttempt()),
	}, nil
}

// FromStep puts a step's outcome on the wire. A step that names none or both
// stays without outcome: it proves nothing.
func FromStep(s social.Step) *pb.PublishResponse {
	out := &pb.PublishResponse{}
	switch {
	case s.Next != nil && s.Receipt == nil:
		out.Outcome = &pb.PublishResponse_Next{Next: fromNext(*s.Next)}
	case s.Receipt != nil && s.Next == nil:
		out.Outcome = &pb.PublishResponse_Receipt{Receipt: fromReceipt(s.Receipt)}
	}
	return out
}

// ToStep takes a step's outcome from the wire; both fields are nil if there is
// none.
func ToStep(r *pb.PublishResponse) social.Step {
	s := social.Step{Receipt: toReceipt(r.GetReceipt())}
	if n := r.GetNext(); n != nil {
		next := toNext(n)
		s.Next = &next
	}
	return s
}

func fromNext(n social.Next) *pb.Next {
	return &pb.Next{State: n.State, After: fromDuration(n.After), Commit: n.Commit, Label: n.Label}
}

func toNext(n *pb.Next) social.Next {
	return social.Next{State: n.GetState(), After: max(0, toDuration(n.GetAfter())), Commit: n.GetCommit(), Label: n.GetLabel()}
}

var statuses = words(map[social.Status]pb.Receipt_Status{
	social.Live:       pb.Receipt_STATUS_LIVE,
	social.Processing: pb.Receipt_STATUS_PROCESSING,
	social.InReview:   pb.Receipt_STATUS_IN_REVIEW,
})

func fromReceipt(r *social.Receipt) *pb.Receipt {
	if r == nil {
		return nil
	}
	return &pb.Receipt{
		Ref: fromRef(r.Ref), Status: statuses.number[r.Status],
		PublishedAt: fromTime(r.PublishedAt), Warnings: r.Warnings,
	}
}

func toReceipt(r *pb.Receipt) *social.Receipt {
	if r == nil {
		return nil
	}
	return &social.Receipt{
		Ref: toRef(r.GetRef()), Status: statuses.word[r.GetStatus()],
		PublishedAt: toTime(r.GetPublishedAt()), Warnings: r.GetWarnings(),
	}
}

// FromFind puts a lookup on the wire.
func FromFind(r social.FindRequest) (*pb.FindRequest, error) {
	content, err := FromContent(r.Content)
	if err != nil {
		return nil, err
	}
	return &pb.FindRequest{
		Call: FromCall(r.Call), Account: FromAccount(r.Account), Content: content,
		State: r.State, Since: fromTime(r.Since), Ref: fromRefOrNil(r.Ref), Taken: r.Taken, Restored: r.Restored,
	}, nil
}

// ToFind takes a lookup from the wire.
func ToFind(r *pb.FindRequest) (social.FindRequest, error) {
	content, err := ToContent(r.GetContent())
	if err != nil {
		return social.FindRequest{}, err
	}
	return social.FindRequest{
		Call: ToCall(r.GetCall()), Account: ToAccount(r.GetAccount()), Content: content,
		State: r.GetState(), Since: toTime(r.GetSince()), Ref: toRefOrNil(r.GetRef()), Taken: r.GetTaken(), Restored: r.GetRestored(),
	}, nil
}

var verdicts = words(map[social.Verdict]pb.FindResponse_Verdict{
	social.Found:  pb.FindResponse_VERDICT_FOUND,
	social.Absent: pb.FindResponse_VERDICT_ABSENT,
	social.Unsure: pb.FindResponse_VERDICT_UNSURE,
})

// FromFinding puts a verdict on the wire.
func FromFinding(f social.Finding) *pb.FindResponse {
	return &pb.FindResponse{Verdict: verdicts.number[f.Verdict], Receipt: fromReceipt(f.Receipt), After: fromDuration(f.After)}
}

// ToFinding takes a verdict from the wire; an unknown one is empty.
func ToFinding(r *pb.FindResponse) social.Finding {
	return social.Finding{
		Verdict: verdicts.word[r.GetVerdict()], Receipt: toReceipt(r.GetReceipt()),
		After: max(0, toDuration(r.GetAfter())),
	}
}

// FromMetricsRequest puts a batch of posts on the wire.
func FromMetricsRequest(r social.MetricsRequest) *pb.MetricsRequest {
	return &pb.MetricsRequest{Call: FromCall(r.Call), Account: FromAccount(r.Account), Posts: each(r.Posts, fromRef)}
}

// ToMetricsRequest takes a batch of posts from the wire.
func ToMetricsRequest(r *pb.MetricsRequest) social.MetricsRequest {
	return social.MetricsRequest{Call: ToCall(r.GetCall()), Account: ToAccount(r.GetAccount()), Posts: each(r.GetPosts(), toRef)}
}

// FromMetrics puts figures on the wire.
func FromMetrics(list []social.Metrics) []*pb.MetricSet { return each(list, fromMetricSet) }

// ToMetrics takes figures from the wire.
func ToMetrics(list []*pb.MetricSet) []social.Metrics { return each(list, toMetricSet) }

func fromMetricSet(m social.Metrics) *pb.MetricSet {
	return &pb.MetricSet{Ref: fromRef(m.Ref), Values: m.Values, At: fromTime(m.At)}
}

func toMetricSet(m *pb.MetricSet) social.Metrics {
	return social.Metrics{Ref: toRef(m.GetRef()), Values: m.GetValues(), At: toTime(m.GetAt())}
}
