package oauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/oauth"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/channels/channelstest"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// house is the plugins and the registry of a sign-in.
type house struct{ platform social.Platform }

func (h house) List(context.Context) []social.Manifest {
	return []social.Manifest{h.platform.Manifest()}
}

func (h house) Platform(context.Context, string) (social.Platform, error) { return h.platform, nil }

func (house) Allow(context.Context, tenants.Scope, tenants.Action) error { return nil }

func (house) Resolve(_ context.Context, user tenants.UserID, t tenants.ID) (tenants.Scope, error) {
	return tenants.Scope{Tenant: t, User: user}, nil
}

// A person signs in to the practice network, whose refresh tokens work once,
// and posts after the first token has expired.
func TestSignInToThePracticeNetwork(t *testing.T) {
	ctx := t.Context()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	net, err := network.Open(network.Options{Now: now, ClientSecret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(net)
	defer srv.Close()
	platform := pigeon.New(pigeon.Options{BaseURL: srv.URL})
	h := house{platform}
	s := channels.New(channels.Deps{
		Store: &channelstest.Store{Now: now}, Plugins: h, OAuth: oauth.New(srv.Client(), now), Sealer: channelstest.Sealer{},
		Members: h, Authz: h, Now: now,
	}, channels.Config{CallbackURL: "http://127.0.0.1/api/v1/connections/callback", PseudonymKey: make([]byte, 32)})
	who := tenants.Scope{Tenant: tenants.NewID(), User: "usr_1"}
	if err := s.SetApp(ctx, who, channels.AppSettings{Platform: platform.Manifest().ID, ClientID: network.DefaultClientID, ClientSecret: "s"}); err != nil {
		t.Fatal(err)
	}
	c, err := s.Start(ctx, who, channels.StartRequest{Platform: platform.Manifest().ID})
	if err != nil {
		t.Fatal(err)
	}
	query := approve(t, c.Redirect)
	if c, err = s.Callback(ctx, c.Binding, query["state"], query); err != nil || c.Stage != channels.Done {
		t.Fatalf("%+v, %v", c, err)
	}
	ahead.Store(int64(3 * time.Hour))
	req := social.PublishRequest{Content: social.Content{Text: "Hello", Format: "post"}, Call: social.Call{Idempotency: "key"}}
	for range 5 {
		step, err := s.Publish(ctx, who, c.Channels[0], req)
		if err != nil {
			t.Fatal(err)
		}
		if step.Receipt != nil {
			return
		}
		req.State, req.Commit = step.Next.State, step.Next.Commit
	}
	t.Error("it never went live")
}

// approve is the person's click at the network, and what it sends them back with.
func approve(t *testing.T, redirect string) map[string]string {
	t.Helper()
	u, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	form := u.Query()
	form.Set("account", "ann")
	u.RawQuery = ""
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.PostForm(u.String(), form)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatalf("%s: %v", res.Status, err)
	}
	out := map[string]string{}
	for k := range back.Query() {
		out[k] = back.Query().Get(k)
	}
	return out
}
