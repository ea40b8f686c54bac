package identity

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants/audit"
)

// StartStepUp sends who to a provider, to prove there once more who they are.
// It is for people who have nothing else to prove it with, no second factor and
// no password; others get fault.Conflict with reason identity.step_up_otherwise.
// It returns fault.Invalid with reason provider.no_step_up for a provider that
// cannot ask anew.
func (f *Federation) StartStepUp(ctx context.Context, who Principal, provider string) (*Departure, error) {
	if err := f.onlyElsewhere(ctx, who); err != nil {
		return nil, err
	}
	return f.depart(ctx, who, ToStepUp, provider)
}

// StepUp is Service.StepUp for who comes back from a provider. The account has
// to be one that signs them in already. It returns fault.Unauthenticated as
// SignIn does, and fault.Forbidden with reason identity.not_yours.
func (f *Federation) StepUp(ctx context.Context, who Principal, r Return) (until time.Time, err error) {
	if err := f.onlyElsewhere(ctx, who); err != nil {
		return time.Time{}, err
	}
	there, err := f.arrive(ctx, who, ToStepUp, r)
	if err != nil {
		return time.Time{}, err
	}
	return f.people.renewed(ctx, who, ByIdentity, func(tx Tx) error {
		e, err := tx.External(ctx, there.Issuer, there.Subject)
		if fault.Is(err, fault.NotFound) || err == nil && e.User != who.User {
			return fault.New(fault.Forbidden, "identity.not_yours", "This account does not sign you in here. Choose the one that does.")
		}
		if err != nil {
			return err
		}
		if err := tx.TouchExternal(ctx, e.ID, f.people.now()); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "session.step_up", string(who.Session), "provider", r.Provider))
	})
}

// onlyElsewhere refuses who can prove who they are here: what is asked twice
// must not be weaker than what was asked once.
func (f *Federation) onlyElsewhere(ctx context.Context, who Principal) error {
	held, err := f.people.Factors(ctx, who)
	if err != nil {
		return err
	}
	cred, err := f.people.credential(ctx, held.User.Email)
	if err != nil {
		return err
	}
	if held.second() || len(cred.Hashes) > 0 {
		return fault.New(fault.Conflict, "identity.step_up_otherwise", "You have a second factor or a password: prove with that who you are.")
	}
	return nil
}
