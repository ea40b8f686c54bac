package identity

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Federation is signing in with accounts elsewhere.
//
// An account elsewhere is linked to a user in one of two ways: a stranger whose
// address the provider has confirmed, and that nobody has here, becomes a user;
// or somebody who is signed in, and proved it lately, adds one. It is never
// linked because two addresses are equal: then whoever runs or fools a provider
// would be whoever they like.
//
// It is safe for concurrent use.
type Federation struct {
	people    *Service
	store     Store
	providers Providers
	cfg       FederationConfig
}

// FederationConfig is what an installation says about it. All are required.
type FederationConfig struct {
	Key []byte // derives what belongs to a trip; used for nothing else
	// Callback is where a provider sends people back to. Each has an address
	// of its own, so that one cannot pass for another.
	Callback func(provider string) string
}

// NewFederation returns the federation of people's users.
func NewFederation(people *Service, providers Providers, cfg FederationConfig) *Federation {
	return &Federation{people: people, store: people.store, providers: providers, cfg: cfg}
}

// Providers lists whom people can sign in with, in the order they are shown.
func (f *Federation) Providers() []Provider { return f.providers.List() }

// Start begins a sign-in with a provider. It returns fault.NotFound for a
// provider that there is not, and fault.Unavailable for one that is away.
func (f *Federation) Start(ctx context.Context, _ Client, provider string) (*Departure, error) {
	return f.depart(ctx, Principal{}, ToSignIn, provider)
}

func (f *Federation) depart(ctx context.Context, who Principal, aim Aim, provider string) (*Departure, error) {
	state, binder := newToken(statePrefix), newToken(binderPrefix)
	a := &Attempt{
		State: hash(state), Binder: hash(binder), Provider: provider, Aim: aim,
		User: who.User, Session: who.Session, ExpiresAt: f.people.now().Add(AttemptTTL),
	}
	url, err := f.providers.Begin(ctx, provider, f.trip(a, state))
	if err != nil {
		return nil, err
	}
	if err := f.store.Update(ctx, func(tx Tx) error { return tx.AddAttempt(ctx, a) }); err != nil {
		return nil, err
	}
	return &Departure{URL: url, State: state, Binder: binder, ExpiresAt: a.ExpiresAt}, nil
}

// arrive ends an attempt, whatever comes of it, and asks the provider who came
// back. One that another browser began stays: it can still be delivered there.
func (f *Federation) arrive(ctx context.Context, who Principal, aim Aim, r Return) (Assertion, error) {
	if !wellFormed(statePrefix, r.State.Reveal()) || !wellFormed(binderPrefix, r.Binder.Reveal()) {
		return Assertion{}, errAttempt()
	}
	var a *Attempt
	err := f.store.Update(ctx, func(tx Tx) (err error) {
		a, err = tx.TakeAttempt(ctx, hash(r.State), hash(r.Binder), f.people.now())
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound):
		return Assertion{}, errAttempt()
	case err != nil:
		return Assertion{}, err
	case !a.fits(r, aim, who):
		return Assertion{}, errAttempt()
	}
	return f.providers.Finish(ctx, r.Provider, r, f.trip(a, r.State))
}

// SignIn opens a session for whoever comes back from a provider, or asks for
// the second factor of somebody who has one. An account that is not known yet
// registers its owner, if the provider has confirmed their address. It returns fault.Unauthenticated for a return that belongs to
// no attempt of this browser or proves nothing, fault.Forbidden with reason
// identity.email_unverified or registration.closed, and fault.Conflict with
// reason identity.link_required if the address has a user: they sign in as they
// do, and link the account then.
func (f *Federation) SignIn(ctx context.Context, from Client, r Return) (*Entry, error) {
	who, err := f.arrive(ctx, Principal{}, ToSignIn, r)
	if err != nil {
		return nil, err
	}
	user, err := f.known(ctx, who)
	if fault.Is(err, fault.NotFound) {
		user, err = f.enroll(ctx, r.Provider, who)
	}
	if err != nil {
		return nil, err
	}
	return f.people.finish(ctx, from, user.ID, ByIdentity)
}

// known returns the user of an account elsewhere, or fault.NotFound.
func (f *Federation) known(ctx context.Context, who Assertion) (user *User, err error) {
	err = f.store.Update(ctx, func(tx Tx) error {
		e, err := tx.External(ctx, who.Issuer, who.Subject)
		if err != nil {
			return err
		}
		if err := tx.TouchExternal(ctx, e.ID, f.people.now()); err != nil {
			return err
		}
		user, err = tx.User(ctx, e.User)
		return err
	})
	return user, err
}

// enroll makes a user of whoever a provider vouches for.
func (f *Federation) enroll(ctx context.Context, provider string, who Assertion) (*User, error) {
	now := f.people.now()
	user, err := newcomer(who, now)
	if err != nil {
		return nil, err
	}
	if err := f.people.mayRegister(); err != nil {
		return nil, err
	}
	err = f.store.Update(ctx, func(tx Tx) error {
		cred, err := tx.Credential(ctx, user.Email, now)
		if err != nil {
			return err
		}
		if cred.Verified {
			return errLinkRequired()
		}
		if err := tx.AddUser(ctx, user, ""); err != nil {
			return err
		}
		if err := tx.ForgetPending(ctx, user.Email); err != nil {
			return err
		}
		if err := tx.Record(ctx, audit.Of(string(user.ID), "account.create", string(user.ID))); err != nil {
			return err
		}
		return f.add(ctx, tx, user, provider, who)
	})
	if fault.Is(err, fault.Conflict) {
		return f.first(ctx, who, err)
	}
	if err != nil {
		return nil, err
	}
	return user, nil
}

// first is who was quicker: the same person in another tab, or whoever took
// the address, which cause tells.
func (f *Federation) first(ctx context.Context, who Assertion, cause error) (*User, error) {
	user, err := f.known(ctx, who)
	switch {
	case !fault.Is(err, fault.NotFound):
		return user, err
	case fault.Of(cause).Reason == "email.taken":
		return nil, errLinkRequired()
	}
	return nil, cause
}

func errLinkRequired() error {
	return fault.New(fault.Conflict, "identity.link_required",
		"There is an account with this e-mail address already. Sign in to it as you did before, and link this one then.")
}
