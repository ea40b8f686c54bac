package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillonhq/carillon/adapters/argon"
	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/totp"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/cmd/internal/person"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// password is that of everybody, and of the examples in the contract.
const password = "mist orchard velvet quarry"

// kernel is the part of an installation that makes tenants, people and
// operators, as an operator's commands do.
type kernel struct {
	db      *postgres.DB
	rig     *rig
	tenants *registry.Service
	names   *identity.Directory
	admin   *admin.Service
	root    tenants.Scope // of whoever made everything, and takes no part
}

func openKernel(ctx context.Context, r *rig) (*kernel, error) {
	db, err := postgres.Open(ctx, postgres.Config{App: r.App, System: r.System, MaxConns: 4})
	if err != nil {
		return nil, err
	}
	k := &kernel{db: db, rig: r}
	if err := k.wire(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return k, nil
}

func (k *kernel) wire(ctx context.Context) error {
	v := vault.New(k.rig.Key)
	envelope := vault.NewEnvelope(k.db.DataKeys(), vault.Single(k.rig.Key), time.Now)
	authz, err := casbin.New(k.db)
	if err != nil {
		return err
	}
	hasher := argon.New(argon.Current())
	k.tenants = registry.New(k.db.Registry(), authz, time.Now)
	k.names = identity.NewDirectory(k.db.Identity(), hasher, time.Now)
	k.admin = admin.New(admin.Deps{
		Store: k.db.Admin(), Hasher: hasher, Codes: totp.New("Carillon operator"), Sealer: envelope, AddressKey: v.Key(vault.Operators), Now: time.Now,
	})
	u, err := k.names.Add(ctx, identity.Registration{Email: "architect@mutate.test", Name: "Architect", Password: password}, "")
	if err != nil {
		return err
	}
	top, err := k.tenants.Bootstrap(ctx, u.ID, "Mutate")
	if err != nil {
		return err
	}
	if k.root, err = k.tenants.Resolve(ctx, u.ID, top); err != nil {
		return err
	}
	apps := channels.New(channels.Deps{
		Store: k.db.Channels(), Plugins: k.rig.Plugins(), Sealer: envelope, Members: k.tenants, Authz: authz, Now: time.Now,
	}, channels.Config{})
	return apps.SetApp(ctx, k.root, channels.AppSettings{Platform: person.Network, ClientID: "carillon"})
}

// place makes an agency and a workspace in it.
func (k *kernel) place(ctx context.Context, marker string) (agency, workspace tenants.ID, err error) {
	a, err := k.tenants.Create(ctx, k.root, registry.Draft{Kind: tenants.Agency, Name: "Agency", Tier: tenants.Team})
	if err != nil {
		return "", "", err
	}
	who, err := k.tenants.Resolve(ctx, k.root.User, a.ID)
	if err != nil {
		return "", "", err
	}
	w, err := k.tenants.Create(ctx, who, registry.Draft{Kind: tenants.Workspace, Name: "Workspace " + marker})
	if err != nil {
		return "", "", err
	}
	return a.ID, w.ID, nil
}

// person makes somebody who is a member of the tenants.
func (k *kernel) person(ctx context.Context, in map[tenants.ID]tenants.Role) (email string, err error) {
	email = id.New("usr") + "@mutate.test"
	u, err := k.names.Add(ctx, identity.Registration{Email: email, Name: "Somebody", Password: password}, "")
	if err != nil {
		return "", fmt.Errorf("add a person: %w", err)
	}
	for tenant, role := range in {
		if _, err := k.rig.Admin.Exec(ctx, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, $3, 'system')", tenant, u.ID, role); err != nil {
			return "", err
		}
	}
	return email, nil
}

// operator makes an operator of the realm and signs them in.
func (k *kernel) operator(ctx context.Context) (bearer secret.Secret, err error) {
	email := id.New("opr") + "@mutate.test"
	if err := k.admin.Enlist(ctx, admin.Shell(), email, "Olga", password); err != nil {
		return "", err
	}
	code, err := k.admin.Code(ctx, admin.Shell(), email)
	if err != nil {
		return "", err
	}
	in, err := k.admin.Login(ctx, identity.Client{}, email, password, code)
	return in.Token, err
}

// calm undoes what operators do to everybody, and to whoever made everything.
func (k *kernel) calm(ctx context.Context) error {
	for query, name := range map[string]string{
		"insert into memberships (tenant_id, user_id, role, granted_by) select tenant_id, $1, 'owner', 'system' from tenants where kind = 'operator' on conflict (tenant_id, user_id) do update set role = 'owner'": string(k.root.User),
		"update users set suspended_at = null, suspended_reason = '' where id = $1": string(k.root.User),
		"update tenants set state = 'active' where tenant_id = $1":                  string(k.root.Tenant),
	} {
		if _, err := k.rig.Admin.Exec(ctx, query, name); err != nil {
			return err
		}
	}
	if _, err := k.admin.SetMaintenance(ctx, admin.Shell(), admin.Maintenance{}); err != nil {
		return err
	}
	blocks, err := k.admin.Blocks(ctx, admin.Shell())
	for _, b := range blocks {
		err = errors.Join(err, k.admin.Unblock(ctx, admin.Shell(), b.ID))
	}
	return err
}
