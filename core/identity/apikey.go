package identity

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// KeyID names an API key, such as "key_01jd…".
type KeyID string

// A Key is an API key as its tenant sees it; the secret is not among it.
type Key struct {
	ID         KeyID
	Name       string
	Scopes     []tenants.Action // what it is narrowed to; sorted, at least one
	CreatedBy  tenants.UserID   // whose authority it borrows
	Role       tenants.Role     // theirs at that time, for the record
	APIVersion string           // the date the key is pinned to, such as "2026-11-01"
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // to the minute; zero: never
	RevokedAt  time.Time // zero: in use
}

// NewKey is what a member says to get a key.
type NewKey struct {
	Name      string
	Scopes    []tenants.Action
	ExpiresAt time.Time // zero: never
}

// IssuedKey is a key and its secret, which nobody can show again.
type IssuedKey struct {
	Key
	Secret secret.Secret // the whole bearer token, "car_live_…"
}

// Holder is what is needed to let a key in.
type Holder struct {
	Key
	Hash   Hash
	Tenant tenants.ID
}

// opens reports whether token is this key's and the key is still good.
func (h *Holder) opens(token secret.Secret, now time.Time) bool {
	sum := hash(token)
	return subtle.ConstantTimeCompare(sum[:], h.Hash[:]) == 1 && h.live(now)
}

func (k *Key) live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// Limits of keys.
const (
	MaxKeys   = 100 // that work, in one tenant
	MaxScopes = 100
	maxAhead  = 5 * 365 * 24 * time.Hour
)

// check returns n with its name and scopes in the form they are kept in. An
// empty list is refused: in a scope it would mean everything.
func (n NewKey) check(now time.Time) (NewKey, error) {
	n.Name = strings.TrimSpace(n.Name)
	if err := checkName(n.Name); err != nil {
		return n, err
	}
	n.Scopes = slices.Compact(slices.Sorted(slices.Values(n.Scopes)))
	switch {
	case len(n.Scopes) == 0:
		return n, fault.New(fault.Invalid, "key.no_scopes", "Choose at least one thing the key may do.").On("/scopes")
	case len(n.Scopes) > MaxScopes:
		return n, fault.New(fault.Invalid, "key.too_many_scopes", "At most %d scopes.", MaxScopes).On("/scopes")
	case !n.ExpiresAt.IsZero() && (!n.ExpiresAt.After(now) || n.ExpiresAt.Sub(now) > maxAhead):
		return n, fault.New(fault.Invalid, "key.expiry", "Choose a time in the future, at most five years away.").On("/expires_at")
	}
	return n, nil
}

// A key reads car_<mode>_<name>_<secret>: greppable, known to secret scanners
// by its start, found by its name and proven by its 256-bit secret. A stolen
// database holds only the SHA-256 of it, which 256 random bits make hopeless to
// reverse; a slow hash would only slow down each request.
const (
	keyPrefix = "car_"
	keyMode   = "live"
)

// Prefix is how the key's token begins: its public part, by which a person
// who finds it in a log can tell which key it is.
func (k *Key) Prefix() string {
	return keyPrefix + keyMode + "_" + strings.TrimPrefix(string(k.ID), "key_") + "_"
}

// parseKey returns the name in a key's token.
func parseKey(token string) (KeyID, error) {
	rest, ok := strings.CutPrefix(token, keyPrefix+keyMode+"_")
	digits, tail, found := strings.Cut(rest, "_")
	name := "key_" + digits
	if !ok || !found || !id.Is("key", name) || !isDigits(tail) {
		return "", errKey()
	}
	return KeyID(name), nil
}
