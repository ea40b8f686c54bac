package identity

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Linked lists the accounts elsewhere that sign who in, oldest first.
func (f *Federation) Linked(ctx context.Context, who Principal) (list []External, err error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	err = f.store.View(ctx, func(tx Tx) error {
		list, err = tx.Externals(ctx, who.User)
		return err
	})
	return list, err
}

// StartLink begins to link an account elsewhere to who. It is Start for
// somebody who is signed in and proved lately that it is still them.
func (f *Federation) StartLink(ctx context.Context, who Principal, provider string) (*Departure, error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	return f.depart(ctx, who, ToLink, provider)
}

// Link links whoever comes back from a provider to who, in the session that
// began it. It returns fault.Unauthenticated as SignIn does, and fault.Conflict
// with reason identity.taken if the account is somebody else's. One that is
// who's already stays as it is.
func (f *Federation) Link(ctx context.Context, who Principal, r Return) (*External, error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	there, err := f.arrive(ctx, who, ToLink, r)
	if err != nil {
		return nil, err
	}
	var linked *External
	err = f.store.Update(ctx, func(tx Tx) error {
		linked, err = tx.External(ctx, there.Issuer, there.Subject)
		switch {
		case err == nil && linked.User != who.User:
			return errTaken()
		case err == nil || !fault.Is(err, fault.NotFound):
			return err
		}
		user, err := tx.User(ctx, who.User)
		if err != nil {
			return err
		}
		if err := f.add(ctx, tx, user, r.Provider, there); err != nil {
			return err
		}
		linked, err = tx.External(ctx, there.Issuer, there.Subject)
		return err
	})
	if err != nil {
		return nil, err
	}
	return linked, nil
}

// add links an account and tells the owner of the address.
func (f *Federation) add(ctx context.Context, tx Tx, user *User, provider string, who Assertion) error {
	e := newExternal(user.ID, provider, who, f.people.now())
	if err := tx.AddExternal(ctx, e); err != nil {
		return err
	}
	if err := tx.Record(ctx, audit.Of(string(user.ID), "identity.link", string(e.ID), "provider", provider, "issuer", e.Issuer)); err != nil {
		return err
	}
	return f.tell(ctx, tx, LetterLinked, user, provider)
}

// tell writes to user about an account at provider.
func (f *Federation) tell(ctx context.Context, tx Tx, kind LetterKind, user *User, provider string) error {
	return tx.Send(ctx, Letter{ID: id.At("let", f.people.now()), Kind: kind, Email: user.Email, Provider: f.title(provider)})
}

// title is a provider's name for people; one that was taken out of the
// configuration has its old name.
func (f *Federation) title(name string) string {
	for _, p := range f.providers.List() {
		if p.Name == name {
			return p.Title
		}
	}
	return name
}

// Unlink takes an account elsewhere away from who and ends their other
// sessions, which it may have opened. It returns fault.NotFound for another
// person's, as for none, and fault.Conflict with reason identity.last_way if
// who could not sign in any more.
func (f *Federation) Unlink(ctx context.Context, who Principal, name ExternalID) error {
	if err := who.person(); err != nil {
		return err
	}
	return f.store.Update(ctx, func(tx Tx) error {
		user, err := tx.User(ctx, who.User)
		if err != nil {
			return err
		}
		list, err := tx.Externals(ctx, who.User) // locks: two at once must not leave none
		if err != nil {
			return err
		}
		e := find(list, name)
		if e == nil {
			return fault.New(fault.NotFound, "identity.not_found", "You have linked no such account.")
		}
		keys, err := tx.Passkeys(ctx, who.User)
		if err != nil {
			return err
		}
		if err := f.people.keepsAWay(ctx, tx, user, len(list)-1+len(keys)); err != nil {
			return err
		}
		if err := tx.RemoveExternal(ctx, who.User, name); err != nil {
			return err
		}
		if err := tx.EndSessions(ctx, who.User, who.Session); err != nil {
			return err
		}
		if err := tx.Record(ctx, audit.Of(string(who.User), "identity.unlink", string(name), "provider", e.Provider, "issuer", e.Issuer)); err != nil {
			return err
		}
		return f.tell(ctx, tx, LetterUnlinked, user, e.Provider)
	})
}

func find(list []External, name ExternalID) *External {
	for i := range list {
		if list[i].ID == name {
			return &list[i]
		}
	}
	return nil
}

// keepsAWay refuses to leave user without a way to sign in: others is how many
// accounts elsewhere and passkeys are left to them.
func (s *Service) keepsAWay(ctx context.Context, tx Tx, user *User, others int) error {
	cred, err := tx.Credential(ctx, user.Email, s.now())
	if err != nil {
		return err
	}
	if others > 0 || len(cred.Hashes) > 0 {
		return nil
	}
	return fault.New(fault.Conflict, "identity.last_way", "You could not sign in any more. Set a password first: ask for a new one where you sign in.")
}

func errTaken() error {
	return fault.New(fault.Conflict, "identity.taken", "This account is linked to somebody else's. Sign in with it and unlink it there first.")
}
