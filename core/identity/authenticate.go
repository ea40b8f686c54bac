package identity

import (
	"context"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// maxToken is longer than any token made here.
const maxToken = 2048

// Bearer returns the credential in an Authorization header (RFC 6750, 2.1). It
// returns fault.Unauthenticated for an empty header and for any other scheme.
func Bearer(header string) (string, error) {
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return "", errRequired()
	}
	for i := range len(token) {
		if !isB64Token(token[i]) {
			return "", errRequired()
		}
	}
	return token, nil
}

// isB64Token is the alphabet of RFC 6750's b64token.
func isB64Token(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~+/=", c) >= 0
}

// Authenticate says who holds a credential, as Bearer returns it: an access
// token or an API key. What it answers is read from the database on each call,
// so a session that was ended and a key that was revoked stop at once. It
// returns fault.Unauthenticated for everything that is no longer or never was
// one, and fault.Forbidden for the key of a suspended tenant.
func (s *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	if strings.HasPrefix(token, keyPrefix) {
		return s.key(ctx, token)
	}
	claims, err := s.tokens.Read(token)
	if err != nil {
		return Principal{}, err
	}
	who := Principal{User: claims.User, Session: claims.Session}
	session, err := s.living(ctx, who)
	if err != nil {
		return Principal{}, err
	}
	who.AuthenticatedAt, who.Strong = session.AuthenticatedAt, strong(session.Methods)
	return who, nil
}

// StillSignedIn returns fault.Unauthenticated once a person's session has
// ended. It is Authenticate for what goes on after its token was shown.
func (s *Service) StillSignedIn(ctx context.Context, who Principal) error {
	_, err := s.living(ctx, who)
	return err
}

func (s *Service) living(ctx context.Context, who Principal) (*Session, error) {
	session, err := s.store.Live(ctx, who.Session)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, errSignedOut()
	case err != nil:
		return nil, err
	case session.User != who.User || !session.alive(s.now()):
		return nil, errSignedOut()
	}
	return session, nil
}

// key answers for an API key. Its authority is its maker's, of today, narrowed
// to the scopes the maker had when they made it: a demotion reaches the key, a
// promotion does not, and a maker who is no longer a member takes it along.
func (s *Service) key(ctx context.Context, token string) (Principal, error) {
	id, err := parseKey(token)
	if err != nil {
		return Principal{}, err
	}
	held, err := s.keys.Holder(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return Principal{}, errKey()
	}
	if err != nil {
		return Principal{}, err
	}
	now := s.now()
	if !held.opens(secret.Secret(token), now) {
		return Principal{}, errKey()
	}
	who, err := s.members.Resolve(ctx, held.CreatedBy, held.Tenant)
	if fault.Is(err, fault.NotFound) || err == nil && who.Grant != "" {
		return Principal{}, errKey() // a grant of access lets people in, not what they left behind
	}
	if err != nil {
		return Principal{}, err
	}
	who.Key, who.Granted = string(held.ID), held.Scopes
	if now.Sub(held.LastUsedAt) >= time.Minute {
		if err := s.keys.Touch(ctx, held.Tenant, held.ID, now.Truncate(time.Minute)); err != nil {
			return Principal{}, err
		}
	}
	return Principal{User: held.CreatedBy, Scope: &who, APIVersion: held.APIVersion}, nil
}

// person refuses a key where a person is needed: a key that could change its
// maker's password would be its maker.
func (p Principal) person() error {
	switch {
	case p.Session == "" && p.Scope != nil:
		return fault.New(fault.Forbidden, "key.not_a_person", "This needs a signed-in person, not an API key.")
	case p.Session == "" || p.User == "":
		return errRequired()
	}
	return nil
}

func errRequired() error {
	return fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
}

func errKey() error {
	return fault.New(fault.Unauthenticated, "key.invalid", "This API key is not valid.")
}
