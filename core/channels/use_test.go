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

func TestTokensAreRenewedBeforeTheyExpire(t *testing.T) {
	for name, tc := range map[string]struct {
		life, age time.Duration
		want      int
	}{
		"fresh":                    {2 * time.Hour, time.Minute, 0},
		"in the last tenth":        {2 * time.Hour, 109 * time.Minute, 1},
		"just before it":           {2 * time.Hour, 107 * time.Minute, 0},
		"five minutes left":        {15 * time.Minute, 10 * time.Minute, 1},
		"a short life, first half": {4 * time.Minute, time.Minute, 0},
		"a short life, last half":  {4 * time.Minute, 2 * time.Minute, 1},
		"expired":                  {time.Hour, 3 * time.Hour, 1},
		"a life without end":       {0, 10_000 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			w.auth.life = tc.life
			ch := w.connected(w.who)
			w.clock.pass(tc.age)
			w.must(w.publish(ch.ID, true))
			if got := w.auth.refreshes(); got != tc.want {
				t.Errorf("%d renewals, want %d", got, tc.want)
			}
			if tc.want > 0 && w.net.last().Credential.AccessToken != canary+" access 1" {
				t.Error("the old token was used")
			}
		})
	}
}

func TestARefreshTokenIsNeverOverwrittenWithNothing(t *testing.T) {
	w := setup(t)
	w.auth.life, w.auth.keep = time.Hour, true
	ch := w.connected(w.who)
	for range 3 {
		w.clock.pass(time.Hour)
		w.must(w.publish(ch.ID, true))
	}
	if w.auth.refreshes() != 3 {
		t.Errorf("%d renewals", w.auth.refreshes())
	}
}

func TestAPluginsRenewalIsLaidOverTheOldOne(t *testing.T) {
	w := setup(t)
	w.net.manifest.Auth = social.Auth{Kind: social.AuthForm}
	done := social.Credential{AccessToken: "a", Secrets: map[string]string{"jwt": "1", "key": "k"}, Public: map[string]string{"did": "d"}, ExpiresAt: noon.Add(time.Hour)}
	w.net.connect = func(social.ConnectRequest) (social.ConnectStep, error) { return social.ConnectStep{Done: &done}, nil }
	c, err := w.Start(t.Context(), w.who, channels.StartRequest{Platform: "test.network", Input: map[string]string{"password": "x"}})
	w.must(err)
	w.net.refresh = func(call social.Call) (social.Credential, error) {
		return social.Credential{AccessToken: "b", Secrets: map[string]string{"jwt": "2", "key": ""}, ExpiresAt: noon.Add(3 * time.Hour)}, nil
	}
	w.clock.pass(time.Hour)
	w.must(w.publish(c.Channels[0], false))
	got := w.net.last().Credential
	if got.AccessToken != "b" || got.Secrets["jwt"] != "2" || got.Secrets["key"] != "k" || got.Public["did"] != "d" {
		t.Errorf("token %q, secrets %v, public %v", got.AccessToken, got.Secrets, got.Public)
	}
	w.net.refresh = func(social.Call) (social.Credential, error) { return social.Credential{}, nil }
	w.clock.pass(3 * time.Hour)
	if err := w.publish(c.Channels[0], false); kindOf(err) != social.Transient {
		t.Errorf("an empty renewal: %v", err)
	}
}

func TestManyCallsRenewOnce(t *testing.T) {
	w := setup(t)
	w.auth.life = time.Hour
	ch := w.connected(w.who)
	w.clock.pass(2 * time.Hour)
	services := []*channels.Service{w.Service, w.another(), w.another()}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			_, err := services[i%3].Publish(t.Context(), tenants.SystemScope(w.who.Tenant), ch.ID, social.PublishRequest{Commit: true})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.auth.refreshes(); got != 1 {
		t.Errorf("%d renewals", got)
	}
}

func TestWhoLeavesDoesNotLoseTheToken(t *testing.T) {
	w := setup(t)
	w.auth.life = time.Hour
	ch := w.connected(w.who)
	w.clock.pass(2 * time.Hour)
	w.auth.hold = make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = w.Publish(ctx, tenants.SystemScope(w.who.Tenant), ch.ID, social.PublishRequest{})
	}()
	w.auth.hold <- struct{}{} // the platform has the request
	leave()
	<-done
	w.auth.hold = nil
	w.must(w.publish(ch.ID, true))
	if got := w.auth.refreshes(); got != 1 || w.net.last().Credential.AccessToken != canary+" access 1" {
		t.Errorf("%d renewals", got)
	}
}

func TestADeadHoldersLeaseRunsOut(t *testing.T) {
	w := setup(t)
	w.auth.life = time.Hour
	ch := w.connected(w.who)
	w.clock.pass(59 * time.Minute)
	w.must(w.store.Update(t.Context(), w.who.Tenant, func(ctx context.Context, tx channels.Tx) error {
		_, ok, err := tx.Lease(ctx, ch.Grant, 1, time.Minute)
		if !ok {
			t.Error("no lease")
		}
		return err
	}))
	w.must(w.publish(ch.ID, true)) // the token still works, so nobody waits
	if w.auth.refreshes() != 0 {
		t.Error("renewed beside the holder")
	}
	w.clock.pass(time.Minute)
	w.must(w.publish(ch.ID, true))
	if w.auth.refreshes() != 1 {
		t.Errorf("%d renewals after the lease ran out", w.auth.refreshes())
	}
}

func TestTheSweepRenewsAndBacksOff(t *testing.T) {
	w := setup(t)
	w.auth.life = time.Hour
	ch := w.connected(w.who)
	system := tenants.SystemScope(w.who.Tenant)
	w.clock.pass(55 * time.Minute)
	due, err := w.Due(t.Context(), 10)
	w.must(err)
	if len(due) != 1 || due[0] != (channels.Due{Tenant: w.who.Tenant, Grant: ch.Grant}) {
		t.Fatalf("due: %v", due)
	}
	w.auth.fail = social.Fail(social.Transient, "oauth.unavailable", "Down.")
	if err := w.Renew(t.Context(), system, ch.Grant); kindOf(err) != social.Transient {
		t.Errorf("err = %v", err)
	}
	if due, _ := w.Due(t.Context(), 10); len(due) != 0 {
		t.Error("due again at once")
	}
	w.must(w.publish(ch.ID, true)) // the token still works
	got, err := w.Get(t.Context(), w.who, ch.ID)
	w.must(err)
	if got.State != channels.Connected || got.Health.Failures != 1 || got.Health.Problem != "oauth.unavailable" {
		t.Errorf("channel: %+v", got)
	}
	w.auth.fail = nil
	w.clock.pass(time.Minute)
	w.must(w.Renew(t.Context(), system, ch.Grant))
	w.must(w.Renew(t.Context(), system, ch.Grant)) // nothing to do
	journal, err := w.Renewals(t.Context(), w.who, ch.ID)
	w.must(err)
	if w.auth.refreshes() != 2 || len(journal) != 2 || journal[0].Outcome != "renewed" || journal[1].Outcome != "oauth.unavailable" {
		t.Errorf("%d asked, journal %+v", w.auth.refreshes(), journal)
	}
	w.must(w.Renew(t.Context(), system, channels.NewGrantID()))
}

func TestATokenThatNothingCanRenew(t *testing.T) {
	w := setup(t)
	w.net.manifest.Auth = social.Auth{Kind: social.AuthForm}
	w.net.manifest.Capabilities = nil
	w.net.connect = func(social.ConnectRequest) (social.ConnectStep, error) {
		return social.ConnectStep{Done: &social.Credential{AccessToken: canary}}, nil
	}
	c, err := w.Start(t.Context(), w.who, channels.StartRequest{Platform: "test.network", Input: map[string]string{"token": "x"}})
	w.must(err)
	w.net.answers = []error{authExpired()}
	if err := w.publish(c.Channels[0], true); kindOf(err) != social.AuthRevoked {
		t.Errorf("err = %v", err)
	}
	got, err := w.Get(t.Context(), w.who, c.Channels[0])
	w.must(err)
	if got.State != channels.NeedsReconnect || got.Reason != "auth.lapsed" {
		t.Errorf("channel: %+v", got)
	}
}

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
