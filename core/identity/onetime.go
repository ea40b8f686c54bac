package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// Hash is how a random token is kept. Tokens here are 256 random bits, which
// cannot be guessed, so a fast hash is enough; passwords go through Hasher.
type Hash [sha256.Size]byte

func hash(token secret.Secret) Hash { return sha256.Sum256([]byte(token.Reveal())) }

// Purpose is the door a one-time token opens.
type Purpose string

// The purposes.
const (
	ForVerify Purpose = "verify"
	ForReset  Purpose = "reset"
	ForDisown Purpose = "disown" // a session that is not one's own
)

// Lifetimes of one-time tokens, from when the letter is written.
const (
	VerifyTTL = 24 * time.Hour
	ResetTTL  = 30 * time.Minute
	DisownTTL = 7 * 24 * time.Hour
	InviteTTL = 24 * time.Hour
)

// OneTime is a token that was mailed, as it is kept.
type OneTime struct {
	Hash      Hash
	Purpose   Purpose
	Subject   string // a PendingID to verify, a user's name to reset, a SessionID to disown
	ExpiresAt time.Time
}

// The prefixes of tokens, for people who find one in a log and for scanners.
const (
	verifyPrefix  = "cvf_"
	resetPrefix   = "crs_"
	refreshPrefix = "crt_"
	disownPrefix  = "cds_"
)

// doors is every purpose, and what its tokens are like.
var doors = map[Purpose]struct {
	prefix string
	ttl    time.Duration
}{
	ForVerify: {verifyPrefix, VerifyTTL},
	ForReset:  {resetPrefix, ResetTTL},
	ForDisown: {disownPrefix, DisownTTL},
}

func (p Purpose) prefix() string { return doors[p].prefix }

func (p Purpose) ttl() time.Duration { return doors[p].ttl }

// mint returns a fresh token and the record of it.
func mint(p Purpose, subject string, now time.Time) (secret.Secret, *OneTime) {
	token := newToken(p.prefix())
	return token, &OneTime{Hash: hash(token), Purpose: p, Subject: subject, ExpiresAt: now.Add(p.ttl())}
}

// invite mints what lets user choose a first password. It opens the same door
// as a reset, for longer: nobody asked for it, so nobody waits for it.
func invite(user tenants.UserID, now time.Time) (secret.Secret, *OneTime) {
	token, one := mint(ForReset, string(user), now)
	one.ExpiresAt = now.Add(InviteTTL)
	return token, one
}

// tokenSize is the length of a token after its prefix: 256 bits in base 32.
const tokenSize = 52

const base32 = "0123456789abcdefghjkmnpqrstvwxyz"

func newToken(prefix string) secret.Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return secret.Secret(prefix + encode(b))
}

// encode writes 256 bits in Crockford's base 32, which survives being read
// aloud, selected with a double click and put in a URL.
func encode(b [32]byte) string {
	var out strings.Builder
	var acc uint64
	bits := 0
	for _, c := range b {
		acc, bits = acc<<8|uint64(c), bits+8
		for bits >= 5 {
			bits -= 5
			out.WriteByte(base32[acc>>bits&31])
		}
	}
	out.WriteByte(base32[acc<<(5-bits)&31])
	return out.String()
}

// wellFormed reports whether token could have been made by newToken(prefix).
func wellFormed(prefix, token string) bool {
	digits, ok := strings.CutPrefix(token, prefix)
	return ok && isDigits(digits)
}

func isDigits(s string) bool {
	if len(s) != tokenSize {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(base32, s[i]) < 0 {
			return false
		}
	}
	return true
}

// errLink answers for every link that does not work, whatever the reason.
func errLink() error {
	return fault.New(fault.Invalid, "link.invalid", "This link has expired or was already used. Ask for a new one.").On("/token")
}
