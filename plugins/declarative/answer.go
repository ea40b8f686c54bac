package declarative

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// What a fault tells of the platform's words.
const (
	maxUpstream = 2 << 10
	maxMessage  = 300
	longestWait = 24 * time.Hour
)

// succeeded reports whether an answer is a success, by the request's own word
// or the file's.
func (c *call) succeeded(r *Request, got *reply) bool {
	if got.status < 200 || got.status > 299 {
		return false
	}
	if r.OK.set() {
		return r.OK.holds(c.scope, false)
	}
	return c.file.OK.holds(c.scope, true)
}

// refused gives an answer that is no success its meaning.
func (c *call) refused(r *Request, got *reply, commit bool) *social.Fault {
	for _, rules := range [][]Rule{r.Faults, c.file.Faults} {
		for i := range rules {
			if rule := &rules[i]; rule.Status.match(got.status) && rule.When.holds(c.scope, true) {
				return c.fault(rule, got, commit)
			}
		}
	}
	f := sdk.Refusal(&http.Response{StatusCode: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body))}, commit, c.short+".refused")
	f.Message = c.file.Name + " did not take this request."
	if got.status >= 500 || !f.Kind.Refused() || f.Kind == social.Transient {
		f.Key, f.Message = c.short+".odd_answer", c.file.Name+" gave an unclear answer."
	}
	f.Upstream = c.redact(f.Upstream, maxUpstream)
	return f
}

// unclear reports whether a status leaves open if a commit was applied, unless
// the platform documents otherwise.
func unclear(status int) bool {
	return status < 400 || status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooEarly
}

func (c *call) fault(rule *Rule, got *reply, commit bool) *social.Fault {
	kind := social.Kind(rule.Kind)
	if readable := got.status < 300 && c.scope.Answer != nil; commit && !rule.SurelyRefused && !readable && unclear(got.status) {
		kind = social.Ambiguous
	}
	f := social.Fail(kind, c.short+"."+rule.Key, "%s", c.redact(rule.Message.or(c.scope, c.file.Name+" did not take this request."), maxMessage))
	f.HTTPStatus, f.Missing = got.status, rule.Missing
	f.Upstream = c.redact(string(got.body), maxUpstream)
	if rule.Field != "" {
		f.Violations = []fault.Violation{{Field: rule.Field, Reason: f.Key, Message: f.Message}}
	}
	if kind == social.RateLimited || kind == social.Transient {
		f.RetryAfter = c.wait(rule, got, kind)
	}
	if kind == social.RateLimited {
		f.Scope = social.ScopeAccount
		if rule.Scope != "" {
			f.Scope = social.QuotaScope(rule.Scope)
		}
	}
	return f
}

// wait is what the rule reads in the answer, or the header Retry-After, or a
// minute for a limit.
func (c *call) wait(rule *Rule, got *reply, kind social.Kind) time.Duration {
	if seconds := rule.RetryAfter.number(c.scope); seconds > 0 {
		return min(max(time.Duration(min(seconds, longestWait.Seconds())*float64(time.Second)), time.Second), longestWait)
	}
	plain := sdk.Refusal(&http.Response{StatusCode: got.status, Header: got.header, Body: http.NoBody}, false, "")
	if plain.RetryAfter == 0 && kind == social.RateLimited {
		return time.Minute
	}
	return plain.RetryAfter
}

// odd is the fault of a success that cannot be read.
func (c *call) odd(got *reply, commit bool) *social.Fault {
	kind, message := social.Transient, c.file.Name+" gave an unclear answer."
	if commit {
		kind, message = social.Ambiguous, c.file.Name+" gave an unclear answer. The post may or may not be there."
	}
	f := social.Fail(kind, c.short+".odd_answer", "%s", message)
	f.HTTPStatus, f.Upstream = got.status, c.redact(string(got.body), maxUpstream)
	return f
}

// turnedAway is the first refusal that holds.
func (c *call) turnedAway(list []Refusal) error {
	for i := range list {
		r := &list[i]
		if !r.When.holds(c.scope, false) {
			continue
		}
		kind := social.Kind(r.Kind)
		if kind == "" {
			kind = social.Invalid
		}
		f := social.Fail(kind, c.short+"."+r.Key, "%s", c.redact(r.Message.or(c.scope, "This cannot be posted here."), maxMessage))
		f.Source = social.FromPlugin
		if r.Field != "" {
			f.Violations = []fault.Violation{{
				Field: r.Field, Reason: f.Key, Message: f.Message, Limit: float64(r.Limit), Actual: r.Actual.number(c.scope),
			}}
		}
		return f
	}
	return nil
}
