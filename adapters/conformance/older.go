package conformance

import (
	"context"
	"fmt"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
)

// older publishes the same content twice. The platform refuses the second as a
// duplicate of the first, which is another post: nothing of the second is there,
// and so nothing may claim that it is.
func (b *bench) older(ctx context.Context, s spot) error {
	content := s.sample.fresh()
	first, err := b.put(ctx, content)
	if err != nil {
		return err
	}
	p, before, err := b.counted(ctx)
	if err != nil {
		return err
	}
	answer := *b.naming(ctx, b.words("duplicate", 409), content.Text)
	b.stage.Proxy.Spoil(nth(s.index, rehearsal.Exchange.Mutates, func(rehearsal.Exchange) *rehearsal.Action {
		return &rehearsal.Action{Name: "refused for an older one", Answer: &answer}
	}))
	take := b.take(content)
	records := take.Run(ctx, b.stage, p, min(b.opt.Pause, 200*time.Millisecond), nil)
	for _, r := range records {
		if err := written(r.Fault); err != nil {
			return err
		}
		if r.Step.Receipt != nil && r.Step.Receipt.Ref.ID == first.Receipt.Ref.ID || r.Fault != nil && r.Fault.Key == rehearsal.Taken {
			return broke("no receipt: the object that was named stands for another post", "claimed %q", first.Receipt.Ref.ID).with(r.Exchanges)
		}
		if sent := mutations(r.Exchanges); r.Method == "commit" && len(sent) > 1 {
			return broke("one request in the commit, whatever came of it", "sent %d", len(sent)).with(r.Exchanges)
		}
	}
	after, err := b.count(ctx)
	if err != nil {
		return err
	}
	switch made := after - before; {
	case take.Phase == rehearsal.Published && (made != 1 || take.Receipt.Ref.ID == first.Receipt.Ref.ID):
		return broke("an object of its own, or none", "called %q published, with %d more at the platform", take.Receipt.Ref.ID, made).with(exchangesOf(records))
	case take.Phase != rehearsal.Published && made != 0:
		return broke("nothing at the platform of what is not published", "left %d, and it is %s", made, take.Phase).with(exchangesOf(records))
	case !take.Phase.Over():
		return broke(fmt.Sprintf("a lookup that passes over %q, which stands for another post", first.Receipt.Ref.ID), "%s after %d steps", told(last(records)), len(records)).with(exchangesOf(records))
	}
	return nil
}
