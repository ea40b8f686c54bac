package channels_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/channels/channelstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

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

// A refresh token that works once is used up when the answer is there, so a
// database that is away just then must not cost the sign-in.
func TestARenewedTokenIsStoredOnceTheDatabaseIsBack(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want social.Kind
	}{
		"away":  {fault.New(fault.Unavailable, "database.unavailable", "Gone."), ""},
		"wrong": {fault.New(fault.Internal, "test.wrong", "Wrong."), social.FaultOf(fault.New(fault.Internal, "test.wrong", "Wrong."), false).Kind},
	} {
		t.Run(name, func(t *testing.T) {
			w := setup(t)
			w.auth.life = time.Hour
			ch := w.connected(w.who)
			w.clock.pass(time.Hour)
			w.Service = w.over(&away{Store: w.store, asked: w.auth.refreshes, times: 3, err: tc.err})
			if err := w.publish(ch.ID, true); kindOf(err) != tc.want {
				t.Fatalf("err = %v", err)
			}
			if tc.want == "" && (w.auth.refreshes() != 1 || w.net.last().Credential.AccessToken != canary+" access 1") {
				t.Errorf("%d renewals, token %q", w.auth.refreshes(), w.net.last().Credential.AccessToken)
			}
		})
	}
}

// away refuses the first changes after the platform was asked for a token.
type away struct {
	*channelstest.Store
	asked func() int
	times int
	err   error
}

func (a *away) Update(ctx context.Context, t tenants.ID, fn func(context.Context, channels.Tx) error) error {
	if a.asked() > 0 && a.times > 0 {
		a.times--
		return a.err
	}
	return a.Store.Update(ctx, t, fn)
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

func TestAWithdrawnGrantIsNotAskedForAgain(t *testing.T) {
	w := setup(t)
	w.auth.life = time.Hour
	ch := w.connected(w.who)
	w.clock.pass(55 * time.Minute)
	w.auth.fail = social.Fail(social.AuthRevoked, "oauth.invalid_grant", "The platform has withdrawn this sign-in.")
	if err := w.Renew(t.Context(), tenants.SystemScope(w.who.Tenant), ch.Grant); kindOf(err) != social.AuthRevoked {
		t.Errorf("err = %v", err)
	}
	w.clock.pass(24 * time.Hour)
	if due, err := w.Due(t.Context(), 10); err != nil || len(due) != 0 {
		t.Errorf("due: %v, %v", due, err)
	}
	got, err := w.Get(t.Context(), w.who, ch.ID)
	w.must(err)
	if got.State != channels.NeedsReconnect || got.Reason != "oauth.invalid_grant" {
		t.Errorf("channel: %+v", got)
	}
}
