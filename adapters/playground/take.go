package playground

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// take is one object being published, as the page shows it.
type take struct {
	ID      int       `json:"id"`
	Text    string    `json:"text"`
	Phase   string    `json:"phase"`
	Dedup   string    `json:"dedup"`
	Waiting bool      `json:"waiting"` // for somebody to take the next step
	At      time.Time `json:"at"`
	Steps   []step    `json:"steps"`

	next chan struct{}
}

// step is one step of it.
type step struct {
	Method  string      `json:"method"`
	Label   string      `json:"label,omitempty"`
	Outcome string      `json:"outcome"`
	State   int         `json:"state"`    // bytes
	After   int64       `json:"after_ms"` // until the next
	Took    float64     `json:"took_ms"`
	Commit  bool        `json:"commit"` // the next step is the commit
	Fault   *flaw       `json:"fault,omitempty"`
	Receipt *social.Ref `json:"receipt,omitempty"`
	Calls   []call      `json:"calls"`
}

type flaw struct {
	Kind       social.Kind       `json:"kind"`
	Key        string            `json:"key"`
	Message    string            `json:"message"`
	Upstream   string            `json:"upstream,omitempty"`
	Cause      string            `json:"cause,omitempty"`
	Violations []fault.Violation `json:"violations,omitempty"`
}

// call is one request of a step. Headers are left out: they carry credentials.
type call struct {
	N        int     `json:"n"`
	Method   string  `json:"method"`
	Host     string  `json:"host"`
	Path     string  `json:"path"`
	Status   int     `json:"status"`
	Took     float64 `json:"took_ms"`
	Note     string  `json:"note,omitempty"`
	Request  string  `json:"request,omitempty"`
	Response string  `json:"response,omitempty"`
}

// order is what a person wants to publish.
type order struct {
	Format   string         `json:"format"`
	Text     string         `json:"text"`
	Picture  bool           `json:"picture"`
	Alt      string         `json:"alt"`
	Settings map[string]any `json:"settings"`
	Account  int            `json:"account"`
	ReplyTo  string         `json:"reply_to"`
	Stepwise bool           `json:"stepwise"`
}

// maxTakes is how many are kept.
const maxTakes = 20

// publish begins an object and follows it in the background.
func (p *Playground) publish(ctx context.Context, o order) error {
	p.work.Lock()
	defer p.work.Unlock()
	if p.session == nil {
		return fault.New(fault.Unavailable, "playground.down", "The plugin does not run.")
	}
	account, credentials, ok := p.stage.Account(o.Account)
	if !ok {
		return fault.New(fault.Invalid, "playground.account", "carillon.yaml names no such account in test.accounts.")
	}
	content := social.Content{Format: o.Format, Text: o.Text, Settings: o.Settings, Languages: []string{"en"}}
	if o.Picture {
		m, err := p.stage.Gateway.Lend("", rehearsal.File{Alt: o.Alt})
		if err != nil {
			return err
		}
		content.Media = []social.Media{m}
	}
	if o.ReplyTo != "" {
		content.ReplyTo = &social.Ref{ID: o.ReplyTo}
		content.Root = content.ReplyTo
	}
	object := p.stage.Take(account, credentials, content)
	t := &take{Text: o.Text, Phase: string(object.Phase), Dedup: string(object.Dedup()), At: time.Now(), Steps: []step{}, next: make(chan struct{}, 1)}
	p.show(func() {
		if t.ID = 1; len(p.takes) > 0 {
			t.ID = p.takes[0].ID + 1
		}
		p.takes = append([]*take{t}, p.takes[:min(len(p.takes), maxTakes-1)]...)
	})
	go p.run(ctx, t, object, o.Stepwise)
	return nil
}

// maxPause is the longest wait between two steps: nobody watches for longer.
const maxPause = 10 * time.Second

// run takes the steps of an object until it is over.
func (p *Playground) run(ctx context.Context, t *take, object *rehearsal.Take, stepwise bool) {
	for range 300 {
		if stepwise {
			p.show(func() { t.Waiting = true })
			select {
			case <-t.next:
			case <-ctx.Done():
				return
			}
			p.show(func() { t.Waiting = false })
		}
		after, ok := p.step(ctx, t, object)
		if !ok || object.Phase.Over() {
			return
		}
		timer := time.NewTimer(min(after, maxPause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// step takes one step. It reports false if there is no plugin any more.
func (p *Playground) step(ctx context.Context, t *take, object *rehearsal.Take) (after time.Duration, ok bool) {
	p.work.Lock()
	defer p.work.Unlock()
	if p.session == nil {
		p.show(func() { t.Phase = "abandoned" })
		return 0, false
	}
	r := object.Step(ctx, p.stage, p.session.Plugin)
	settled, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = p.stage.Proxy.Settle(settled)
	shown := p.shown(r)
	p.show(func() { t.Steps, t.Phase = append(t.Steps, shown), string(object.Phase) })
	p.recount(ctx)
	return r.After, true
}

func (p *Playground) shown(r rehearsal.Record) step {
	s := step{Method: r.Method, Label: r.Label, State: r.State, After: r.After.Milliseconds(), Took: millis(r.Took), Calls: []call{}}
	switch {
	case r.Fault != nil:
		f := r.Fault
		s.Outcome = "fault"
		s.Fault = &flaw{Kind: f.Kind, Key: f.Key, Message: p.redact(f.Message), Upstream: p.redact(f.Upstream), Violations: f.Violations}
		if f.Err != nil {
			s.Fault.Cause = p.redact(f.Err.Error())
		}
	case r.Step.Receipt != nil:
		s.Outcome, s.Receipt = "receipt", &r.Step.Receipt.Ref
	case r.Finding != nil:
		s.Outcome = string(r.Finding.Verdict)
		if r.Finding.Receipt != nil {
			s.Receipt = &r.Finding.Receipt.Ref
		}
	case r.Step.Next != nil:
		s.Outcome, s.Commit = "next", r.Step.Next.Commit
	}
	for _, e := range r.Exchanges {
		s.Calls = append(s.Calls, p.calling(e))
	}
	return s
}

// maxBody is how much of a body is shown, in bytes.
const maxBody = 4 << 10

func (p *Playground) calling(e rehearsal.Exchange) call {
	var notes []string
	for note, is := range map[string]bool{
		e.Injected: e.Injected != "", "the fake had it": e.Injected != "" && e.Forwarded, "around the proxy": e.Direct, "host not in the manifest": e.Refused, "of no call": e.Unattributed(), e.Err: e.Err != "",
	} {
		if is {
			notes = append(notes, note)
		}
	}
	return call{
		N: e.N, Method: e.Method, Host: e.Host, Path: p.redact(e.Path), Status: e.Status, Took: millis(e.Took), Note: strings.Join(notes, ", "),
		Request: p.body(e.RequestHeader, e.RequestBody), Response: p.body(e.ResponseHeader, e.ResponseBody),
	}
}

func (p *Playground) body(h http.Header, b []byte) string {
	if kind := h.Get("Content-Type"); len(b) == 0 || strings.HasPrefix(kind, "image/") || strings.HasPrefix(kind, "video/") {
		return ""
	}
	return p.redact(strings.ToValidUTF8(string(b[:min(len(b), maxBody)]), "?"))
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// What can be armed for the next request, once.
const (
	crashBefore = "crash-before" // the process dies, the platform has nothing
	crashAfter  = "crash-after"  // the process dies, the platform has it
	loseReply   = "lose-reply"   // of a commit
)

// spoil is the proxy's rule.
func (p *Playground) spoil(e rehearsal.Exchange) *rehearsal.Action {
	p.mu.Lock()
	armed, session := p.armed, p.session
	p.mu.Unlock()
	var act *rehearsal.Action
	switch {
	case session == nil:
	case armed == crashBefore:
		act = &rehearsal.Action{Name: "crashed before the platform had it", Before: func() { session.Kill() }, Cut: rehearsal.BeforeBody}
	case armed == crashAfter:
		act = &rehearsal.Action{Name: "crashed before the answer", Forward: true, After: func() { session.Kill() }, Cut: rehearsal.AfterBody}
	case armed == loseReply && e.Label == "commit" && e.Mutates():
		act = &rehearsal.Action{Name: "reply lost", Forward: true, Cut: rehearsal.AfterBody}
	}
	if act != nil {
		p.show(func() { p.armed = "" })
	}
	return act
}
