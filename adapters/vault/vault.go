// Package vault holds the master key and everything that is made from it.
//
// The master key comes from the environment or a file, never from the
// database, and is used for nothing but deriving: one key per purpose, so that
// a thing made for one door is noise at every other. Deriving is one-way; a
// purpose's key that leaks gives away neither the master nor its siblings.
//
// Start with Key.
package vault

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// KeySize is the length of the master key and of every derived key, in bytes.
const KeySize = 32

// What keys are for. A name is part of the derivation: changing one voids
// everything made with it.
const (
	Session     = "session"      // access tokens
	Refresh     = "refresh"      // the next refresh token of a session
	Address     = "address"      // names of mail addresses in counters
	Operators   = "operators"    // the same, where operators sign in
	SignIn      = "sign-in"      // the round trip to a provider that signs people in
	Cursor      = "cursor"       // pages of lists
	Gateway     = "gateway"      // media for a plugin, for one call
	EventTicket = "event-ticket" // opening an event stream
	Download    = "download"     // fetching one archive
	DataKeys    = "data-keys"    // the tenants' data keys, at rest
	Pseudonym   = "pseudonym"    // tenants' names as plugins see them
	Audit       = "audit"        // signs the heads of audit chains
	Database    = "database"     // passwords of the serving logins
)

// Purposes lists every purpose once.
func Purposes() []string {
	return []string{Session, Refresh, Address, Operators, SignIn, Cursor, Gateway, EventTicket, Download, DataKeys, Pseudonym, Audit, Database}
}

// Vault derives keys. It is safe for concurrent use.
type Vault struct{ master []byte }

// New returns a vault over a master key of KeySize bytes, as ParseKey reads it.
func New(master []byte) *Vault { return &Vault{master: append([]byte(nil), master...)} }

// ParseKey reads a master key from configuration: KeySize bytes in base64,
// with or without padding. Its errors do not repeat the text.
func ParseKey(text string) ([]byte, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	key, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		key, err = base64.RawURLEncoding.Strict().DecodeString(text)
	}
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("the master key must be %d random bytes in base64; make one with: openssl rand -base64 %d", KeySize, KeySize)
	}
	return key, nil
}

// ParseNumbered reads a master key that may say which one it is, as in
// "2:<base64>". The first one's number is 1 and need not be said.
func ParseNumbered(text string) (number int, key []byte, err error) {
	number = 1
	if head, rest, ok := strings.Cut(strings.TrimSpace(text), ":"); ok {
		if number, err = strconv.Atoi(head); err != nil || number < 1 || number > math.MaxInt32 {
			return 0, nil, errors.New("what stands before the colon must be the key's number, from 1")
		}
		text = rest
	}
	key, err = ParseKey(text)
	return number, key, err
}

// Key returns the KeySize bytes for purpose: HKDF-SHA256 (RFC 5869) of the
// master with the purpose as its info. The same purpose always gets the same key.
func (v *Vault) Key(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, v.master, nil, "carillon/v1/"+purpose, KeySize)
	if err != nil {
		// Only an output length over 8,160 bytes or a master under FIPS 140's
		// minimum is refused; neither can come from ParseKey.
		panic(fmt.Sprintf("vault: derive %s: %v", purpose, err))
	}
	return key
}

// Format implements fmt.Formatter and keeps the master out of logs.
func (*Vault) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("vault")) }
