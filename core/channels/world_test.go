package channels_test

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/channels/channelstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// canary is in every secret of these tests.
const canary = "CANARY"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a Service with everything around it under control.
type world struct {
	*channels.Service
	t     *testing.T
	store *channelstest.Store
	net   *network
	auth  *authServer
	clock *clock
	who   tenants.Scope
	root  tenants.ID
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func setup(t *testing.T) *world {
	w := &world{t: t, clock: &clock{at: noon}, net: newNetwork(), auth: new(authServer), root: tenants.NewID()}
	w.store = &channelstest.Store{Now: w.clock.now, Lines: map[tenants.ID][]tenants.ID{}}
	w.who = w.person()
	w.Service = w.another()
	return w
}

// another is a Service in another process.
func (w *world) another() *channels.Service { return w.over(w.store) }

// over is a Service on what keeps channels.
func (w *world) over(store channels.Store) *channels.Service {
	return channels.New(channels.Deps{
		Store: store, Plugins: plugins{w.net}, OAuth: w.auth, Sealer: channelstest.Sealer{},
		Members: members{}, Authz: policy{}, Now: w.clock.now,
	}, channels.Config{
		CallbackURL: "https://carillon.example/api/v1/connections/callback", Origins: []string{"https://app.example"},
		AppName: "Carillon", PseudonymKey: []byte("0123456789abcdef0123456789abcdef"),
	})
}

// person is a manager of a new tenant under the root.
func (w *world) person() tenants.Scope {
	t := tenants.NewID()
	w.store.Lines[t] = []tenants.ID{t, w.root}
	return tenants.Scope{Tenant: t, User: tenants.UserID(id.New("usr")), Role: tenants.Manager, Tier: tenants.Pro}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// policy lets managers and the system do everything and viewers read.
type policy struct{}

func (policy) Allow(_ context.Context, who tenants.Scope, act tenants.Action) error {
	if who.Role == tenants.Manager || who.Role == tenants.System || act == channels.ActRead {
		return nil
	}
	return fault.New(fault.Forbidden, "auth.forbidden", "Ask someone with the right.")
}

// members knows everyone as a manager, but for one who was removed.
type members struct{}

const removed tenants.UserID = "usr_removed"

func (members) Resolve(_ context.Context, user tenants.UserID, t tenants.ID) (tenants.Scope, error) {
	if user == removed {
		return tenants.Scope{}, fault.New(fault.NotFound, "tenant.not_found", "There is no such tenant.")
	}
	return tenants.Scope{Tenant: t, User: user, Role: tenants.Manager, Tier: tenants.Pro}, nil
}

// network is a platform with every ability, driven by the test.
type network struct {
	mu       sync.Mutex
	manifest social.Manifest
	accounts []social.Account
	calls    []social.Call
	kinds    []string
	answers  []error // of the next calls, in turn; nil is a success
	connect  func(social.ConnectRequest) (social.ConnectStep, error)
	refresh  func(social.Call) (social.Credential, error)
}

func newNetwork() *network {
	return &network{
		manifest: social.Manifest{
			ID: "test.network", Name: "Test",
			Auth: social.Auth{Kind: social.AuthOAuth2, OAuth2: &social.OAuth2{
				AuthorizeURL: "https://{instance}/oauth/authorize", TokenURL: "https://{instance}/oauth/token",
				RegisterURL: "https://{instance}/api/v1/apps", RevokeURL: "https://{instance}/oauth/revoke", Scopes: []string{"read", "write"}, PKCE: true,
			}},
			Formats:      []social.Format{{ID: "post", Scopes: []string{"write"}}, {ID: "story", Scopes: []string{"stories"}}},
			Capabilities: []social.Capability{social.CanFind, social.CanMetrics, social.CanAccounts, social.CanRefresh, social.CanConnect},
		},
		accounts: []social.Account{{ID: "1", Handle: "@ann"}},
	}
}

func (n *network) Manifest() social.Manifest { return n.manifest }

func (n *network) called(kind string, c social.Call) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls, n.kinds = append(n.calls, c), append(n.kinds, kind)
	if len(n.answers) == 0 {
		return nil
	}
	err := n.answers[0]
	n.answers = n.answers[1:]
	return err
}

func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.calls)
}

func (n *network) last() social.Call {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[len(n.calls)-1]
}

func (n *network) Publish(_ context.Context, req social.PublishRequest) (social.Step, error) {
	if err := n.called("publish", req.Call); err != nil {
		return social.Step{}, err
	}
	return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: "post"}}}, nil
}

func (n *network) Find(_ context.Context, req social.FindRequest) (social.Finding, error) {
	return social.Finding{Verdict: social.Absent}, n.called("find", req.Call)
}

func (n *network) Metrics(_ context.Context, req social.MetricsRequest) ([]social.Metrics, error) {
	return nil, n.called("metrics", req.Call)
}

func (n *network) Accounts(_ context.Context, c social.Call) ([]social.Account, error) {
	return n.accounts, n.called("accounts", c)
}

func (n *network) Connect(_ context.Context, req social.ConnectRequest) (social.ConnectStep, error) {
	return n.connect(req)
}

func (n *network) Refresh(_ context.Context, c social.Call) (social.Credential, error) {
	return n.refresh(c)
}

// plugins has one platform.
type plugins struct{ net *network }

func (p plugins) List(context.Context) []social.Manifest { return []social.Manifest{p.net.manifest} }

func (p plugins) Platform(_ context.Context, id string) (social.Platform, error) {
	if id != p.net.manifest.ID {
		return nil, fault.New(fault.NotFound, "platform.not_found", "There is no such platform.")
	}
	return p.net, nil
}

// authServer plays the platform's authorization server. Tokens are numbered.
type authServer struct {
	mu         sync.Mutex
	registered int
	exchanged  []string // codes with their verifiers
	refreshed  int
	revoked    []string
	life       time.Duration
	keep       bool // answers a refresh without a refresh token
	fail       error
	scopes     []string
	hold       chan struct{} // a refresh waits for it, if set
}

func (a *authServer) Register(_ context.Context, at social.OAuth2, _ channels.Registration) (channels.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.registered++
	return channels.Client{ID: "client at " + at.RegisterURL, Secret: canary + " client secret"}, nil
}

func (a *authServer) Exchange(_ context.Context, _ social.OAuth2, c channels.Client, code, verifier, _ string) (channels.Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return channels.Token{}, a.fail
	}
	a.exchanged = append(a.exchanged, code+" "+verifier)
	return channels.Token{Access: canary + " access 0", Refresh: canary + " refresh 0", ExpiresIn: a.life, Scopes: a.scopes}, nil
}

func (a *authServer) Refresh(_ context.Context, _ social.OAuth2, c channels.Client, refresh string) (channels.Token, error) {
	if a.hold != nil {
		<-a.hold
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refreshed++
	if a.fail != nil {
		return channels.Token{}, a.fail
	}
	t := channels.Token{Access: fmt.Sprintf("%s access %d", canary, a.refreshed), Refresh: fmt.Sprintf("%s refresh %d", canary, a.refreshed), ExpiresIn: a.life}
	if a.keep {
		t.Refresh = ""
	}
	return t, nil
}

func (a *authServer) Revoke(_ context.Context, _ social.OAuth2, _ channels.Client, token string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked = append(a.revoked, token)
	return nil
}

func (a *authServer) refreshes() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refreshed
}

// start begins a sign-in and returns it with the state to bring back.
func (w *world) start(who tenants.Scope) (channels.Connection, string) {
	w.t.Helper()
	return w.startOn(who, "example.org", "")
}

// startOn begins a sign-in on an instance, to repair a channel if there is one.
func (w *world) startOn(who tenants.Scope, instance string, repair channels.ID) (channels.Connection, string) {
	w.t.Helper()
	c, err := w.Start(w.t.Context(), who, channels.StartRequest{
		Platform: "test.network", Input: map[string]string{"instance": instance}, ReturnURL: "/channels", Channel: repair,
	})
	w.must(err)
	u, err := url.Parse(c.Redirect)
	w.must(err)
	return c, u.Query().Get("state")
}

// connected signs who in and returns the channel.
func (w *world) connected(who tenants.Scope) channels.Channel {
	w.t.Helper()
	c, state := w.start(who)
	c, err := w.Callback(w.t.Context(), c.Binding, state, map[string]string{"code": "code"})
	w.must(err)
	if c.Stage != channels.Done || len(c.Channels) != 1 {
		w.t.Fatalf("connection: %+v", c)
	}
	ch, err := w.Get(w.t.Context(), who, c.Channels[0])
	w.must(err)
	return ch
}

func (w *world) publish(id channels.ID, commit bool) error {
	_, err := w.Publish(w.t.Context(), tenants.SystemScope(w.who.Tenant), id, social.PublishRequest{Commit: commit})
	return err
}
