package conformance

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// spot is a request of the happy path that may change something.
type spot struct {
	sample sample
	index  int // among the mutations of the object
	commit bool
	place  string
}

// level2 spoils every request of the happy path that may change something, in
// every way, one at a time.
func level2(ctx context.Context, b *bench) {
	spots := b.spots()
	if len(spots) == 0 {
		b.add(Result{ID: "L2.faults", Level: 2, Title: "requests that go wrong", Section: "faults"},
			untried{"nothing was published on level 1 whose requests could be spoiled"})
		return
	}
	for _, s := range spots {
		for _, t := range b.troubles() {
			if t.prepare == nil && !s.commit {
				continue
			}
			id := fmt.Sprintf("%s.%s.%s", s.sample.name, slug(s.place), t.id)
			b.check(ctx, 2, id, fmt.Sprintf("%s: %s", s.place, t.what), "faults", func(ctx context.Context) error { return b.spoiled(ctx, s, t) })
		}
		if s.commit {
			id := fmt.Sprintf("%s.%s.older", s.sample.name, slug(s.place))
			b.check(ctx, 2, id, fmt.Sprintf("%s: the platform refuses it, because an older one says the same", s.place), "faults", func(ctx context.Context) error { return b.older(ctx, s) })
		}
	}
	if b.stage.Manifest.Can(social.CanFind) {
		for _, t := range b.troubles() {
			if !slices.Contains([]string{"404", "duplicate", "422"}, t.id) {
				b.check(ctx, 2, "find."+t.id, "a lookup while "+t.what+" does not say absent", "faults", func(ctx context.Context) error { return b.blind(ctx, t) })
			}
		}
	}
}

// notWord is what a name of a check has none of.
var notWord = regexp.MustCompile(`[^a-z0-9.]+`)

func slug(place string) string {
	return strings.Trim(notWord.ReplaceAllString(strings.ToLower(place), "-"), "-")
}

// spots lists each place once, the commit's last.
func (b *bench) spots() []spot {
	var out []spot
	seen := map[string]bool{}
	for _, s := range b.cases {
		n := 0
		for _, r := range b.happy[s.name] {
			for _, e := range mutations(r.Exchanges) {
				at := spot{s, n, r.Method == "commit", e.Place()}
				n++
				if key := fmt.Sprint(at.commit, at.place); !seen[key] {
					seen[key] = true
					out = append(out, at)
				}
			}
		}
	}
	return out
}

// spoiled publishes an object whose request at s meets t, and follows it to the
// end.
func (b *bench) spoiled(ctx context.Context, s spot, t trouble) error {
	p, before, err := b.counted(ctx)
	if err != nil {
		return err
	}
	take := b.take(s.sample.fresh())
	b.stage.Proxy.Spoil(nth(s.index, rehearsal.Exchange.Mutates, func(rehearsal.Exchange) *rehearsal.Action {
		a := t.action
		if t.id == "duplicate" {
			a.After = func() { a.Answer = b.naming(ctx, a.Answer, take.Request.Content.Text) }
		}
		return &a
	}))
	records, hit, err := b.meet(ctx, take, p, t)
	if err != nil {
		return err
	}
	allowed := t.prepare
	if s.commit {
		allowed = t.commit
	}
	if err := b.judge(hit, append(slices.Clone(allowed), b.stage.Settings.Expect[t.id]...), t); err != nil {
		return err
	}
	if s.commit {
		if sent := mutations(hit.Exchanges); len(sent) > 1 {
			return broke("one request in the commit, whatever came of it", "sent %d", len(sent)).with(hit.Exchanges)
		}
	}
	if !take.Phase.Over() {
		records = append(records, take.Run(ctx, b.stage, p, min(b.opt.Pause, 200*time.Millisecond), nil)...)
	}
	return b.ended(ctx, before, take, records, t)
}

// meet runs the object until its request was spoiled and returns that step.
func (b *bench) meet(ctx context.Context, take *rehearsal.Take, p rehearsal.Actor, t trouble) ([]rehearsal.Record, rehearsal.Record, error) {
	var records []rehearsal.Record
	for range 200 {
		call, cancel := ctx, context.CancelFunc(func() {})
		if t.slow {
			call, cancel = context.WithTimeout(ctx, shortCall)
		}
		mark := b.stage.Proxy.Label("")
		r := take.Step(call, b.stage, p)
		cancel()
		records = append(records, r)
		if slices.ContainsFunc(r.Exchanges, func(e rehearsal.Exchange) bool { return e.Injected != "" }) {
			if t.slow {
				if err := b.gaveUp(ctx, mark); err != nil {
					return nil, r, err
				}
			}
			return records, r, nil
		}
		if take.Phase.Over() {
			break
		}
		pause(ctx, min(r.After, b.opt.Pause))
	}
	if err := outcome(take, records); err != nil {
		return nil, last(records), err
	}
	return nil, last(records), broke("the same requests as the time before", "made others: the one to spoil did not come").with(exchangesOf(records))
}

// judge holds the step's answer against the table.
func (b *bench) judge(r rehearsal.Record, allowed []social.Kind, t trouble) error {
	expected := fmt.Sprintf("a fault of kind %s", join(allowed))
	switch {
	case r.Step.Receipt != nil:
		return broke(expected+", and no receipt without the platform's proof", "%s", told(r)).with(r.Exchanges)
	case r.Fault == nil && r.Step.Next != nil && r.Phase == rehearsal.Preparing && !t.refusal():
		return nil // it repeated a harmless request and got through
	case r.Fault == nil:
		return broke(expected, "%s", told(r)).with(r.Exchanges)
	case !slices.Contains(allowed, r.Fault.Kind):
		return broke(expected, "%s", told(r)).with(r.Exchanges)
	case r.Fault.Kind == social.RateLimited && t.id == "429" && r.Fault.RetryAfter <= 0:
		return broke("the time to wait that the platform asked for", "gave %s", r.Fault.RetryAfter).with(r.Exchanges)
	case r.Fault.Kind == social.RateLimited && t.asksFor() > 0 && r.Fault.RetryAfter < t.asksFor()-time.Second:
		return broke(fmt.Sprintf("the time to wait that the platform asked for, %s", t.asksFor()), "gave %s", r.Fault.RetryAfter).with(r.Exchanges)
	case r.Fault.Key == "" || r.Fault.Message == "" || r.Fault.Source == "":
		return broke("a fault with a key, a message for people and a source", "gave %+v", *r.Fault).with(r.Exchanges)
	case len(r.Fault.Upstream) > 2<<10:
		return broke("at most 2 KiB of what the platform said", "gave %d bytes", len(r.Fault.Upstream))
	}
	return nil
}

// refusal reports whether repeating the request at once is no help.
func (t trouble) refusal() bool { return len(t.prepare) > 0 && t.prepare[0] != social.Transient }

func join(kinds []social.Kind) string {
	var out []string
	for _, k := range kinds {
		out = append(out, string(k))
	}
	return strings.Join(out, " or ")
}

// ended checks what is live once the protocol is through.
func (b *bench) ended(ctx context.Context, before int, t *rehearsal.Take, records []rehearsal.Record, why trouble) error {
	after, err := b.count(ctx)
	if err != nil {
		return err
	}
	want := 1
	switch {
	case t.Phase == rehearsal.Failed || t.Phase == rehearsal.Review:
		want = after - before // a refusal that is final, or a person's turn: at most one
		if want > 1 {
			want = 1
		}
	case t.Phase != rehearsal.Published:
		return outcome(t, records)
	}
	if t.Phase == rehearsal.Review && t.Dedup() != social.NoDedup {
		return broke("evidence that settles it: the manifest's recovery class is "+string(t.Dedup()), "left it open: %s", told(last(records))).with(exchangesOf(records))
	}
	if t.Phase == rehearsal.Failed && why.action.Forward && after != before {
		return broke("an object that is live is not called failed", "%s", told(last(records))).with(exchangesOf(records))
	}
	if after-before != want {
		return broke(fmt.Sprintf("%d object at the platform in the end", want), "left %d", after-before).with(exchangesOf(records))
	}
	return nil
}

// blind looks for an object that is live while every request goes wrong.
func (b *bench) blind(ctx context.Context, t trouble) error {
	take, err := b.put(ctx, b.textOnly().fresh())
	if err != nil {
		return err
	}
	act := t.action
	act.Forward = act.Forward && act.Answer == nil
	b.stage.Proxy.Spoil(func(rehearsal.Exchange) *rehearsal.Action { a := act; return &a })
	mark := b.stage.Proxy.Label("find")
	call, cancel := context.WithTimeout(ctx, checkTime/2)
	if t.slow {
		call, cancel = context.WithTimeout(ctx, shortCall)
	}
	defer cancel()
	f, err := b.session.Plugin.Find(call, take.Asks(take.Armed))
	if w := written(faultOf(err)); w != nil {
		return w
	}
	exchanges := b.stage.Proxy.Since(mark)
	if len(exchanges) == 0 {
		return skip{"looking asks the platform nothing"}
	}
	if err == nil && f.Verdict != social.Unsure {
		return broke("a fault, or unsure", "answered %q without having heard anything", f.Verdict).with(exchanges)
	}
	return nil
}

func faultOf(err error) *social.Fault {
	if err == nil {
		return nil
	}
	return social.FaultOf(err, false)
}

// nth applies rule to the request with that number, from 0, among those that
// match, and lets the others pass.
func nth(n int, match func(rehearsal.Exchange) bool, rule func(rehearsal.Exchange) *rehearsal.Action) func(rehearsal.Exchange) *rehearsal.Action {
	var mu sync.Mutex
	return func(e rehearsal.Exchange) *rehearsal.Action {
		if !match(e) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if n--; n != -1 {
			return nil
		}
		return rule(e)
	}
}
