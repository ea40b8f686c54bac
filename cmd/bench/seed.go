package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/carillonhq/carillon/adapters/argon"
	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/httpapi/client"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

const (
	benchMail     = "bench@carillon.test"
	benchPassword = "seven bells at noon"
	pigeonID      = "org.carillonhq.pigeon"
	workspaces    = 32 // requests are spread over them as over customers
)

// people is who the measurements act for.
type people struct {
	user   tenants.UserID
	places []place
}

// place is a workspace with a connected channel and a key.
type place struct {
	tenant  tenants.ID
	channel channels.ID
	key     string
}

// seed makes an operator, an agency and its workspaces, each with a key and a
// channel that was connected by OAuth through the running server.
func (h *house) seed(ctx context.Context) (*people, error) {
	if h.people != nil {
		return h.people, nil
	}
	if err := h.serve(ctx); err != nil {
		return nil, err
	}
	p, err := h.plant(ctx)
	if err != nil {
		return nil, err
	}
	jar, _ := cookiejar.New(nil) // it cannot fail without options
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	token, err := h.login(ctx, browser)
	if err != nil {
		return nil, err
	}
	for i := range p.places {
		if p.places[i].channel, err = h.connect(ctx, browser, token, p.places[i].tenant, fmt.Sprintf("bench%d", i)); err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
	}
	h.people = p
	return p, nil
}

// plant makes tenants and keys through the use cases themselves.
func (h *house) plant(ctx context.Context) (*people, error) {
	authz, err := casbin.New(h.db)
	if err != nil {
		return nil, err
	}
	tree := registry.New(h.db.Registry(), authz, time.Now)
	names := identity.NewDirectory(h.db.Identity(), argon.New(argon.Current()), time.Now)
	keys := identity.NewKeys(h.db.Keys(), authz, "2026-11-01", time.Now)
	u, err := names.Add(ctx, identity.Registration{Email: benchMail, Name: "Bench", Password: secret.Secret(benchPassword)}, "")
	if err != nil {
		return nil, err
	}
	top, err := tree.Bootstrap(ctx, u.ID, "Bench")
	if err != nil {
		return nil, err
	}
	root, err := tree.Resolve(ctx, u.ID, top)
	if err != nil {
		return nil, err
	}
	if err := h.register(ctx, authz, tree, root); err != nil {
		return nil, err
	}
	agency, err := tree.Create(ctx, root, registry.Draft{Kind: tenants.Agency, Name: "Agency", Tier: tenants.Team})
	if err != nil {
		return nil, err
	}
	who, err := tree.Resolve(ctx, u.ID, agency.ID)
	if err != nil {
		return nil, err
	}
	p := &people{user: u.ID}
	for i := range workspaces {
		at, err := workspace(ctx, tree, keys, who, fmt.Sprintf("Workspace %d", i))
		if err != nil {
			return nil, err
		}
		p.places = append(p.places, at)
	}
	return p, nil
}

// workspace makes one below who's tenant, and a key to it.
func workspace(ctx context.Context, tree *registry.Service, keys *identity.Keys, who tenants.Scope, name string) (place, error) {
	ws, err := tree.Create(ctx, who, registry.Draft{Kind: tenants.Workspace, Name: name})
	if err != nil {
		return place{}, err
	}
	in, err := tree.Resolve(ctx, who.User, ws.ID)
	if err != nil {
		return place{}, err
	}
	k, err := keys.Create(ctx, in, identity.NewKey{Name: "bench", Scopes: []tenants.Action{
		publishing.ActRead, publishing.ActCreate, publishing.ActEdit, publishing.ActSchedule, publishing.ActPublish,
	}})
	if err != nil {
		return place{}, err
	}
	return place{tenant: ws.ID, key: k.Secret.Reveal()}, nil
}

// register makes the installation known to the practice network.
func (h *house) register(ctx context.Context, authz tenants.Authorizer, tree *registry.Service, root tenants.Scope) error {
	envelope := vault.NewEnvelope(h.db.DataKeys(), vault.Single(h.key), time.Now)
	s := channels.New(channels.Deps{
		Store: h.db.Channels(), Plugins: pigeonOnly{pigeon.New(pigeon.Options{BaseURL: h.netURL})},
		Sealer: envelope, Members: tree, Authz: authz, Now: time.Now,
	}, channels.Config{})
	return s.SetApp(ctx, root, channels.AppSettings{Platform: pigeonID, ClientID: "carillon"})
}

// pigeonOnly is a plugin host with one plugin, in this process.
type pigeonOnly struct{ *pigeon.Pigeon }

// List implements channels.Plugins.
func (p pigeonOnly) List(context.Context) []social.Manifest { return []social.Manifest{p.Manifest()} }

// Platform implements channels.Plugins.
func (p pigeonOnly) Platform(_ context.Context, id string) (social.Platform, error) {
	if id != pigeonID {
		return nil, fault.New(fault.NotFound, "platform.not_found", "There is no such platform.")
	}
	return p.Pigeon, nil
}

func (h *house) login(ctx context.Context, browser *http.Client) (string, error) {
	c, err := client.NewClientWithResponses("http://"+h.apiAddr+"/api/v1", client.WithHTTPClient(browser))
	if err != nil {
		return "", err
	}
	in, err := c.LoginWithResponse(ctx, client.Login{Email: openapi_types.Email(benchMail), Password: benchPassword})
	if err != nil {
		return "", err
	}
	if in.JSON200 == nil {
		return "", errors.New("sign in: " + string(in.Body))
	}
	return in.JSON200.AccessToken, nil
}

// connect goes through the network's consent page like a person.
func (h *house) connect(ctx context.Context, browser *http.Client, token string, tenant tenants.ID, handle string) (channels.ID, error) {
	c, err := client.NewClientWithResponses("http://"+h.apiAddr+"/api/v1", client.WithHTTPClient(browser),
		client.WithToken(token, string(tenant)), from(handle))
	if err != nil {
		return "", err
	}
	back := "/docs"
	started, err := c.StartConnectionWithResponse(ctx, client.ConnectionInput{Platform: pigeonID, ReturnUrl: &back})
	if err != nil {
		return "", err
	}
	if started.JSON201 == nil || started.JSON201.Redirect == nil {
		return "", errors.New(string(started.Body))
	}
	if err := consent(ctx, browser, *started.JSON201.Redirect, handle); err != nil {
		return "", err
	}
	got, err := c.GetConnectionWithResponse(ctx, started.JSON201.Id)
	if err != nil {
		return "", err
	}
	done := got.JSON200
	if done != nil && done.Channels == nil && done.Accounts != nil {
		chosen := []string{(*done.Accounts)[0].Id}
		next, err := c.ContinueConnectionWithResponse(ctx, done.Id, client.ConnectionAnswer{Accounts: &chosen})
		if err != nil {
			return "", err
		}
		done = next.JSON200
	}
	if done == nil || done.Channels == nil || len(*done.Channels) == 0 {
		return "", errors.New(string(got.Body))
	}
	return channels.ID((*done.Channels)[0]), nil
}

// from makes requests come from an address of their own, as behind a load
// balancer.
func from(name string) client.ClientOption {
	sum := 0
	for _, c := range name {
		sum = sum*31 + int(c)
	}
	return client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("X-Forwarded-For", address(sum))
		return nil
	})
}

func address(n int) string { return fmt.Sprintf("198.51.%d.%d", n/200%100, 1+n%200) }

func consent(ctx context.Context, browser *http.Client, page, handle string) error {
	to, err := url.Parse(page)
	if err != nil {
		return err
	}
	form := to.Query()
	form.Set("account", handle)
	to.RawQuery = ""
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := browser.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %w", res.Request.URL.Path, body, err)
	}
	return nil
}
