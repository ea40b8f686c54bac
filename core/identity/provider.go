package identity

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/secret"
)

// Provider is a place elsewhere that people can sign in with.
type Provider struct {
	Name  string // in addresses, such as "google"
	Title string // for people, such as "Google"
}

// Providers speaks to the providers that this installation is configured for.
// It returns fault.NotFound for a name that is none, and fault.Unavailable if
// the provider does not answer.
type Providers interface {
	// List returns them in the order they are shown.
	List() []Provider
	// Begin returns the address that a person signs in at. It returns
	// fault.Invalid with reason provider.no_step_up for a trip with Since, if
	// the provider cannot ask people anew.
	Begin(ctx context.Context, name string, trip Trip) (string, error)
	// Finish trades what the person was sent back with for who they are there.
	// It returns fault.Unauthenticated for anything that does not prove that
	// this provider signed somebody in, just now, on this trip.
	Finish(ctx context.Context, name string, back Return, trip Trip) (Assertion, error)
}

// Trip is what ties a provider's answer to the question. Nonce and Verifier are
// known to nobody but us and, the latter at the end, the provider.
type Trip struct {
	State    string
	Nonce    string
	Verifier string // of PKCE (RFC 7636)
	Redirect string // where the person is sent back to
	// Since asks that the person prove who they are anew, and did so after it;
	// zero: if they are signed in there, that will do.
	Since time.Time
}

// Return is what a person came back with, as it was delivered to us.
type Return struct {
	Provider string // whom they say they come from
	State    secret.Secret
	Binder   secret.Secret // what their browser kept
	Code     secret.Secret
	Issuer   string // "iss" (RFC 9207), if the provider sends it
	Error    string // "error", instead of a code
}

// Assertion is what a provider says about a person.
type Assertion struct {
	Issuer        string
	Subject       string // the issuer's name for them, forever
	Email         string
	EmailVerified bool // the issuer has made sure that they read Email's mail
	Name          string
}
