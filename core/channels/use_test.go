package channels_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

func kindOf(err error) social.Kind {
	var f *social.Fault
	if !errors.As(err, &f) {
		return ""
	}
	return f.Kind
}

func authExpired() error {
	return social.Fail(social.AuthExpired, "test.expired", "The token has expired.")
}

func TestPublishLendsTheCredential(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	w.must(w.publish(ch.ID, true))
	call := w.net.last()
	if call.Credential.AccessToken != canary+" access 0" || call.Credential.Public["instance"] != "example.org" {
		t.Error("the plugin did not get the credential")
	}
	if call.App["client_id"] == "" || strings.Contains(fmt.Sprint(call.App), canary) {
		t.Errorf("app: %v", call.App)
	}
	if call.Tenant == "" || strings.Contains(call.Tenant, string(w.who.Tenant)) {
		t.Errorf("the plugin knows the tenant as %q", call.Tenant)
	}
	if printed := fmt.Sprintf("%+v %#v", call, call); strings.Contains(printed, canary) {
		t.Errorf("a call prints its credential: %s", printed)
	}
}

// What each fault of a platform does to the channel and to the caller.
func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		commit  bool
		answers []error
		refresh error
		want    social.Kind
		calls   int // to the platform
		renewed int
		state   channels.State
	}{
		"success":                     {calls: 1, state: channels.Connected},
		"expired, then fine":          {answers: []error{authExpired()}, calls: 2, renewed: 1, state: channels.Connected},
		"expired twice":               {answers: []error{authExpired(), authExpired()}, want: social.AuthExpired, calls: 2, renewed: 1, state: channels.Connected},
		"a commit is not repeated":    {commit: true, answers: []error{authExpired()}, want: social.AuthExpired, calls: 1, renewed: 1, state: channels.Connected},
		"expired, renewal withdrawn":  {answers: []error{authExpired()}, refresh: social.Fail(social.AuthRevoked, "oauth.invalid_grant", "Gone."), want: social.AuthRevoked, calls: 1, renewed: 1, state: channels.NeedsReconnect},
		"commit, renewal withdrawn":   {commit: true, answers: []error{authExpired()}, refresh: social.Fail(social.AuthRevoked, "oauth.invalid_grant", "Gone."), want: social.AuthRevoked, calls: 1, renewed: 1, state: channels.NeedsReconnect},
		"expired, renewal down":       {answers: []error{authExpired()}, refresh: social.Fail(social.Transient, "oauth.unavailable", "Down."), want: social.Transient, calls: 1, renewed: 1, state: channels.Connected},
		"commit, renewal down":        {commit: true, answers: []error{authExpired()}, refresh: social.Fail(social.Transient, "oauth.unavailable", "Down."), want: social.AuthExpired, calls: 1, renewed: 1, state: channels.Connected},
		"expired, client refused":     {answers: []error{authExpired()}, refresh: social.Fail(social.Permission, "oauth.client_refused", "No."), want: social.Permission, calls: 1, renewed: 1, state: channels.Connected},
		"expired, garbage":            {answers: []error{authExpired()}, refresh: errors.New("garbage"), want: social.Transient, calls: 1, renewed: 1, state: channels.Connected},
		"revoked":                     {answers: []error{social.Fail(social.AuthRevoked, "test.revoked", "Gone.")}, want: social.AuthRevoked, calls: 1, state: channels.NeedsReconnect},
		"permission":                  {answers: []error{social.Fail(social.Permission, "test.scope", "No.")}, want: social.Permission, calls: 1, state: channels.Connected},
		"invalid":                     {answers: []error{social.Fail(social.Invalid, "test.invalid", "No.")}, want: social.Invalid, calls: 1, state: channels.Connected},
		"policy":                      {answers: []error{social.Fail(social.Policy, "test.policy", "No.")}, want: social.Policy, calls: 1, state: channels.Connected},
		"duplicate":                   {commit: true, answers: []error{social.Fail(social.Duplicate, "test.dup", "No.")}, want: social.Duplicate, calls: 1, state: channels.Connected},
		"not found":                   {answers: []error{social.Fail(social.NotFound, "test.gone", "No.")}, want: social.NotFound, calls: 1, state: channels.Connected},
		"unsupported":                 {answers: []error{social.Fail(social.Unsupported, "test.no", "No.")}, want: social.Unsupported, calls: 1, state: channels.Connected},
		"permanent":                   {answers: []error{social.Fail(social.Permanent, "test.no", "No.")}, want: social.Permanent, calls: 1, state: channels.Connected},
		"transient is not repeated":   {answers: []error{social.Fail(social.Transient, "test.503", "No.")}, want: social.Transient, calls: 1, state: channels.Connected},
		"a broken step is transient":  {answers: []error{errors.New("broken pipe")}, want: social.Transient, calls: 1, state: channels.Connected},
		"a broken commit is not":      {commit: true, answers: []error{errors.New("broken pipe")}, want: social.Ambiguous, calls: 1, state: channels.Connected},
		"a commit that ran out":       {commit: true, answers: []error{context.DeadlineExceeded}, want: social.Ambiguous, calls: 1, state: channels.Connected},
		"rate limited":                {answers: []error{social.Fail(social.RateLimited, "test.429", "Wait.")}, want: social.RateLimited, calls: 1, state: channels.Connected},
		"ambiguous comes through":     {commit: true, answers: []error{social.Fail(social.Ambiguous, "test.500", "?")}, want: social.Ambiguous, calls: 1, state: channels.Connected},
		"a made-up kind is ambiguous": {commit: true, answers: []error{social.Fail("odd", "test.odd", "?")}, want: social.Ambiguous, calls: 1, state: channels.Connected},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			ch := w.connected(w.who)
			before := w.net.count()
			w.net.answers, w.auth.fail = tc.answers, tc.refresh
			if got := kindOf(w.publish(ch.ID, tc.commit)); got != tc.want {
				t.Errorf("fault %q, want %q", got, tc.want)
			}
			if got := w.net.count() - before; got != tc.calls {
				t.Errorf("%d calls, want %d", got, tc.calls)
			}
			if got := w.auth.refreshes(); got != tc.renewed {
				t.Errorf("%d renewals, want %d", got, tc.renewed)
			}
			after, err := w.Get(t.Context(), w.who, ch.ID)
			w.must(err)
			if after.State != tc.state {
				t.Errorf("state %s, want %s", after.State, tc.state)
			}
			news := w.store.Events(w.who.Tenant)
			if told := news[len(news)-1].Type == channels.EventNeedsReconnect; told != (tc.state == channels.NeedsReconnect) {
				t.Errorf("events: %+v", news)
			}
		})
	}
}

func TestAWithdrawnChannelIsNotCalled(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	w.net.answers = []error{social.Fail(social.AuthRevoked, "test.revoked", "The account was closed.")}
	_ = w.publish(ch.ID, true)
	calls := w.net.count()
	err := w.publish(ch.ID, true)
	if kindOf(err) != social.AuthRevoked || w.net.count() != calls {
		t.Errorf("err = %v after %d more calls", err, w.net.count()-calls)
	}
	got, err := w.Get(t.Context(), w.who, ch.ID)
	w.must(err)
	if got.Reason != "test.revoked" || got.Remedy != "The account was closed. Connect this account again." {
		t.Errorf("%q: %q", got.Reason, got.Remedy)
	}
	if again := w.connected(w.who); again.ID != ch.ID || again.State != channels.Connected || again.Reason != "" {
		t.Errorf("connected again: %+v", again)
	}
	w.must(w.publish(ch.ID, true))
}

func TestAnOldTokensRefusalDoesNotDisconnect(t *testing.T) {
	w := setup(t)
	w.auth.life = 2 * time.Hour
	ch := w.connected(w.who)
	// While this call is out, another process renews the grant.
	w.net.answers = []error{during(func() {
		w.clock.pass(115 * time.Minute)
		w.must(w.another().Renew(t.Context(), tenants.SystemScope(w.who.Tenant), ch.Grant))
	}, social.Fail(social.AuthRevoked, "test.revoked", "Gone."))}
	if got := kindOf(w.publish(ch.ID, true)); got != social.AuthExpired {
		t.Errorf("fault %q, want one that repeats", got)
	}
	after, err := w.Get(t.Context(), w.who, ch.ID)
	w.must(err)
	if after.State != channels.Connected {
		t.Errorf("state %s", after.State)
	}
}

// during is an error that makes something happen when it is looked at first.
func during(fn func(), err error) error { return &lateError{fn: sync.OnceFunc(fn), error: err} }

type lateError struct {
	error
	fn func()
}

func (e *lateError) Unwrap() error { e.fn(); return e.error }

func TestWhatAChannelCannotDo(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	system := tenants.SystemScope(w.who.Tenant)
	if _, err := w.Find(t.Context(), system, ch.ID, social.FindRequest{}); err != nil {
		t.Error(err)
	}
	if _, err := w.Metrics(t.Context(), system, ch.ID, nil); err != nil {
		t.Error(err)
	}
	w.net.manifest.Capabilities = nil
	if _, err := w.Find(t.Context(), system, ch.ID, social.FindRequest{}); kindOf(err) != social.Unsupported {
		t.Errorf("find: %v", err)
	}
	if _, err := w.Metrics(t.Context(), system, ch.ID, nil); kindOf(err) != social.Unsupported {
		t.Errorf("metrics: %v", err)
	}
	if _, err := w.Publish(t.Context(), tenants.SystemScope(w.person().Tenant), ch.ID, social.PublishRequest{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("their channel: %v", err)
	}
}

// Whatever goes wrong before a commit is handed to the plugin is known not to
// have been sent: nothing about it is in doubt.
func TestACommitThatNeverLeftIsNotInDoubt(t *testing.T) {
	down := errors.New("connection refused")
	for name, tc := range map[string]struct {
		prepare func(w *world, id *channels.ID)
		want    social.Kind
	}{
		"the policy is away":     {func(w *world, _ *channels.ID) { w.Authz = denying{down} }, social.Transient},
		"the database is away":   {func(w *world, _ *channels.ID) { w.Store = failing{w.store, down} }, social.Transient},
		"it may not":             {func(w *world, _ *channels.ID) { w.Authz = denying{fault.New(fault.Forbidden, "x", "No.")} }, social.Permission},
		"not in the plan":        {func(w *world, _ *channels.ID) { w.Authz = denying{fault.New(fault.Quota, "x", "No.")} }, social.Permission},
		"there is no channel":    {func(_ *world, id *channels.ID) { *id = channels.NewID() }, social.NotFound},
		"the plugin is missing":  {func(w *world, _ *channels.ID) { w.net.manifest.ID = "another" }, social.Transient},
		"the key has changed":    {func(w *world, _ *channels.ID) { w.Sealer = blind{} }, social.Transient},
		"a renewal is in doubt":  {renewing(social.Ambiguous), social.Transient},
		"a renewal is repeated":  {renewing(social.Duplicate), social.Transient},
		"a renewal says rubbish": {renewing("odd"), social.Transient},
		"a renewal is refused":   {renewing(social.AuthRevoked), social.AuthRevoked},
		"its allowances are away": {func(w *world, _ *channels.ID) {
			w.net.manifest.Quotas = []social.Quota{{ID: "publish", Scope: social.ScopeApp, Limit: 1, Window: time.Hour}}
			w.Store = failing{w.store, nil}
		}, social.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			w.auth.life = 2 * time.Hour
			id := w.connected(w.who).ID
			calls := w.net.count()
			tc.prepare(w, &id)
			err := w.publish(id, true)
			if got := social.FaultOf(err, true); err == nil || got.Kind != tc.want {
				t.Errorf("%s: %v, want %s", got.Kind, err, tc.want)
			}
			if w.net.count() != calls {
				t.Error("the platform was called")
			}
		})
	}
}

func TestACommitWithoutTimeIsNotSent(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	calls := w.net.count()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.Publish(ctx, tenants.SystemScope(w.who.Tenant), ch.ID, social.PublishRequest{Commit: true})
	if kindOf(err) != social.Transient || w.net.count() != calls {
		t.Errorf("err = %v after %d calls", err, w.net.count()-calls)
	}
}

// renewing lets the token run out and its renewal fail.
func renewing(kind social.Kind) func(*world, *channels.ID) {
	return func(w *world, _ *channels.ID) {
		w.clock.pass(3 * time.Hour)
		w.auth.fail = social.Fail(kind, "test.renewal", "No.")
	}
}

// denying answers every question with its error.
type denying struct{ err error }

func (d denying) Allow(context.Context, tenants.Scope, tenants.Action) error { return d.err }

// failing cannot be read, or, without an error of its own, has no app quotas.
type failing struct {
	channels.Store
	err error
}

func (f failing) View(ctx context.Context, t tenants.ID, fn func(context.Context, channels.Tx) error) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.View(ctx, t, fn)
}

func (f failing) Look(ctx context.Context, t tenants.ID, id channels.ID) (*channels.Channel, *channels.Grant, []channels.Refusal, error) {
	if f.err != nil {
		return nil, nil, nil, f.err
	}
	return f.Store.Look(ctx, t, id)
}

func (failing) SpendApp(context.Context, string, []channels.Claim) (*channels.Refusal, error) {
	return nil, errors.New("connection refused")
}

// blind opens nothing.
type blind struct{ channels.Sealer }

func (blind) Open(context.Context, tenants.ID, string, []byte) ([]byte, error) {
	return nil, fault.New(fault.Internal, "vault.sealed", "No.")
}
