package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/carillonhq/carillon/adapters/argon"
	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/oauth"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/cmd/internal/person"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// The size of the stage.
const (
	workspaces = 4
	perTenant  = 3 // channels of a workspace
)

// authorPrefix makes an account's id of its handle, on the network.
const authorPrefix = "acc_"

// writer is the person who writes every post.
var writer = identity.Registration{Email: "vera@crash.test", Name: "Vera Writer", Password: "seven bells at noon"}

// stage is who writes and where it goes.
type stage struct {
	rig     *rig
	person  *person.Person
	tenants []workspace
}

type workspace struct {
	id       string
	channels []channel
}

// A channel is one account of the network.
type channel struct{ id, author string }

// furnish makes tenants and their owner the way an operator's command does,
// and connects accounts the way a person does: through the API and the
// network's consent page.
func furnish(ctx context.Context, r *rig) (*stage, error) {
	ids, err := makeTenants(ctx, r)
	if err != nil {
		return nil, err
	}
	s := &stage{rig: r, person: person.New(r.api, writer.Email, writer.Password.Reveal())}
	for i, id := range ids {
		w := workspace{id: string(id)}
		for n := range perTenant {
			handle := fmt.Sprintf("bird_%d_%d", i, n)
			ch, err := s.person.Connect(ctx, w.id, handle)
			if err != nil {
				return nil, fmt.Errorf("connect %s: %w", handle, err)
			}
			w.channels = append(w.channels, channel{ch, authorPrefix + handle})
		}
		s.tenants = append(s.tenants, w)
	}
	return s, nil
}

// makeTenants makes an operator with an agency and its workspaces, all of one
// owner, and the app by which the network knows this installation.
func makeTenants(ctx context.Context, r *rig) ([]tenants.ID, error) {
	k, err := openKernel(ctx, r)
	if err != nil {
		return nil, err
	}
	defer k.db.Close()
	u, err := k.names.Add(ctx, writer, "")
	if err != nil {
		return nil, err
	}
	top, err := k.tenants.Bootstrap(ctx, u.ID, "Crash")
	if err != nil {
		return nil, err
	}
	if err := k.names.SetHome(ctx, u.ID, top); err != nil {
		return nil, err
	}
	root, err := k.tenants.Resolve(ctx, u.ID, top)
	if err != nil {
		return nil, err
	}
	if err := k.channels.SetApp(ctx, root, channels.AppSettings{Platform: "org.carillonhq.pigeon", ClientID: "carillon"}); err != nil {
		return nil, err
	}
	agency, err := k.tenants.Create(ctx, root, registry.Draft{Kind: tenants.Agency, Name: "Agency", Tier: tenants.Team})
	if err != nil {
		return nil, err
	}
	return k.workspaces(ctx, u.ID, agency.ID)
}

func (k *kernel) workspaces(ctx context.Context, owner tenants.UserID, agency tenants.ID) (ids []tenants.ID, err error) {
	who, err := k.tenants.Resolve(ctx, owner, agency)
	if err != nil {
		return nil, err
	}
	for i := range workspaces {
		t, err := k.tenants.Create(ctx, who, registry.Draft{Kind: tenants.Workspace, Name: fmt.Sprint("Workspace ", i+1)})
		if err != nil {
			return nil, err
		}
		ids = append(ids, t.ID)
	}
	return ids, nil
}

// kernel is the part of an installation that makes tenants and people.
type kernel struct {
	db       *postgres.DB
	tenants  *registry.Service
	names    *identity.Directory
	channels *channels.Service
}

func openKernel(ctx context.Context, r *rig) (*kernel, error) {
	db, err := postgres.Open(ctx, postgres.Config{App: r.app, System: r.system, MaxConns: 4})
	if err != nil {
		return nil, err
	}
	k := &kernel{db: db}
	if err := k.wire(r); err != nil {
		db.Close()
		return nil, err
	}
	return k, nil
}

func (k *kernel) wire(r *rig) error {
	raw, err := base64.StdEncoding.DecodeString(r.place.key)
	if err != nil {
		return err
	}
	v := vault.Single(raw)
	envelope := vault.NewEnvelope(k.db.DataKeys(), v, time.Now)
	authz, err := casbin.New(k.db)
	if err != nil {
		return err
	}
	k.tenants = registry.New(k.db.Registry(), authz, time.Now)
	k.names = identity.NewDirectory(k.db.Identity(), argon.New(argon.Current()), time.Now)
	k.channels = channels.New(channels.Deps{
		Store: k.db.Channels(), Plugins: inside{pigeon.New(pigeon.Options{BaseURL: r.network})}, OAuth: oauth.New(http.DefaultClient, time.Now),
		Sealer: envelope, Members: k.tenants, Authz: authz, Now: time.Now,
	}, channels.Config{CallbackURL: r.api + "/oauth/callback", AppName: "Carillon", Website: r.api, PseudonymKey: v.Key(vault.Pseudonym), AllowLocal: true})
	return nil
}

// inside is the one plugin, without a process. It is asked for its manifest.
type inside struct{ *pigeon.Pigeon }

// List implements channels.Plugins.
func (p inside) List(context.Context) []social.Manifest { return []social.Manifest{p.Manifest()} }

// Platform implements channels.Plugins.
func (p inside) Platform(context.Context, string) (social.Platform, error) { return p.Pigeon, nil }
