// Package conformance holds a plugin to the contract from outside, whatever
// language it is written in.
//
// The plugin runs as it will in production, confined and under the real host,
// and talks to a fake of its platform through a proxy that spoils what it is
// told to. Where the host would mend or hide what is looked for, that is most of
// level 0 and all of level 4, it runs confined the same way without one. What
// counts is what the fake holds in the end and what the plugin claims, held
// against each other; how the plugin works is its own affair. Levels build on
// each other: 0 the process, 1 the happy path, 2 every way a request can go
// wrong, 3 the plugin killed at every point, 4 two tenants at once, 5 load.
// Start with Run; troubles.go has the table of faults.
package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// Top is the highest level.
const Top = 5

// Options are a plugin and how far to go.
type Options struct {
	rehearsal.Options
	Level int // 0 to Top
	Load  Load
	// Pause is the longest pause between two steps, whatever the plugin asks
	// for. Zero means 2 s: fakes run on this machine.
	Pause time.Duration
	// Only, if set, leaves out checks whose ID begins with none of these.
	// L1.publish is made all the same where a later level rests on it.
	Only []string
	// Progress hears of each result as it comes.
	Progress func(Result)
}

// Load is what level 5 does. Zero means 500 publications, 16 at once.
type Load struct{ Publications, AtOnce int }

// Status is what came of a check.
type Status string

// The statuses.
const (
	Passed     Status = "passed"
	Broken     Status = "failed"
	NotWritten Status = "not written" // the plugin says so itself: a fault with a key that ends in ".not_written"
	Untried    Status = "not tried"   // promised, or a level that was asked for, and nothing to try it with
	Skipped    Status = "skipped"     // it does not apply to this plugin
)

// Result is one check.
type Result struct {
	ID       string // "L2.publish.text.500", stable
	Level    int
	Title    string
	Status   Status
	Expected string // what the contract asks, if it failed
	Did      string // what the plugin did; why it was skipped
	// Exchanges are the requests of the check, if it failed.
	Exchanges []string
	Section   string // of docs/plugins/kit.md
	Took      time.Duration
}

// Report is a run.
type Report struct {
	Manifest social.Manifest
	Level    int
	Started  time.Time
	Took     time.Duration
	Results  []Result
	Figures  []Figure
}

// Figure is something measured.
type Figure struct{ Name, Value string }

// Failed lists the results that are not fine. What was asked for and could not
// be tried is among them: nothing is known of it.
func (r Report) Failed() []Result {
	var out []Result
	for _, one := range r.Results {
		if one.Status != Passed && one.Status != Skipped {
			out = append(out, one)
		}
	}
	return out
}

// Run holds the plugin to every level up to opt.Level. Its error is a plugin
// that cannot be tried at all; a plugin that fails is in the report.
func Run(ctx context.Context, opt Options) (Report, error) {
	opt.Pause = cmp.Or(opt.Pause, 2*time.Second)
	b := &bench{opt: opt, report: Report{Level: opt.Level, Started: time.Now()}}
	defer b.close()
	if err := b.open(ctx); err != nil {
		if !errors.Is(err, rehearsal.ErrPlugin) {
			return b.report, err
		}
		b.add(Result{ID: "L0.handshake", Title: "it starts and describes itself", Section: "the-process"},
			broke("a process that prints its handshake and answers Describe", "did not: %v", err))
		return b.report, nil
	}
	for level, run := range []func(context.Context, *bench){level0, level1, level2, level3, level4, level5} {
		if level > opt.Level || ctx.Err() != nil {
			break
		}
		if level > 0 && !b.ready(level) {
			break
		}
		run(ctx, b)
		b.shown(level)
	}
	b.report.Took = time.Since(b.report.Started)
	return b.report, ctx.Err()
}

// flaw is a broken promise.
type flaw struct {
	expected, did string
	exchanges     []rehearsal.Exchange
}

func (f *flaw) Error() string { return "expected " + f.expected + "; the plugin " + f.did }

// broke says what was expected and what the plugin did.
func broke(expected, format string, args ...any) *flaw {
	return &flaw{expected: expected, did: fmt.Sprintf(format, args...)}
}

// with adds the requests that show it.
func (f *flaw) with(e []rehearsal.Exchange) *flaw { f.exchanges = append(f.exchanges, e...); return f }

// skip is a check that does not apply.
type skip struct{ why string }

func (s skip) Error() string { return s.why }

// untried is a check that there is nothing to make with.
type untried struct{ why string }

func (u untried) Error() string { return u.why }

// unwritten is a part that the author has still to write.
type unwritten struct{ message string }

func (u unwritten) Error() string { return u.message }

// written looks for the plugin's own word that a part is not there yet.
func written(f *social.Fault) error {
	if f != nil && strings.HasSuffix(f.Key, ".not_written") {
		return unwritten{f.Message}
	}
	return nil
}

// record turns what a check returned into a result.
func record(r Result, err error) Result {
	var f *flaw
	var s skip
	var u unwritten
	var n untried
	switch {
	case err == nil:
		r.Status = Passed
	case errors.As(err, &s):
		r.Status, r.Did = Skipped, s.why
	case errors.As(err, &n):
		r.Status, r.Did = Untried, n.why
	case errors.As(err, &u):
		r.Status, r.Did = NotWritten, u.message
	case errors.As(err, &f):
		r.Status, r.Expected, r.Did = Broken, f.expected, f.did
		for _, e := range f.exchanges {
			r.Exchanges = append(r.Exchanges, e.String())
		}
	default:
		r.Status, r.Did = Broken, err.Error()
	}
	return r
}
