package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// AttemptTTL is how long a person has to come back from a provider.
const AttemptTTL = 10 * time.Minute

const (
	statePrefix  = "cst_"
	binderPrefix = "cbd_"
)

// Attempt is a sign-in with a provider that is under way, as it is kept: what
// could be stolen from it is not there.
type Attempt struct {
	State     Hash // of what goes to the provider and comes back
	Binder    Hash // of what the browser keeps meanwhile
	Provider  string
	Aim       Aim
	User      tenants.UserID // who is on the way; empty: somebody who signs in
	Session   SessionID      // in which they are
	ExpiresAt time.Time
}

// Aim is what somebody goes to a provider for. What they bring back for one is
// noise for the others.
type Aim string

// The aims.
const (
	ToSignIn Aim = "sign_in"
	ToLink   Aim = "link"
	ToStepUp Aim = "step_up"
)

// Departure is what a client needs to send a person to a provider.
type Departure struct {
	URL       string
	State     secret.Secret // comes back in the address; also in URL
	Binder    secret.Secret // stays in the browser; Finish wants to see it
	ExpiresAt time.Time
}

// trip derives what belongs to an attempt. Nothing of it has to be kept:
// without the key, the state tells nobody its nonce or its verifier.
func (f *Federation) trip(a *Attempt, state secret.Secret) Trip {
	derive := func(what string) string {
		mac := hmac.New(sha256.New, f.cfg.Key)
		mac.Write([]byte(what + "\x00" + state.Reveal()))
		return encode([32]byte(mac.Sum(nil)))
	}
	t := Trip{State: state.Reveal(), Nonce: derive("nonce"), Verifier: derive("verifier"), Redirect: f.cfg.Callback(a.Provider)}
	if a.Aim == ToStepUp {
		t.Since = a.ExpiresAt.Add(-AttemptTTL)
	}
	return t
}

// fits reports whether an attempt is the one that r comes back from: at that
// provider, with that aim, by the same person.
func (a *Attempt) fits(r Return, aim Aim, who Principal) bool {
	return a.Provider == r.Provider && a.Aim == aim && a.Session == who.Session // which is one person's
}

// errAttempt answers for every return that belongs to no attempt, whatever the reason.
func errAttempt() error {
	return fault.New(fault.Unauthenticated, "sign_in.stale", "This sign-in has expired, was already used, or was begun elsewhere. Please start again.")
}
