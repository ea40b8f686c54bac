package identity

import (
	"time"

	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// What a member may be allowed to do with keys.
const (
	ActKeyRead   tenants.Action = "key.read"
	ActKeyManage tenants.Action = "key.manage"
)

// KeyID names an API key, such as "key_01jd…".
type KeyID string

// A Key is an API key as its tenant sees it; the secret is not among it.
type Key struct {
	ID         KeyID
	Name       string
	Hint       string           // the last four characters of the secret
	Scopes     []tenants.Action // what it is narrowed to; at least one
	CreatedBy  tenants.UserID   // whose authority it borrows
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
