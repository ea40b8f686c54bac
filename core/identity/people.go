package identity

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// What is here is for neighbours, the operator's command line and periodic
// jobs. No request reaches it by itself.

// Find returns the user with an address, for a neighbour that lets a member
// name another. It returns fault.NotFound if there is none.
func (s *Service) Find(ctx context.Context, email string) (*User, error) {
	address, err := Address(email)
	if err != nil {
		return nil, err
	}
	var user *User
	err = s.store.View(ctx, func(tx Tx) error {
		cred, err := tx.Credential(ctx, address, s.now())
		if err != nil {
			return err
		}
		if !cred.Verified {
			return fault.New(fault.NotFound, "user.not_found", "Nobody with this address has an account.").On("/email")
		}
		user, err = tx.User(ctx, cred.User)
		return err
	})
	return user, err
}

// Names returns those of ids that exist, in any order, for a neighbour that
// shows people.
func (s *Service) Names(ctx context.Context, ids []tenants.UserID) (list []User, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		list, err = tx.Users(ctx, ids)
		return err
	})
	return list, err
}

// Add makes a user whose address needs no proof. The operator's command line
// and the demonstration use it; no request reaches it. Without a home they get
// an agency of their own when they first sign in. It returns fault.Conflict if
// the address has a user.
func (s *Service) Add(ctx context.Context, r Registration, home tenants.ID) (*User, error) {
	r, err := r.check()
	if err != nil {
		return nil, err
	}
	hash, err := s.hasher.Hash(ctx, r.Password)
	if err != nil {
		return nil, err
	}
	user := newPending(r, hash, s.now()).user(s.now())
	err = s.store.Update(ctx, func(tx Tx) error {
		user.Home = home
		if err := tx.AddUser(ctx, user, hash); err != nil {
			return err
		}
		return tx.ForgetPending(ctx, user.Email)
	})
	if err != nil {
		return nil, err
	}
	return user, nil
}

// SetHome says in which tenant a person starts. Like Add, it is no request's.
func (s *Service) SetHome(ctx context.Context, name tenants.UserID, home tenants.ID) error {
	return s.store.Update(ctx, func(tx Tx) error { return tx.SetHome(ctx, name, home) })
}

// Sweep forgets what has expired. A periodic job calls it.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.now()
	return s.store.Update(ctx, func(tx Tx) error { return tx.Sweep(ctx, now, now.Add(-quiet)) })
}
