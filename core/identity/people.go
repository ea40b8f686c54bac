package identity

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Directory is people as neighbours, the operator's command line and periodic
// jobs need them. It does not ask who is asking: no request may reach it but
// through a use case that does. It is safe for concurrent use.
type Directory struct {
	store  Store
	hasher Hasher
	now    func() time.Time
}

// NewDirectory returns a directory. Every argument is required.
func NewDirectory(store Store, hasher Hasher, now func() time.Time) *Directory {
	return &Directory{store: store, hasher: hasher, now: now}
}

// Find returns the user with an address, for a neighbour that lets a member
// name another. It returns fault.NotFound if there is none: the neighbour
// answers that as it does for somebody whom the member cannot see.
func (d *Directory) Find(ctx context.Context, email string) (*User, error) {
	address, err := Address(email)
	if err != nil {
		return nil, err
	}
	var user *User
	err = d.store.View(ctx, func(tx Tx) error {
		cred, err := tx.Credential(ctx, address, d.now())
		if err != nil {
			return err
		}
		if !cred.Verified {
			return fault.New(fault.NotFound, "user.no_account", "Nobody has this address.")
		}
		user, err = tx.User(ctx, cred.User)
		return err
	})
	return user, err
}

// Names returns those of ids that exist, in any order, for a neighbour that
// shows people.
func (d *Directory) Names(ctx context.Context, ids []tenants.UserID) (list []User, err error) {
	err = d.store.View(ctx, func(tx Tx) error {
		list, err = tx.Users(ctx, ids)
		return err
	})
	return list, err
}

// Add makes a user whose address needs no proof, for the operator's command
// line and the demonstration. Without a home they get an agency of their own
// when they first sign in. It returns fault.Conflict if the address has a user.
func (d *Directory) Add(ctx context.Context, r Registration, home tenants.ID) (*User, error) {
	r, err := r.check()
	if err != nil {
		return nil, err
	}
	hash, err := d.hasher.Hash(ctx, r.Password)
	if err != nil {
		return nil, err
	}
	user := newPending(r, hash, d.now()).user(d.now())
	err = d.store.Update(ctx, func(tx Tx) error {
		user.Home = home
		if err := tx.AddUser(ctx, user, hash); err != nil {
			return err
		}
		if err := tx.ForgetPending(ctx, user.Email); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(tenants.System), "account.create", string(user.ID)))
	})
	if err != nil {
		return nil, err
	}
	return user, nil
}

// Invite makes a user who has no password yet, for the operator's command
// line, which vouches for the address. Link or MailLink lets them choose one.
// It returns fault.Conflict if the address has a user.
func (d *Directory) Invite(ctx context.Context, email, name string) (*User, error) {
	return d.Add(ctx, Registration{Email: email, Name: name, Password: newToken(resetPrefix)}, "") // which nobody is told
}

// Link returns a token for user to choose a password with. It works once, within
// InviteTTL, and is for whoever hands it on.
func (d *Directory) Link(ctx context.Context, user tenants.UserID) (secret.Secret, error) {
	token, one := invite(user, d.now())
	err := d.store.Update(ctx, func(tx Tx) error {
		if _, err := tx.User(ctx, user); err != nil {
			return err
		}
		if err := tx.AddOneTime(ctx, one); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(tenants.System), "account.link", string(user)))
	})
	return token, err
}

// MailLink has a worker mail such a token to user.
func (d *Directory) MailLink(ctx context.Context, user *User) error {
	return d.store.Update(ctx, func(tx Tx) error {
		return tx.Send(ctx, Letter{ID: id.At("let", d.now()), Kind: LetterInvited, Email: user.Email})
	})
}

// SetHome says in which tenant a person starts.
func (d *Directory) SetHome(ctx context.Context, name tenants.UserID, home tenants.ID) error {
	return d.store.Update(ctx, func(tx Tx) error { return tx.SetHome(ctx, name, home) })
}

// Sweep forgets what has expired. A periodic job calls it.
func (d *Directory) Sweep(ctx context.Context) error {
	now := d.now()
	return d.store.Update(ctx, func(tx Tx) error { return tx.Sweep(ctx, now, now.Add(-quiet)) })
}
