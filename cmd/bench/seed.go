package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/carillonhq/carillon/adapters/argon"
	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/httpapi/client"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/cmd/internal/person"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

const (
	benchMail     = "bench@carillon.test"
	benchPassword = "seven bells at noon"
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
	somebody := person.New("http://"+h.apiAddr, benchMail, benchPassword)
	for i := range p.places {
		handle := fmt.Sprintf("bench%d", i)
		ch, err := somebody.Connect(ctx, string(p.places[i].tenant), handle, from(handle))
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		p.places[i].channel = channels.ID(ch)
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
	envelope := vault.NewEnvelope(h.db.DataKeys(), vault.Single(h.Key), time.Now)
	s := channels.New(channels.Deps{
		Store: h.db.Channels(), Plugins: h.Plugins(),
		Sealer: envelope, Members: tree, Authz: authz, Now: time.Now,
	}, channels.Config{})
	return s.SetApp(ctx, root, channels.AppSettings{Platform: person.Network, ClientID: "carillon"})
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
