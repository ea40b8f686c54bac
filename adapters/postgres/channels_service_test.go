package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/oauth"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

const channelCanary = "CANARY"

// issuer is an authorization server whose refresh tokens work once.
type issuer struct {
	*httptest.Server
	refreshes atomic.Int64
	replays   atomic.Int64
	mu        sync.Mutex
	current   string
	life      time.Duration
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{life: time.Hour}
	i.Server = httptest.NewServer(http.HandlerFunc(i.answer))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) answer(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.FormValue("grant_type") == "refresh_token" {
		if r.FormValue("refresh_token") != i.current {
			i.replays.Add(1)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
			return
		}
		i.refreshes.Add(1)
	}
	i.current = fmt.Sprintf("%s refresh %d", channelCanary, i.refreshes.Load())
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": fmt.Sprintf("%s access %d", channelCanary, i.refreshes.Load()), "refresh_token": i.current,
		"expires_in": int(i.life.Seconds()), "token_type": "Bearer",
	})
}

// practice is a platform that takes everything.
type practice struct {
	at     string
	tokens sync.Map
}

func (p *practice) Manifest() social.Manifest {
	return social.Manifest{
		ID: "test.practice", Name: "Practice", Capabilities: []social.Capability{social.CanAccounts},
		Auth: social.Auth{Kind: social.AuthOAuth2, OAuth2: &social.OAuth2{
			AuthorizeURL: p.at + "/authorize", TokenURL: p.at + "/token", PKCE: true, SingleUseRefresh: true,
		}},
		Quotas:  []social.Quota{{ID: "publish", Scope: social.ScopeAccount, Limit: 1000, Window: time.Hour}},
		Formats: []social.Format{{ID: "post"}},
	}
}

func (p *practice) Publish(_ context.Context, req social.PublishRequest) (social.Step, error) {
	p.tokens.Store(req.Call.Credential.AccessToken, true)
	return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: "1"}}}, nil
}

func (p *practice) Accounts(context.Context, social.Call) ([]social.Account, error) {
	return []social.Account{{ID: "1", Handle: "@ann"}}, nil
}

func (p *practice) List(context.Context) []social.Manifest { return []social.Manifest{p.Manifest()} }

func (p *practice) Platform(_ context.Context, id string) (social.Platform, error) {
	if id != "test.practice" {
		return nil, fault.New(fault.NotFound, "plugin.unknown", "There is no such platform here.")
	}
	return p, nil
}

// channelAnyone lets everybody do everything.
type channelAnyone struct{}

func (channelAnyone) Allow(context.Context, tenants.Scope, tenants.Action) error { return nil }

func (channelAnyone) Resolve(_ context.Context, user tenants.UserID, t tenants.ID) (tenants.Scope, error) {
	return tenants.Scope{Tenant: t, User: user, Role: tenants.Manager}, nil
}

// channelProcess is a Service as one process has it: own pools, own caches.
func channelProcess(t *testing.T, db *postgres.DB, p *practice, now func() time.Time) *channels.Service {
	t.Helper()
	kek := []byte("0123456789abcdef0123456789abcdef")
	sealer := vault.NewEnvelope(db.DataKeys(), vault.Single(kek), now)
	return channels.New(channels.Deps{
		Store: db.Channels(), Plugins: p, OAuth: oauth.New(http.DefaultClient, now), Sealer: sealer,
		Members: channelAnyone{}, Authz: channelAnyone{}, Now: now,
	}, channels.Config{CallbackURL: "https://carillon.example/callback", PseudonymKey: kek})
}

// signIn connects the practice account for a new workspace.
func signIn(t *testing.T, db *postgres.DB, s *channels.Service) (tenants.Scope, channels.ID) {
	t.Helper()
	ctx := t.Context()
	tenant := postgrestest.Tenant(t, db)
	who := tenants.Scope{Tenant: tenant, User: postgrestest.Member(t, db, tenant, tenants.Manager), Role: tenants.Manager}
	app := channels.AppSettings{Platform: "test.practice", ClientID: "client", ClientSecret: channelCanary + " client"}
	if err := s.SetApp(ctx, who, app); err != nil {
		t.Fatal(err)
	}
	c, err := s.Start(ctx, who, channels.StartRequest{Platform: "test.practice"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(c.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	c, err = s.Callback(ctx, c.Binding, u.Query().Get("state"), map[string]string{"code": channelCanary + " code"})
	if err != nil || c.Stage != channels.Done {
		t.Fatalf("%+v, %v", c, err)
	}
	return who, c.Channels[0]
}

// Two processes with forty calls at once ask the token endpoint once.
func TestParallelRenewalAsksOnce(t *testing.T) {
	db := postgrestest.Open(t)
	iss := newIssuer(t)
	p := &practice{at: iss.URL}
	who, id := signIn(t, db, channelProcess(t, db, p, time.Now))
	later := func() time.Time { return time.Now().Add(2 * time.Hour) } // the token has expired
	iss.life = 10 * time.Hour
	services := []*channels.Service{channelProcess(t, db, p, later), channelProcess(t, postgrestest.Another(t), p, later)}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			_, err := services[i%2].Publish(t.Context(), tenants.SystemScope(who.Tenant), id, social.PublishRequest{Commit: true})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if iss.refreshes.Load() != 1 || iss.replays.Load() != 0 {
		t.Errorf("%d renewals, %d replays", iss.refreshes.Load(), iss.replays.Load())
	}
	for token, want := range map[string]bool{channelCanary + " access 0": false, channelCanary + " access 1": true} {
		if _, used := p.tokens.Load(token); used != want {
			t.Errorf("%s used: %v", token, used)
		}
	}
	journal, err := services[0].Renewals(t.Context(), who, id)
	if err != nil || len(journal) != 1 || journal[0].Outcome != "renewed" {
		t.Errorf("journal %+v, %v", journal, err)
	}
}

// A process that dies with the lease holds the others up no longer than that.
func TestADeadProcessesLeaseIsTakenOver(t *testing.T) {
	db := postgrestest.Open(t)
	iss := newIssuer(t)
	p := &practice{at: iss.URL}
	who, id := signIn(t, db, channelProcess(t, db, p, time.Now))
	ch, err := channelProcess(t, db, p, time.Now).Get(t.Context(), who, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Channels().Update(t.Context(), who.Tenant, func(ctx context.Context, tx channels.Tx) error {
		_, _, err := tx.Lease(ctx, ch.Grant, 1, 300*time.Millisecond)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s := channelProcess(t, db, p, func() time.Time { return time.Now().Add(2 * time.Hour) })
	if _, err := s.Publish(t.Context(), tenants.SystemScope(who.Tenant), id, social.PublishRequest{Commit: true}); err != nil {
		t.Fatal(err)
	}
	if n := iss.refreshes.Load(); n != 1 {
		t.Errorf("%d renewals", n)
	}
	journal, err := s.Renewals(t.Context(), who, id)
	if err != nil || len(journal) != 2 || !journal[1].EndedAt.IsZero() {
		t.Errorf("journal %+v, %v", journal, err)
	}
}

// Nothing secret is readable in any row, or in what a secret is bound to.
func TestSecretsAreSealedInEveryTable(t *testing.T) {
	db := postgrestest.Open(t)
	iss := newIssuer(t)
	p := &practice{at: iss.URL}
	s := channelProcess(t, db, p, time.Now)
	who, id := signIn(t, db, s)
	if _, err := s.Start(t.Context(), who, channels.StartRequest{Platform: "test.practice"}); err != nil {
		t.Fatal(err)
	}
	late := channelProcess(t, db, p, func() time.Time { return time.Now().Add(2 * time.Hour) })
	if _, err := late.Publish(t.Context(), tenants.SystemScope(who.Tenant), id, social.PublishRequest{Commit: true}); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), postgrestest.Of(t, db).Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, table := range []string{
		"channels", "channel_grants", "channel_connections", "channel_apps", "channel_renewals", "tenant_keys", "channel_quotas", "events",
	} {
		var text string
		query := "select coalesce(string_agg(to_jsonb(t)::text, ' '), '') from " + pgx.Identifier{table}.Sanitize() + " t where tenant_id = $1"
		if err := conn.QueryRow(t.Context(), query, who.Tenant).Scan(&text); err != nil {
			t.Fatal(err)
		}
		if text == "" {
			t.Errorf("%s is empty", table)
		}
		for _, form := range []string{channelCanary, fmt.Sprintf("%x", channelCanary)} {
			if strings.Contains(text, form) {
				t.Errorf("%s holds a secret in the clear", table)
			}
		}
	}
}

// A credential that is moved to another tenant's row opens nothing there.
func TestAMovedCredentialOpensNothing(t *testing.T) {
	db := postgrestest.Open(t)
	p := &practice{at: newIssuer(t).URL}
	s := channelProcess(t, db, p, time.Now)
	us, ours := signIn(t, db, s)
	them, theirs := signIn(t, db, s)
	postgrestest.Exec(t, db, `update channel_grants set sealed = (select sealed from channel_grants where tenant_id = $1) where tenant_id = $2`, us.Tenant, them.Tenant)
	if _, err := s.Publish(t.Context(), tenants.SystemScope(us.Tenant), ours, social.PublishRequest{}); err != nil {
		t.Error(err)
	}
	_, err := s.Publish(t.Context(), tenants.SystemScope(them.Tenant), theirs, social.PublishRequest{})
	if f := fault.Of(err); f == nil || f.Reason != "vault.sealed" {
		t.Errorf("err = %v", err)
	}
}

func TestRotatingTheMasterKey(t *testing.T) {
	db := postgrestest.Open(t)
	ctx := t.Context()
	us := postgrestest.Tenant(t, db)
	first, second := []byte("0123456789abcdef0123456789abcdef"), make([]byte, vault.KeySize)
	envelope := func(current int, masters map[int][]byte) *vault.Envelope {
		r, err := vault.NewRing(current, masters)
		if err != nil {
			t.Fatal(err)
		}
		return vault.NewEnvelope(db.DataKeys(), r, time.Now)
	}
	sealed, err := envelope(1, map[int][]byte{1: first}).Seal(ctx, us, "t/r/c/1", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := envelope(2, map[int][]byte{1: first, 2: second}).Rotate(ctx, nil); err != nil || n == 0 {
		t.Fatalf("%d keys, %v", n, err)
	}
	alone := envelope(2, map[int][]byte{2: second})
	if plain, err := alone.Open(ctx, us, "t/r/c/1", sealed); err != nil || string(plain) != "secret" {
		t.Errorf("%q, %v", plain, err)
	}
}

// A tenant that is erased gets no further keys, and a key that is retired wraps
// nothing more, whichever process still has it.
func TestKeysThatAreGoneStayGone(t *testing.T) {
	db := postgrestest.Open(t)
	ctx := t.Context()
	us, them := postgrestest.Tenant(t, db), postgrestest.Tenant(t, db)
	e := vault.NewEnvelope(db.DataKeys(), vault.Single(make([]byte, vault.KeySize)), time.Now)
	sealed, err := e.Seal(ctx, us, "t/r/c/1", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Destroy(ctx, us), e.Destroy(ctx, us)); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Open(ctx, us, "t/r/c/1", sealed); !fault.Is(err, fault.Internal) {
		t.Errorf("it opens: %v", err)
	}
	if _, err := e.Seal(ctx, us, "t/r/c/1", []byte("more")); !fault.Is(err, fault.NotFound) {
		t.Errorf("more is sealed: %v", err)
	}
	postgrestest.Exec(t, db, `insert into retired_keys values ('master/77')`)
	r, err := vault.NewRing(77, map[int][]byte{77: make([]byte, vault.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = vault.NewEnvelope(db.DataKeys(), r, time.Now).Seal(ctx, them, "t/r/c/1", []byte("late"))
	if f := fault.Of(err); f == nil || f.Reason != "vault.retired" {
		t.Errorf("by a retired key: %v", err)
	}
}
