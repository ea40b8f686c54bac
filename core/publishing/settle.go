package publishing

import (
	"context"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Verdict is a person's answer to "did this go out?".
type Verdict string

// The answers.
const (
	ItIsThere Verdict = "there"
	SendAgain Verdict = "send_again"
)

// Settle ends the doubt about a segment that needs review. With ItIsThere, url
// may say where; with SendAgain the person vouches that it is not there.
func (s *Service) Settle(ctx context.Context, who tenants.Scope, post PostID, seg SegmentID, v Verdict, url string) (*Detail, error) {
	if err := s.authz.Allow(ctx, who, ActSettle); err != nil {
		return nil, err
	}
	if v != ItIsThere && v != SendAgain {
		return nil, fault.New(fault.Invalid, "settle.verdict", "Say %q or %q.", ItIsThere, SendAgain).On("/verdict")
	}
	if url != "" && !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return nil, fault.New(fault.Invalid, "settle.url", "Write the whole address, with https://.").On("/url")
	}
	return s.change(ctx, who, post, "post.settle", func(ctx context.Context, tx Tx, d *Detail) error {
		return settleSegment(ctx, tx, d, seg, v, url)
	})
}

// settleSegment records a person's answer. Where they say it is there, an
// address is all there is to go by: without the platform's own name for it,
// what would have followed it is cut off.
func settleSegment(ctx context.Context, tx Tx, d *Detail, id SegmentID, v Verdict, url string) error {
	for _, dl := range d.Deliveries {
		sg := dl.Segment(id)
		if sg == nil {
			continue
		}
		if sg.State != NeedsReview {
			return fault.New(fault.Conflict, "settle.not_needed", "This part does not need a decision.")
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		w := &work{d: dl, s: sg, was: d.State, rest: d.rest(dl), now: now, tx: tx}
		return w.decide(ctx, v, url)
	}
	return fault.New(fault.NotFound, "segment.not_found", "There is no such part.")
}

// rest is the states of all deliveries but one.
func (d *Detail) rest(but *Delivery) (out []State) {
	for _, dl := range d.Deliveries {
		if dl != but {
			out = append(out, dl.State())
		}
	}
	return out
}

func (w *work) decide(ctx context.Context, v Verdict, url string) error {
	outcome := SettledLive
	if v == ItIsThere {
		w.s.applied(social.Receipt{Ref: social.Ref{URL: url}}, ByPerson, w.now)
	} else {
		outcome = SettledAbsent
		w.s.Canceling, w.s.OrderedAt = false, w.now // they want it sent
		if w.s.Verify {
			w.s.restart(w.now)
			if err := w.tx.SaveSegments(ctx, w.d, w.d.cleared(w.s.Position)...); err != nil {
				return err
			}
		} else {
			w.s.disarm(w.now)
		}
		w.s.Problem = nil
	}
	if err := w.tx.ResolveAttempts(ctx, w.s.ID, outcome); err != nil {
		return err
	}
	return w.settled(ctx)
}
