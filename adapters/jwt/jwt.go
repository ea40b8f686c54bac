// Package jwt writes and reads the access tokens of sessions as JWTs (RFC 9068).
//
// A token says who and in which session, and nothing about what they may do:
// that is read from the database on each request. The algorithm is fixed, so a
// token cannot choose how it is checked, and key, type and audience are the
// session's own, so a token made for another purpose is noise here.
package jwt

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// What every token of ours says about itself.
const (
	tokenType = "at+jwt" // RFC 9068, 2.1
	issuer    = "carillon"
	audience  = "carillon:api"
)

// Signer signs and reads tokens. It is safe for concurrent use.
type Signer struct {
	current string
	keys    map[string][]byte // by name, see keyName
	parser  *jwt.Parser
}

// New returns a signer over a key of 32 bytes that is used for nothing else.
// What others signed counts, too: keys that came before, and those to come. A
// token names its key.
func New(key []byte, now func() time.Time, others ...[]byte) *Signer {
	s := &Signer{current: keyName(key), keys: map[string][]byte{keyName(key): key}}
	for _, other := range others {
		s.keys[keyName(other)] = other
	}
	s.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithTimeFunc(now),
		jwt.WithStrictDecoding(),
	)
	return s
}

// keyName tells keys apart and says nothing about one.
func keyName(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("kid"))
	return hex.EncodeToString(mac.Sum(nil)[:6])
}

type claims struct {
	Session string `json:"sid"`
	jwt.RegisteredClaims
}

// Sign implements identity.Tokens.
func (s *Signer) Sign(c identity.Claims) (secret.Secret, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{string(c.Session), jwt.RegisteredClaims{
		Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: string(c.User), ExpiresAt: jwt.NewNumericDate(c.Expires),
	}})
	token.Header["typ"], token.Header["kid"] = tokenType, s.current
	signed, err := token.SignedString(s.keys[s.current])
	return secret.Secret(signed), err
}

// named is the key that a token names. A token of before they did is the current
// one's, or nobody's.
func (s *Signer) named(kid any) ([]byte, error) {
	if kid == nil {
		kid = s.current
	}
	name, _ := kid.(string)
	key := s.keys[name]
	if key == nil {
		return nil, errors.New("jwt: of another key")
	}
	return key, nil
}

// Read implements identity.Tokens.
func (s *Signer) Read(token string) (identity.Claims, error) {
	var c claims
	t, err := s.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != tokenType {
			return nil, errors.New("jwt: of another type")
		}
		return s.named(t.Header["kid"])
	})
	if errors.Is(err, jwt.ErrTokenExpired) {
		return identity.Claims{}, fault.New(fault.Unauthenticated, "token.expired", "This access token has expired.")
	}
	if err != nil || !t.Valid || !id.Is("usr", c.Subject) || !id.Is("ses", c.Session) {
		return identity.Claims{}, fault.New(fault.Unauthenticated, "token.invalid", "This access token is not valid.").Because(err)
	}
	return identity.Claims{User: tenants.UserID(c.Subject), Session: identity.SessionID(c.Session), Expires: c.ExpiresAt.Time}, nil
}
