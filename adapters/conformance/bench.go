package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// bench is one run: the stage, the plugin on it, and what it showed so far.
type bench struct {
	opt     Options
	stage   *rehearsal.Stage
	session *rehearsal.Session
	report  Report
	cases   []sample
	happy   map[string][]rehearsal.Record // how each case went, by name
}

// sample is one content to publish.
type sample struct {
	name    string
	content social.Content
}

func (b *bench) open(ctx context.Context) (err error) {
	b.happy = map[string][]rehearsal.Record{}
	if b.stage, err = rehearsal.Open(ctx, b.opt.Options); err != nil {
		return err
	}
	b.report.Manifest = b.stage.Manifest
	b.cases, err = b.samples()
	return err
}

func (b *bench) close() {
	if b.session != nil {
		b.session.Close()
	}
	if b.stage != nil {
		b.stage.Close()
	}
}

// ready says, once for each level that it stops, what the project lacks.
func (b *bench) ready(level int) bool {
	var lack string
	switch {
	case !b.stage.Fake():
		lack = "carillon.yaml names no fake of the platform in test.upstream.command"
	case len(b.stage.Settings.Accounts) == 0:
		lack = "carillon.yaml names no account at the fake in test.accounts"
	case !b.stage.Counts():
		lack = "carillon.yaml does not say where the fake tells what is live, in test.upstream.objects"
	default:
		return true
	}
	b.add(Result{ID: fmt.Sprintf("L%d", level), Level: level, Title: "there is something to try it with", Section: "carillonyaml"},
		broke("a fake platform, an account there and a list of what is live", "could not be tried: %s", lack))
	return false
}

// shown says so if a level that was asked for showed nothing.
func (b *bench) shown(level int) {
	for _, r := range b.report.Results {
		if r.Level == level && r.Status != Skipped {
			return
		}
	}
	if len(b.opt.Only) == 0 {
		b.add(Result{ID: fmt.Sprintf("L%d", level), Level: level, Title: "something of this level applies", Section: "plugin-test"},
			untried{"every check of this level was skipped: nothing is known of it"})
	}
}

// add records a result.
func (b *bench) add(r Result, err error) {
	r = record(r, err)
	b.report.Results = append(b.report.Results, r)
	if b.opt.Progress != nil {
		b.opt.Progress(r)
	}
}

// checkTime bounds one check.
const checkTime = 3 * time.Minute

// check runs one check and records it.
func (b *bench) check(ctx context.Context, level int, id, title, section string, run func(context.Context) error) {
	id = fmt.Sprintf("L%d.%s", level, id)
	if !b.wanted(id) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	begun := time.Now()
	err := run(ctx)
	b.stage.Proxy.Spoil(nil)
	b.add(Result{ID: id, Level: level, Title: title, Section: section, Took: time.Since(begun)}, err)
}

func (b *bench) wanted(id string) bool {
	if len(b.opt.Only) == 0 || b.opt.Level > 1 && strings.HasPrefix(id, "L1.publish.") {
		return true
	}
	return slices.ContainsFunc(b.opt.Only, func(prefix string) bool { return strings.HasPrefix(id, prefix) })
}

// plugin is the plugin under the host, started if it is not.
func (b *bench) plugin(ctx context.Context) (rehearsalPlugin, error) {
	if b.session == nil {
		s, err := b.stage.Start(ctx)
		if err != nil {
			return nil, broke("the plugin starts under the host", "did not: %v", cause(err))
		}
		b.session = s
	}
	return b.session.Plugin, nil
}

// rehearsalPlugin is what the checks call.
type rehearsalPlugin interface {
	social.Platform
	social.Finder
	social.Connector
	social.Lister
	social.Refresher
	social.Meter
}

// again ends the host, so that the next check has a fresh one.
func (b *bench) again() {
	if b.session != nil {
		b.session.Close()
		b.session = nil
	}
}

// cause is what is behind a fault, for people who debug a plugin.
func cause(err error) error {
	var f *social.Fault
	if errors.As(err, &f) && f.Err != nil {
		return f.Err
	}
	return err
}

const tide = "Low tide at noon & <bring> boots. https://example.com/tides #harbour"

// samples are the project's cases, or what each format takes.
func (b *bench) samples() ([]sample, error) {
	var out []sample
	for i, c := range b.stage.Settings.Cases {
		s := sample{name: c.Name, content: social.Content{Format: c.Format, Text: c.Text, Settings: c.Settings, Languages: c.Languages}}
		if s.name == "" {
			s.name = fmt.Sprintf("case-%d", i+1)
		}
		for _, f := range c.Media {
			m, err := b.stage.Gateway.Lend(b.opt.Files, f)
			if err != nil {
				return nil, fmt.Errorf("carillon.yaml: test.cases: %s: %w", s.name, err)
			}
			s.content.Media = append(s.content.Media, m)
		}
		out = append(out, s)
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, f := range b.stage.Manifest.Formats {
		out = append(out, sample{f.ID + "-text", social.Content{Format: f.ID, Text: tide, Languages: []string{"en"}}})
		if f.Media.Max > 0 && slices.Contains(f.Media.Kinds, social.Image) {
			m, err := b.stage.Gateway.Lend("", rehearsal.File{Alt: "Boats & nets"})
			if err != nil {
				return nil, err
			}
			out = append(out, sample{f.ID + "-image", social.Content{Format: f.ID, Text: tide, Media: []social.Media{m}, Languages: []string{"en"}}})
		}
	}
	return out, nil
}

// fresh is a sample's content with words of its own, so that the fake's objects
// can be told apart.
func (s sample) fresh() social.Content {
	c := s.content
	if c.Text != "" {
		c.Text += " " + strings.ToLower(rand.Text()[:8])
	}
	return c
}

// take begins an object with the first account.
func (b *bench) take(c social.Content) *rehearsal.Take {
	account, call, _ := b.stage.Account(0)
	return b.stage.Take(account, call, c)
}

// count is how many objects are live once nothing is under way.
func (b *bench) count(ctx context.Context) (int, error) {
	if err := b.stage.Proxy.Settle(ctx); err != nil {
		return 0, err
	}
	list, err := b.stage.Objects(ctx)
	return len(list), err
}

// counted is the plugin, and how many objects there are before it is asked.
func (b *bench) counted(ctx context.Context) (p rehearsalPlugin, before int, err error) {
	if p, err = b.plugin(ctx); err == nil {
		before, err = b.count(ctx)
	}
	return p, before, err
}

// exchangesOf joins the requests of some steps.
func exchangesOf(records []rehearsal.Record) []rehearsal.Exchange {
	var all []rehearsal.Exchange
	for _, r := range records {
		all = append(all, r.Exchanges...)
	}
	return all
}

// mutations are the requests that may change something and reached their host.
func mutations(list []rehearsal.Exchange) []rehearsal.Exchange {
	return slices.DeleteFunc(slices.Clone(list), func(e rehearsal.Exchange) bool { return !e.Mutates() || e.Refused })
}

// told describes a step's outcome for people.
func told(r rehearsal.Record) string {
	switch {
	case r.Step.Receipt != nil:
		return fmt.Sprintf("answered with a receipt for %q", r.Step.Receipt.Ref.ID)
	case r.Step.Next != nil:
		return fmt.Sprintf("asked for another step (commit: %t)", r.Step.Next.Commit)
	case r.Finding != nil:
		return fmt.Sprintf("answered %q", r.Finding.Verdict)
	case r.Fault != nil && r.Fault.Key == "plugin.broken":
		return fmt.Sprintf("broke off: %v", r.Err)
	case r.Fault != nil:
		return fmt.Sprintf("answered with the fault %s, %q: %s", r.Fault.Kind, r.Fault.Key, r.Fault.Message)
	}
	return fmt.Sprintf("failed: %v", r.Err)
}

// last is the final step.
func last(records []rehearsal.Record) rehearsal.Record { return records[len(records)-1] }

// outcome explains an object that is not published, nil if it is.
func outcome(t *rehearsal.Take, records []rehearsal.Record) error {
	if t.Phase == rehearsal.Published {
		return nil
	}
	r := last(records)
	if err := written(r.Fault); err != nil {
		return err
	}
	return broke("the object is published", "%s, and it is %s after %d steps", told(r), t.Phase, len(records)).with(exchangesOf(records))
}
