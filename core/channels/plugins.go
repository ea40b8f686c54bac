package channels

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// Plugins finds the code that speaks for a platform.
type Plugins interface {
	// List returns the manifests of every enabled platform.
	List(ctx context.Context) []social.Manifest
	// Platform returns the platform with a plugin id. What it can do besides
	// publishing is read off its methods and its manifest. It returns
	// fault.NotFound for an unknown id and fault.Unavailable while the plugin
	// cannot be started.
	Platform(ctx context.Context, id string) (social.Platform, error)
}

// OAuth speaks OAuth 2 (RFC 6749, 7591, 7009) to the endpoints it is given.
// Its errors are social Faults: AuthRevoked only for a typed invalid_grant,
// Permission for a refused client or scope, RateLimited, and Transient for
// everything that says nothing about the grant.
type OAuth interface {
	// Register obtains a client of an instance.
	Register(ctx context.Context, at social.OAuth2, r Registration) (Client, error)
	// Exchange turns a code into a token.
	Exchange(ctx context.Context, at social.OAuth2, c Client, code, verifier, redirectURI string) (Token, error)
	// Refresh renews a token. An empty Token.Refresh means the old one stays.
	Refresh(ctx context.Context, at social.OAuth2, c Client, refresh string) (Token, error)
	// Revoke gives a token back.
	Revoke(ctx context.Context, at social.OAuth2, c Client, token string) error
}

// Registration introduces an installation to an instance.
type Registration struct {
	Name, Website, RedirectURI string
	Scopes                     []string
}

// Client is who the platform thinks is asking.
type Client struct {
	ID     string `json:"id"`
	Secret string `json:"secret,omitempty"`
}

// Token is what the token endpoint answers.
type Token struct {
	Access, Refresh string
	Scopes          []string
	ExpiresIn       time.Duration // zero: it does not say
}

// GoString hides the token in logs.
func (Token) GoString() string { return "***" }

// String hides the token in logs.
func (Token) String() string { return "***" }
