package conformance

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/ports/social"
)

// trouble is one way in which a request goes wrong, and what that may mean.
type trouble struct {
	id      string
	what    string
	action  rehearsal.Action
	prepare []social.Kind // what it may be called before the commit
	commit  []social.Kind // and in it
	slow    bool          // the call gets a short deadline
}

// The kinds that some answers may be called.
var (
	signIn   = []social.Kind{social.AuthExpired, social.AuthRevoked}
	forbid   = []social.Kind{social.Permission, social.Policy, social.AuthRevoked, social.Permanent}
	missing  = []social.Kind{social.NotFound, social.Permanent, social.Invalid}
	invalid  = []social.Kind{social.Invalid, social.Policy, social.Permanent}
	limited  = []social.Kind{social.RateLimited}
	doubtful = []social.Kind{social.Ambiguous}
	harmless = []social.Kind{social.Transient}
	unsent   = []social.Kind{social.Ambiguous, social.Transient}
	known    = []social.Kind{social.Duplicate, social.Ambiguous}
)

// retryAfter is what a spoiled 429 asks for.
const retryAfter = 7 * time.Second

// troubles is the table. An answer that comes from the proxy says nothing about
// what the platform did, unless its status does.
func (b *bench) troubles() []trouble {
	refuse := func(name string, status int, forward bool) rehearsal.Action {
		return rehearsal.Action{Name: "answered " + name, Forward: forward, Answer: b.words(name, status)}
	}
	return []trouble{
		{"401", "the platform answers 401", refuse("401", 401, false), signIn, signIn, false},
		{"403", "the platform answers 403", refuse("403", 403, false), forbid, forbid, false},
		{"404", "the platform answers 404", refuse("404", 404, false), missing, missing, false},
		{"422", "the platform answers 422", refuse("422", 422, false), invalid, invalid, false},
		{"429", "the platform answers 429 with Retry-After", refuse("429", 429, false), limited, limited, false},
		{"500", "the platform applies it and answers 500", refuse("500", 500, true), harmless, doubtful, false},
		{"503", "the platform answers 503", refuse("503", 503, false), harmless, doubtful, false},
		{"garbled", "the platform applies it and the answer is nonsense", rehearsal.Action{
			Name: "answered with nonsense", Forward: true,
			Answer: &rehearsal.Answer{Status: 200, Header: map[string]string{"Content-Type": "text/html"}, Body: "<html>Bad gateway"},
		}, harmless, doubtful, false},
		{"reset-before", "the connection is reset before the body is read", rehearsal.Action{Name: "reset before the body", Cut: rehearsal.BeforeBody}, harmless, unsent, false},
		{"reset-after", "the platform applies it and the connection is reset", rehearsal.Action{Name: "reset after the body", Forward: true, Cut: rehearsal.AfterBody}, harmless, doubtful, false},
		{"stall", "the platform applies it and never answers", rehearsal.Action{Name: "never answered", Forward: true, Stall: true}, harmless, doubtful, true},
		{"duplicate", "the platform applies it and answers that it was there already", refuse("duplicate", 409, true), nil, known, false},
	}
}

// words is how this platform says it.
func (b *bench) words(name string, status int) *rehearsal.Answer {
	a := rehearsal.Answer{Status: status, Body: fmt.Sprintf(`{"error":%q,"message":"refused by the test suite"}`, name)}
	if own, ok := b.stage.Settings.Answers[name]; ok {
		a = rehearsal.Answer{Status: cmp.Or(own.Status, status), Body: own.Body, Header: maps.Clone(own.Header)}
	}
	if a.Header == nil {
		a.Header = map[string]string{}
	}
	if name == "429" && len(b.stage.Settings.Answers[name].Header) == 0 { // else the platform has its own way to say when
		a.Header["Retry-After"] = fmt.Sprint(int(retryAfter.Seconds()))
	}
	return &a
}

// naming is an answer that names the object with that text where the project
// has {id}: some platforms say which one is there already.
func (b *bench) naming(ctx context.Context, a *rehearsal.Answer, text string) *rehearsal.Answer {
	list, err := b.stage.Objects(ctx)
	if err != nil || len(list) == 0 {
		return a
	}
	there := list[len(list)-1]
	if i := slices.IndexFunc(list, func(o rehearsal.Object) bool { return o.Text == text }); i >= 0 {
		there = list[i]
	}
	out := *a
	out.Body, out.Header = strings.ReplaceAll(a.Body, "{id}", there.ID), map[string]string{}
	for k, v := range a.Header {
		out.Header[k] = strings.ReplaceAll(v, "{id}", there.ID)
	}
	return &out
}

// asksFor is the time to wait that a spoiled 429 names in Retry-After, if it does.
func (t trouble) asksFor() time.Duration {
	if t.id != "429" || t.action.Answer == nil {
		return 0
	}
	seconds, _ := strconv.Atoi(t.action.Answer.Header["Retry-After"]) // a date, or none: 0
	return time.Duration(seconds) * time.Second
}
