package main

import (
	"context"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

// demoPassword opens the people of `carillon dev`. It never leaves a machine of
// one's own: seed is called by dev, demo and trials alone.
const demoPassword = "seven bells at noon"

// The people of `carillon dev`.
var (
	operator     = identity.Registration{Email: "operator@carillon.test", Name: "Olga Operator"}
	agencyOwner  = identity.Registration{Email: "ada@brightwater.test", Name: "Ada Brightwater"}
	agencyEditor = identity.Registration{Email: "eli@brightwater.test", Name: "Eli Editor"}
	clientEditor = identity.Registration{Email: "cleo@harbourbakery.test", Name: "Cleo Client"}
)

// The clients of the agency of `carillon dev`.
var clients = []string{"Harbour Bakery", "Northlight Cycles"}

// seed gives an empty installation an operator, an agency with two clients and
// their people. It does nothing if the last of it is there.
func (k *kernel) seed(ctx context.Context) error {
	if u, err := k.names.Find(ctx, agencyOwner.Email); err == nil && u.Home != "" {
		return nil
	} else if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	k.fresh = true
	boss, root, err := k.seedOperator(ctx)
	if err != nil {
		return err
	}
	agency, err := k.tenants.Create(ctx, root, registry.Draft{Kind: tenants.Agency, Name: "Brightwater Agency", Tier: tenants.Team})
	if err != nil {
		return err
	}
	ada, err := k.join(ctx, boss, agency.ID, agencyOwner, tenants.Owner)
	if err != nil {
		return err
	}
	if err := k.leave(ctx, ada, agency.ID, boss); err != nil {
		return err
	}
	if _, err := k.join(ctx, ada, agency.ID, agencyEditor, tenants.Editor); err != nil {
		return err
	}
	home, err := k.seedClients(ctx, ada, agency.ID)
	if err != nil {
		return err
	}
	if err := k.seedInvitation(ctx, ada, agency.ID); err != nil {
		return err
	}
	return k.names.SetHome(ctx, ada, home) // last: it marks the seed as done
}

// newcomer is whom the agency of `carillon dev` has invited: the letter is in
// the mailbox.
const newcomer = "nia@brightwater.test"

func (k *kernel) seedInvitation(ctx context.Context, ada tenants.UserID, agency tenants.ID) error {
	who, err := k.tenants.Resolve(ctx, ada, agency)
	if err != nil {
		return err
	}
	_, err = k.tenants.Invite(ctx, who, newcomer, tenants.Editor)
	if fault.Is(err, fault.Conflict) { // before a crash
		return nil
	}
	return err
}

// seedOperator makes the root of the tree, its owner and, where there is a
// practice network, the app by which this installation is known to it.
func (k *kernel) seedOperator(ctx context.Context) (tenants.UserID, tenants.Scope, error) {
	boss, err := k.person(ctx, operator)
	if err != nil {
		return "", tenants.Scope{}, err
	}
	top, err := k.tenants.Bootstrap(ctx, boss, "This installation")
	if err != nil {
		return "", tenants.Scope{}, err
	}
	if err := k.names.SetHome(ctx, boss, top); err != nil {
		return "", tenants.Scope{}, err
	}
	root, err := k.tenants.Resolve(ctx, boss, top)
	if err != nil {
		return "", root, err
	}
	if k.cfg.PigeonURL == "" {
		return boss, root, nil
	}
	return boss, root, k.channels.SetApp(ctx, root, channels.AppSettings{Platform: "org.carillonhq.pigeon", ClientID: "carillon"})
}

func (k *kernel) seedClients(ctx context.Context, ada tenants.UserID, agency tenants.ID) (first tenants.ID, err error) {
	who, err := k.tenants.Resolve(ctx, ada, agency)
	if err != nil {
		return "", err
	}
	for i, name := range clients {
		client, err := k.tenants.Create(ctx, who, registry.Draft{Kind: tenants.Workspace, Name: name})
		if err != nil {
			return "", err
		}
		if _, err := k.join(ctx, ada, client.ID, agencyEditor, tenants.Editor); err != nil {
			return "", err
		}
		if i == 0 {
			first = client.ID
			cleo, err := k.join(ctx, ada, client.ID, clientEditor, tenants.Client)
			if err != nil {
				return "", err
			}
			if err := k.names.SetHome(ctx, cleo, first); err != nil {
				return "", err
			}
		}
	}
	return first, nil
}

// person finds or makes a user.
func (k *kernel) person(ctx context.Context, r identity.Registration) (tenants.UserID, error) {
	u, err := k.names.Find(ctx, r.Email)
	if fault.Is(err, fault.NotFound) {
		r.Password = secret.Secret(demoPassword)
		u, err = k.names.Add(ctx, r, "")
	}
	if err != nil {
		return "", err
	}
	return u.ID, nil
}

// join makes r a member of a tenant, in the name of somebody who may.
func (k *kernel) join(ctx context.Context, by tenants.UserID, to tenants.ID, r identity.Registration, role tenants.Role) (tenants.UserID, error) {
	user, err := k.person(ctx, r)
	if err != nil {
		return "", err
	}
	who, err := k.tenants.Resolve(ctx, by, to)
	if err != nil {
		return "", err
	}
	if role == tenants.Owner {
		who.User = "" // nobody makes owners but the installation
	}
	_, err = k.tenants.AddMember(ctx, who, user, role)
	return user, err
}

// leave takes somebody out of a tenant: who set it up has no business in it.
func (k *kernel) leave(ctx context.Context, by tenants.UserID, from tenants.ID, user tenants.UserID) error {
	who, err := k.tenants.Resolve(ctx, by, from)
	if err != nil {
		return err
	}
	return k.tenants.RemoveMember(ctx, who, user)
}
