package publishing

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// TakenReason says that an object is already the receipt of another segment.
const TakenReason = "segment.ref_taken"

// ErrTaken is fault.Conflict with TakenReason.
var ErrTaken = fault.New(fault.Conflict, TakenReason, "What the platform named stands for another post.")

func isTaken(err error) bool { return err != nil && fault.Of(err).Reason == TakenReason }

func takenFault() *social.Fault {
	return &social.Fault{Kind: social.Ambiguous, Source: social.FromPlugin, Key: TakenReason, Message: ErrTaken.Message}
}

// contested asks a person about a segment whose receipt names what stands for
// another one. That is not to be believed, and not a refusal either.
func (r *Runner) contested(ctx context.Context, c Claim) error {
	return r.insist(ctx, c, func(w *work) error {
		if err := w.closeAttempt(ctx, OutcomeLost, takenFault()); err != nil {
			return err
		}
		w.s.ask(takenFault())
		return w.settled(ctx)
	})
}
