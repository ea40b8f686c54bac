package declarative

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// progress is what one step leaves to the next.
type progress struct {
	Step  string         `json:"step,omitempty"`
	Item  int            `json:"item,omitempty"`
	Tries int            `json:"tries,omitempty"`
	Saved map[string]any `json:"saved,omitempty"`
}

// How a step asks again, if the file does not say.
const (
	askEvery = 5 * time.Second
	askMost  = 60
)

// Publish implements social.Publisher: one of the file's steps.
func (p *plugin) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	c := p.call(req.Call, req.Account)
	c.scope.Content, c.media = contentOf(req.Content), req.Content.Media
	at, err := c.resume(req.State)
	if err != nil {
		return social.Step{}, err
	}
	if !req.Commit {
		if err := c.acceptable(req); err != nil {
			return social.Step{}, err
		}
	}
	step := c.current(&at)
	switch {
	case step == nil || step.Commit != req.Commit && req.Commit:
		return social.Step{}, c.broken("state", errors.New("no such step is next"))
	case step.Commit && req.Commit:
		return c.commit(ctx, step)
	case step.Commit:
		return c.next(at, step, 0)
	}
	return c.prepare(ctx, step, at)
}

func (c *call) resume(raw []byte) (at progress, err error) {
	if len(raw) > 0 {
		if err = json.Unmarshal(raw, &at); err != nil {
			return at, c.broken("state", errors.New("the progress could not be read"))
		}
	}
	if at.Saved == nil {
		at.Saved = map[string]any{}
	}
	saved, _ := json.Marshal(at.Saved)
	c.scope.State, _ = readJSON(saved).(map[string]any)
	return at, nil
}

// current is the step to take: the one that at names, or the first after it
// that applies.
func (c *call) current(at *progress) *Step {
	steps := c.file.Publish.Steps
	from := max(slices.IndexFunc(steps, func(s Step) bool { return s.Name == at.Step }), 0)
	for i := from; i < len(steps); i++ {
		s := &steps[i]
		if s.Name != at.Step {
			at.Item, at.Tries = 0, 0
		}
		if s.Each != "" && at.Item >= len(c.media) || !s.When.holds(c.scope, true) {
			continue
		}
		at.Step = s.Name
		return s
	}
	return nil
}

// prepare takes a step that may be repeated.
func (c *call) prepare(ctx context.Context, step *Step, at progress) (social.Step, error) {
	if step.Each != "" {
		c.scope.Index, c.scope.Attachment = at.Item, c.scope.Content.Media[at.Item]
	}
	if err := c.ask(ctx, step); err != nil {
		return social.Step{}, err
	}
	if !step.Until.holds(c.scope, true) {
		return c.again(step, at)
	}
	if err := c.save(step, &at); err != nil {
		return social.Step{}, err
	}
	at.Tries = 0
	if step.Each != "" {
		at.Item++
	}
	if step.Each == "" || at.Item >= len(c.media) {
		i := slices.IndexFunc(c.file.Publish.Steps, func(s Step) bool { return s.Name == step.Name })
		at.Step, at.Item = c.file.Publish.Steps[i+1].Name, 0 // the commit is last, and this is not it
	}
	c.scope.Attachment, c.scope.Index = attachment{}, 0
	following := c.current(&at)
	return c.next(at, following, 0)
}

// ask makes a step's request. Its error is a fault.
func (c *call) ask(ctx context.Context, step *Step) error {
	r, err := c.choose(step.requests())
	if err != nil {
		return err
	}
	got, err := c.do(ctx, r, false)
	if err != nil {
		return err
	}
	if !c.succeeded(r, got) {
		return c.refused(r, got, false)
	}
	return c.turnedAway(step.Refuse)
}

func (c *call) again(step *Step, at progress) (social.Step, error) {
	most, every := step.Most, step.Every
	if most == 0 {
		most = askMost
	}
	if every == 0 {
		every = askEvery
	}
	if at.Tries++; at.Tries >= most {
		return social.Step{}, social.Fail(social.Permanent, c.short+"."+step.Name+"_unfinished", "%s did not finish in time.", c.file.Name)
	}
	return c.next(at, step, every)
}

// save notes what a step learned; under each, one value per attachment.
func (c *call) save(step *Step, at *progress) error {
	for name, t := range step.Save {
		v, err := t.eval(c.scope)
		if err != nil {
			f := c.odd(&reply{status: c.scope.Status}, false) // nothing counts yet, so it may be tried again
			f.Err = fmt.Errorf("step %s, save.%s: %s", step.Name, name, c.redact(err.Error(), 300))
			return f
		}
		if step.Each == "" {
			at.Saved[name] = v
			continue
		}
		list, _ := at.Saved[name].([]any)
		at.Saved[name] = append(list[:min(len(list), at.Item):min(len(list), at.Item)], v)
	}
	saved, err := json.Marshal(at.Saved)
	if err != nil || c.redact(string(saved), len(saved)) != string(saved) {
		return c.broken("save", errors.New("what is saved holds a secret"))
	}
	c.scope.State, _ = readJSON(saved).(map[string]any)
	return nil
}

func (c *call) next(at progress, step *Step, after time.Duration) (social.Step, error) {
	raw, err := json.Marshal(at)
	if err != nil || len(raw) > social.MaxState || step == nil {
		return social.Step{}, c.broken("state", errors.New("the progress cannot be kept"))
	}
	label := step.Label
	if label == "" {
		label = step.Name
	}
	return social.Step{Next: &social.Next{State: raw, After: after, Commit: step.Commit, Label: label}}, nil
}

// commit makes the one request that has an effect.
func (c *call) commit(ctx context.Context, step *Step) (social.Step, error) {
	r, err := c.choose(step.requests())
	if err != nil {
		return social.Step{}, err
	}
	got, err := c.do(ctx, r, true)
	if err != nil {
		return social.Step{}, err
	}
	if !c.succeeded(r, got) {
		if got.status < 300 && c.scope.Answer == nil {
			return social.Step{}, c.odd(got, true)
		}
		return social.Step{}, c.refused(r, got, true)
	}
	receipt := c.receipt(&c.file.Publish.Receipt)
	if receipt == nil {
		return social.Step{}, c.odd(got, true)
	}
	return social.Step{Receipt: receipt}, nil
}

// acceptable holds content to the format's rules and the file's own.
func (c *call) acceptable(req social.PublishRequest) error {
	f, ok := c.manifest.Format(req.Content.Format)
	switch {
	case !ok:
		return c.violates(social.Unsupported, "/content/format", "format.unknown", 0, 0, c.file.Name+" has no such format.")
	case req.Content.ReplyTo != nil && !c.file.Reply:
		return c.violates(social.Unsupported, "/content/reply_to", "reply.unsupported", 0, 0, "A post cannot answer another here.")
	}
	text, media := req.Content.Text, req.Content.Media
	limits := req.Account.Limits
	if limits == nil {
		limits = &social.Limits{}
	}
	most, files := or(limits.MaxText, f.Text.Max), or(limits.MaxMedia, f.Media.Max)
	rule := f.Text
	rule.URLWeight = or(limits.URLWeight, rule.URLWeight)
	n := textcount.Count(rule, text)
	switch {
	case text == "" && (len(media) == 0 || !f.Text.Optional):
		return c.violates(social.Invalid, "/content/text", "text.required", 1, 0, "Write something first.")
	case most > 0 && n > most:
		return c.violates(social.Invalid, "/content/text", "text.too_long", most, n, "The text is too long.")
	case f.Text.MaxBytes > 0 && len(text) > f.Text.MaxBytes:
		return c.violates(social.Invalid, "/content/text", "text.too_many_bytes", f.Text.MaxBytes, len(text), "The text is too long.")
	case files > 0 && len(media) > files:
		return c.violates(social.Invalid, "/content/media", "media.too_many", files, len(media), "Too many attachments.")
	}
	for _, m := range media {
		if len(f.Media.Kinds) > 0 && !slices.Contains(f.Media.Kinds, m.Kind) {
			return c.violates(social.Invalid, "/content/media", "media.kind_not_allowed", 0, 0, "This kind of file cannot be posted here.")
		}
	}
	return c.turnedAway(c.file.Publish.Refuse)
}

func or(figure, otherwise int) int {
	if figure > 0 {
		return figure
	}
	return otherwise
}

func (c *call) violates(kind social.Kind, field, reason string, limit, actual int, message string) error {
	f := social.Fail(kind, c.short+".content", "%s", message)
	f.Source = social.FromPlugin
	f.Violations = []fault.Violation{{Field: field, Reason: reason, Message: message, Limit: float64(limit), Actual: float64(actual)}}
	return f
}
