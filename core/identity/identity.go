// Package identity decides who somebody is: people, their sessions and the
// keys their programs use. What they may do is decided elsewhere.
//
// Nothing here tells a stranger whether an address has an account. The use
// cases that start from an address (Register, ResendVerify, ForgotPassword)
// never look it up: they put a letter in the post, and whoever delivers the
// letter looks. Login computes exactly one password hash whatever it finds.
//
// A person exists once they have followed the link in their mail and given the
// password they registered with: until then there are only registrations, each
// with its own. Otherwise whoever types somebody's address would choose the
// password of the account that the owner of the address confirms with one click.
//
// Every way of signing in ends in finish (method.go): a session, or a challenge
// for who has a second factor.
//
// Start with Service, which is what requests reach: account.go has its use
// cases around an account, signin.go those of sessions, factor.go and what it
// names those of second factors. session.go and onetime.go hold the rules of
// tokens, guard.go and device.go those of patience, apikey.go those of keys,
// and store.go what must be kept. Federation is signing in with accounts
// elsewhere, and federation.go says by which rules. Postman is the workers' part
// and Directory the neighbours'.
package identity

import (
	"context"
	"net/netip"
	"time"

	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// Client is where a request without an account comes from.
type Client struct {
	Address netip.Addr    // the right-most hop that is not ours
	Agent   string        // as the client calls itself; at most 200 bytes are kept
	Host    string        // that it asked, without a port; decides whose passkeys count
	Device  secret.Secret // what it got when it last signed in; empty: nothing
}

// Principal is who a credential belongs to: either a person in a session or a
// program with a key.
type Principal struct {
	User    tenants.UserID
	Session SessionID // set for a person
	// AuthenticatedAt is when a person last proved who they are, and Strong
	// whether that took two factors at any time in this session.
	AuthenticatedAt time.Time
	Strong          bool
	// Scope is set for a key, which is bound to one tenant. A person names
	// the tenant with each request and the registry answers with a scope.
	Scope      *tenants.Scope
	APIVersion string // the date a key is pinned to; empty for a person
}

// Registration is what a person says about themselves to get an account.
type Registration struct {
	Email    string
	Name     string
	Password secret.Secret
}

// SignedIn is a session as its owner holds it. Both tokens are shown once.
type SignedIn struct {
	Session        SessionID
	User           tenants.UserID
	Access         secret.Secret // a bearer token for the API
	AccessExpires  time.Time
	Refresh        secret.Secret // exchanged for the next pair; good for one use
	RefreshExpires time.Time
	Device         secret.Secret // to be shown when signing in here again; empty after a refresh
}

// Service is the use cases of people and sessions. Those that need no account
// take the Client they are asked by, the others a Principal. It is safe for
// concurrent use.
type Service struct {
	store   Store
	keys    KeyStore
	hasher  Hasher
	tokens  Tokens
	homes   Provisioner
	members Members
	proofs  Proofs
	cfg     Config
	now     func() time.Time
}

// Config is the keys of identity, one per purpose, and its one rule.
type Config struct {
	RefreshKey []byte // derives refresh tokens
	// OtherRefreshKeys are or will be current elsewhere: a token that a process
	// with one of them derived a moment ago is answered again.
	OtherRefreshKeys [][]byte
	AddressKey       []byte // names mail addresses in counters
	Closed           bool   // nobody registers by themselves
}

// New returns a Service. Every argument is required.
func New(store Store, keys KeyStore, hasher Hasher, tokens Tokens, homes Provisioner, members Members, proofs Proofs, cfg Config, now func() time.Time) *Service {
	return &Service{store: store, keys: keys, hasher: hasher, tokens: tokens, homes: homes, members: members, proofs: proofs, cfg: cfg, now: now}
}

// Hasher turns passwords into what may be stored. It is slow on purpose and
// limits how many computations run at once: when its queue is full it returns
// fault.RateLimited.
type Hasher interface {
	Hash(ctx context.Context, password secret.Secret) (string, error)
	// HashSalted is Hash with a salt of at least 16 bytes that the caller
	// chose. Hashes of one salt are compared with in one computation.
	HashSalted(ctx context.Context, password secret.Secret, salt []byte) (string, error)
	// Verify reports whether password made one of hashes, and whether one was
	// made with parameters that are no longer current. No hash at all costs
	// as much as one and never matches.
	Verify(ctx context.Context, password secret.Secret, hashes ...string) (match, stale bool, err error)
}

// Tokens signs and reads access tokens. A token says who and in which session,
// never what they may do.
type Tokens interface {
	Sign(c Claims) (secret.Secret, error)
	// Read returns fault.Unauthenticated for anything Sign did not make for
	// this purpose, and for what has expired.
	Read(token string) (Claims, error)
}

// Claims is what an access token says.
type Claims struct {
	User    tenants.UserID
	Session SessionID
	Expires time.Time // second precision
}

// Provisioner gives a new person a place of their own: an agency of one with a
// first workspace.
type Provisioner interface {
	// Provision returns the agency. It may be called again for the same
	// person, after a crash or at the same time, and then answers the same.
	Provision(ctx context.Context, user tenants.UserID, name string) (tenants.ID, error)
}

// Members says what a person is in a tenant, now.
type Members interface {
	// Resolve returns fault.NotFound if user is no member of tenant, and
	// fault.Forbidden if the tenant is suspended.
	Resolve(ctx context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Scope, error)
}
