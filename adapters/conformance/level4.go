package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// level4 lets two tenants take turns at one process and looks for what belongs
// to one in everything that the other gets to see. The process runs without a
// host: a host strikes secrets out, and here they are to be seen.
func level4(ctx context.Context, b *bench) {
	b.again()
	b.check(ctx, 4, "turns", "two tenants take turns, and neither sees the other", "tenants", func(ctx context.Context) error {
		return b.tenants(ctx, nil)
	})
	b.check(ctx, 4, "refusals", "the same while the platform refuses and repeats what it was sent", "tenants", func(ctx context.Context) error {
		var asked atomic.Int64 // requests come many at a time
		return b.tenants(ctx, func(e rehearsal.Exchange) *rehearsal.Action {
			n := asked.Add(1)
			if n%2 == 0 {
				return nil
			}
			return &rehearsal.Action{Name: "refused with an echo", Answer: &rehearsal.Answer{
				Status: []int{400, 401, 500}[n/2%3], Body: fmt.Sprintf(`{"error":"refused","authorization":%q}`, e.RequestHeader.Get("Authorization")),
			}}
		})
	})
	b.check(ctx, 4, "together", "many objects of both at once, and none is mixed up", "tenants", b.together)
}

// party is one tenant with what nobody else may see of it.
type party struct {
	name    string
	account social.Account
	call    social.Call
	marks   []string // its secrets, and words of its content
}

// parties are two tenants with canaries in everything that is theirs.
func (b *bench) parties() ([2]*party, error) {
	var out [2]*party
	for n, name := range []string{"A", "B"} {
		account, call, ok := b.stage.Account(n)
		if !ok {
			return out, untried{"needs a second account in test.accounts of carillon.yaml: nothing is known yet of two tenants"}
		}
		p := &party{name: name, account: account, call: call}
		canary := "canary" + strings.ToLower(rand.Text())
		p.call.Credential.Secrets = maps.Clone(p.call.Credential.Secrets)
		if p.call.Credential.Secrets == nil {
			p.call.Credential.Secrets = map[string]string{}
		}
		p.call.Credential.Secrets["canary"] = canary
		p.marks = []string{canary}
		for _, s := range append([]string{p.call.Credential.AccessToken}, values(call.Credential.Secrets)...) {
			if len(s) >= 6 {
				p.marks = append(p.marks, s)
			}
		}
		out[n] = p
	}
	for _, a := range out[0].marks {
		for _, c := range out[1].marks {
			if a == c {
				return out, errors.New("carillon.yaml: test.accounts: two accounts with the same secret cannot be told apart")
			}
		}
	}
	return out, nil
}

// both are two tenants and one process for them, which the caller ends.
func (b *bench) both(ctx context.Context) (parties [2]*party, raw *rehearsal.Raw, err error) {
	if parties, err = b.parties(); err == nil {
		raw, err = b.stage.Spawn(ctx)
	}
	return parties, raw, err
}

func values(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// content is a post of the party alone.
func (p *party) content(s sample) (social.Content, string) {
	c := s.fresh()
	word := "word" + strings.ToLower(rand.Text()[:12])
	if c.Text != "" {
		c.Text += " " + word
	}
	return c, word
}

// rounds is how many objects each tenant publishes.
const rounds = 3

// tenants takes one step of A and one of B in turn.
func (b *bench) tenants(ctx context.Context, rule func(rehearsal.Exchange) *rehearsal.Action) error {
	parties, raw, err := b.both(ctx)
	if err != nil {
		return err
	}
	defer raw.Kill()
	b.stage.Proxy.Spoil(rule)
	for n := range rounds {
		turns := &turns{b: b, raw: raw, parties: parties}
		for i, p := range parties {
			var c social.Content
			c, turns.words[i] = p.content(b.cases[n%len(b.cases)])
			turns.takes[i] = b.stage.Take(p.account, p.call, c)
		}
		if err := turns.toTheEnd(ctx); err != nil {
			return err
		}
		for _, t := range turns.takes {
			if rule == nil && t.Phase != rehearsal.Published {
				return broke("both tenants publish", "left one %s", t.Phase)
			}
		}
	}
	return quiet(raw, parties)
}

// turns are an object of each tenant, on their way by turns.
type turns struct {
	b       *bench
	raw     *rehearsal.Raw
	parties [2]*party
	takes   [2]*rehearsal.Take
	words   [2]string
}

func (t *turns) toTheEnd(ctx context.Context) error {
	for range 100 {
		var wait time.Duration
		for i, take := range t.takes {
			if take.Phase.Over() {
				continue
			}
			after, err := t.turn(ctx, i)
			if err != nil {
				return err
			}
			wait = max(wait, after)
		}
		if t.takes[0].Phase.Over() && t.takes[1].Phase.Over() {
			break
		}
		pause(ctx, min(wait, t.b.opt.Pause))
	}
	return nil
}

// turn takes one step of one tenant's and looks at all that came of it.
func (t *turns) turn(ctx context.Context, i int) (after time.Duration, err error) {
	r := t.takes[i].Step(ctx, t.b.stage, t.raw)
	if err := written(r.Fault); err != nil {
		return 0, err
	}
	if r.Fault != nil {
		if what := t.b.leaks(r.Fault.Message+r.Fault.Key, t.takes[i].Request.Call); what != "" {
			return 0, broke("a fault's message without secrets: people read it", "put %s into it", what).with(r.Exchanges)
		}
	}
	return r.After, unmixed(t.parties[i].name, t.parties[1-i], t.words[1-i], r)
}

// unmixed looks for what is another's in one step.
func unmixed(name string, other *party, word string, r rehearsal.Record) error {
	marks := append([]string{word}, other.marks...)
	for _, m := range marks {
		for _, e := range r.Exchanges {
			if e.Holds(m) {
				return broke("nothing of one tenant in the requests of another", "sent %s of tenant %s in a call of tenant %s", kindOf(m, word), other.name, name).with([]rehearsal.Exchange{e})
			}
		}
		said := ""
		if r.Step.Next != nil {
			said += r.Step.Next.Label + string(r.Step.Next.State)
		}
		if r.Step.Receipt != nil {
			said += fmt.Sprintf("%+v", *r.Step.Receipt)
		}
		if r.Fault != nil {
			said += fmt.Sprintf("%+v %v", *r.Fault, r.Fault.Err)
		}
		if strings.Contains(said, m) {
			return broke("nothing of one tenant in the answers to another", "told tenant %s %s of tenant %s", name, kindOf(m, word), other.name).with(r.Exchanges)
		}
	}
	return nil
}

func kindOf(mark, word string) string {
	if mark == word {
		return "a post's text"
	}
	return "a secret"
}

// quiet looks for secrets in what the process printed.
func quiet(raw *rehearsal.Raw, parties [2]*party) error {
	out := raw.Output()
	for _, p := range parties {
		for _, m := range p.marks {
			if at := strings.Index(out, m); at >= 0 {
				line := out[strings.LastIndexByte(out[:at], '\n')+1:]
				line, _, _ = strings.Cut(line, "\n")
				return broke("no secret in what the process prints", "printed one of tenant %s: %.200s", p.name, strings.ReplaceAll(line, m, "<THE SECRET>"))
			}
		}
	}
	return nil
}

// together publishes for both at once and then compares who sent what.
func (b *bench) together(ctx context.Context) error {
	parties, raw, err := b.both(ctx)
	if err != nil {
		return err
	}
	defer raw.Kill()
	mark := b.stage.Proxy.Label("together")
	const each = 8
	words := [2][]string{make([]string, each), make([]string, each)}
	takes := [2][]*rehearsal.Take{make([]*rehearsal.Take, each), make([]*rehearsal.Take, each)}
	var wg sync.WaitGroup
	for i, p := range parties {
		for n := range each {
			var c social.Content
			c, words[i][n] = p.content(b.cases[n%len(b.cases)])
			t := b.stage.Take(p.account, p.call, c)
			takes[i][n] = t
			wg.Go(func() { t.Run(ctx, b.stage, raw, b.opt.Pause, nil) })
		}
	}
	wg.Wait()
	for i := range parties {
		for n, t := range takes[i] {
			if w := written(t.Fault); w != nil {
				return w
			}
			if t.Phase != rehearsal.Published {
				return broke("every object is published", "left one of tenant %s %s: %v", parties[i].name, t.Phase, t.Fault)
			}
			if err := b.signed(b.stage.Proxy.Since(mark), words[i][n], parties[i], parties[1-i]); err != nil {
				return err
			}
		}
	}
	return quiet(raw, parties)
}

// signed checks that no request with the word of one bears a secret of another,
// or goes out in another's call.
func (b *bench) signed(list []rehearsal.Exchange, word string, mine, other *party) error {
	for _, e := range list {
		if !e.Holds(word) {
			continue
		}
		if e.Call.Tenant != "" && e.Call.Tenant != mine.call.Tenant {
			return broke("each request by the proxy of its own call", "sent a post of tenant %s in a call of tenant %s", mine.name, other.name).with([]rehearsal.Exchange{e})
		}
		for _, m := range other.marks {
			if e.Holds(m) {
				return broke("each post under its own credential", "sent one with a secret of tenant %s", other.name).with([]rehearsal.Exchange{e})
			}
		}
	}
	return nil
}
