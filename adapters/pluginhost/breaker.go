package pluginhost

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// When a breaker opens. A platform counts as down only if several accounts see
// it, and of several tenants: one account's trouble is its own, and nobody can
// close a platform to others. Of an AI vendor each model counts by itself, and of
// its failures none counts for the vendor: what is down may be that model alone.
const (
	failuresToOpen = 5
	accountsToOpen = 3
	tenantsToOpen  = 2
	failureMemory  = time.Minute // failures further apart are no series
	firstOpen      = 5 * time.Second
	maxOpen        = 2 * time.Minute
	maxQuotaOpen   = time.Hour
	maxBreakers    = 4096
)

// Scope is what a breaker protects.
type Scope string

// The scopes of breakers.
const (
	OfPlatform Scope = "platform" // or one instance of it
	OfAccount  Scope = "account"
	OfModel    Scope = "model" // for everybody, or for one tenant
	OfQuota    Scope = "quota"
)

// A Breaker is one that refuses calls.
type Breaker struct {
	Scope   Scope
	Subject string // the instance, if the platform has many; the tenant's pseudonym and account; the model, perhaps after a tenant; whose quota
	Until   time.Time
}

// breakers spare a platform that is down, and those who wait for it, calls
// that would fail. They are this process's own. Quotas that hold for every
// process are counted elsewhere; what is noted here is only what this process
// was told just now.
type breakers struct {
	off bool
	now func() time.Time

	mu     sync.Mutex
	open   map[key]*breaker
	quotas map[quota]quotaOpen
}

type key struct {
	scope    Scope
	instance string
	account  string // with tenant; empty for everybody
	model    string
}

type quota struct {
	kind, scope, subject, model string
}

type quotaOpen struct {
	until time.Time
	scope social.QuotaScope
}

type breaker struct {
	failures int
	accounts map[string]bool // that failed in this series
	tenants  map[string]bool // whose they are
	last     time.Time
	rest     time.Duration // 0: closed
	until    time.Time
	trying   bool // the one call of a half-open breaker is under way
}

// health is what a call says of the platform.
type health int

const (
	silent  health = iota // nothing: the platform was not asked, or did not get to answer
	answers               // it answered, be it with a refusal
	fails                 // it did not, or with an error of its own
)

func newBreakers(now func() time.Time) *breakers {
	return &breakers{now: now, open: map[key]*breaker{}, quotas: map[quota]quotaOpen{}}
}

// ticket is one call's way through the breakers.
type ticket struct {
	b        *breakers
	r        request
	platform key        // or the model, for everybody
	account  key        // or the model, for the tenant
	tries    []*breaker // the half-open ones that it decides
}

// admit lets a call through or says when to come back. A lookup always passes:
// an outcome in doubt has to be found out. done is called when it is over.
func (b *breakers) admit(r request, instance string) (*ticket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := &ticket{b: b, r: r, platform: key{scope: OfPlatform, instance: instance}}
	switch {
	case r.model != "":
		t.platform = key{OfModel, instance, "", r.model}
		t.account = key{OfModel, instance, r.call.Tenant, r.model}
	case r.account != "":
		t.account = key{OfAccount, instance, r.call.Tenant + " " + r.account, ""}
	}
	if b.off || r.method == "find" {
		return t, nil
	}
	if f := b.limited(r, instance); f != nil {
		return nil, f
	}
	for _, k := range []key{t.platform, t.account} {
		br := b.open[k]
		if br == nil || br.rest == 0 {
			continue
		}
		if wait := br.until.Sub(b.now()); wait > 0 || br.trying {
			return nil, refusal(k, max(wait, time.Second))
		}
		t.tries = append(t.tries, br)
	}
	for _, br := range t.tries {
		br.trying = true
	}
	return t, nil
}

// refusal is the fault of a call that an open breaker refused.
func refusal(k key, wait time.Duration) *social.Fault {
	f := social.Fail(social.Transient, "platform.down", "This platform does not answer at the moment.")
	if k.account != "" {
		f = social.Fail(social.Transient, "platform.account_failing", "This platform does not answer for this account at the moment.")
	}
	if k.model != "" {
		f.Message = "This model does not answer at the moment."
	}
	f.Source, f.RetryAfter = social.FromNetwork, wait
	return f
}

// done notes how the call went.
func (t *ticket) done(h health, err error) {
	b := t.b
	if b.off {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, br := range t.tries {
		br.trying = false
	}
	b.learnQuota(t, err)
	for _, k := range []key{t.platform, t.account} {
		if k.scope == "" || h == silent {
			continue
		}
		if h == answers {
			delete(b.open, k)
			continue
		}
		b.failed(k, t)
	}
}

// failed counts a failure and opens the breaker when it is one of a series.
func (b *breakers) failed(k key, t *ticket) {
	now, br := b.now(), b.open[k]
	if br == nil {
		if !b.room() {
			return
		}
		br = &breaker{accounts: map[string]bool{}, tenants: map[string]bool{}}
		b.open[k] = br
	}
	switch {
	case br.rest > 0 && slices.Contains(t.tries, br):
		br.rest = min(2*br.rest, maxOpen)
		br.until = now.Add(br.rest)
		return
	case br.rest > 0: // sent before it opened
		return
	case now.Sub(br.last) > failureMemory:
		br.failures = 0
		clear(br.accounts)
		clear(br.tenants)
	}
	br.failures, br.last = br.failures+1, now
	br.accounts[cmp.Or(t.account.account, t.r.call.Tenant)], br.tenants[t.r.call.Tenant] = true, true
	many := len(br.accounts) >= accountsToOpen && len(br.tenants) >= tenantsToOpen
	if br.failures >= failuresToOpen && (k.account != "" || many) {
		br.rest = firstOpen
		br.until = now.Add(br.rest)
	}
}

// room reports whether there is room for one more, after dropping what is stale.
func (b *breakers) room() bool {
	if len(b.open) < maxBreakers {
		return true
	}
	for k, br := range b.open {
		if b.now().Sub(br.last) > failureMemory && b.now().After(br.until) {
			delete(b.open, k)
		}
	}
	return len(b.open) < maxBreakers
}

// refusing lists the breakers that are open.
func (b *breakers) refusing() (out []Breaker) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for k, br := range b.open {
		if br.rest > 0 {
			subject := cmp.Or(k.account, k.instance)
			out = append(out, Breaker{k.scope, strings.TrimSpace(subject + " " + k.model), br.until})
		}
	}
	for q, o := range b.quotas {
		if o.until.After(now) {
			out = append(out, Breaker{OfQuota, strings.TrimSpace(q.scope + q.subject + " " + q.model), o.until})
		}
	}
	slices.SortFunc(out, func(x, y Breaker) int {
		return cmp.Or(cmp.Compare(x.Scope, y.Scope), cmp.Compare(x.Subject, y.Subject))
	})
	return out
}

// healthOf reads a call's outcome. asked says whether the plugin is known to
// have made a request in it.
func healthOf(err error, asked bool) health {
	if err == nil {
		if asked {
			return answers
		}
		return silent
	}
	f := social.FaultOf(err, false)
	down := f.Source == social.FromNetwork || f.HTTPStatus >= 500
	switch {
	case f.Source == social.FromPlugin:
		return silent
	case (f.Kind == social.Transient || f.Kind == social.Ambiguous) && down:
		return fails
	case f.Source == social.FromPlatform:
		return answers
	}
	return silent
}
