// Package admin is the realm of those who run the installation.
//
// Operators are nobody's members and no users: they have their own accounts,
// their own sign-in, which always asks for a code, and their own sessions. A
// user's token opens nothing here, and an operator's opens nothing of a tenant
// but through what is here: to look at a tenant as its people see it, an
// operator acts as one of them, for half an hour, with a reason, and both names
// are in the audit.
//
// What an operator does is recorded in the operator's book, and, if it is about
// a tenant, in the tenant's own: nobody's plan or state changes unseen.
//
// Start with Service. signin.go has the door, operators.go the accounts,
// tenants.go and people.go what is done about others, impersonate.go acting as
// them, edge.go what holds for everybody.
package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// OperatorID names an operator, such as "opr_01jd…".
type OperatorID string

// SessionID names an operator's session, such as "ops_01jd…".
type SessionID string

// Who is an operator who signed in. The zero Who with By set is somebody at a
// shell of the machine, who needs no door.
type Who struct {
	ID      OperatorID
	Session SessionID
	Email   string
	By      string // "system" for a shell; empty for an operator
}

// Shell is whoever has the machine: they have the database and the key.
func Shell() Who { return Who{By: string(tenants.System)} }

func (w Who) actor() string {
	if w.By != "" {
		return w.By
	}
	return string(w.ID)
}

// allow is the one rule of this realm: whoever signed in as an operator may.
func (w Who) allow() error {
	if w.By == "" && (w.ID == "" || w.Session == "") {
		return errRequired()
	}
	return nil
}

// Codes are those of authenticator apps.
type Codes interface {
	Secret() []byte
	// Enrol returns the secret as people type it, as an address and as a picture (PNG).
	Enrol(account string, secret []byte) (typed, uri string, picture []byte, err error)
	// Step says of which step near now code is.
	Step(secret []byte, code string, now time.Time) (step int64, ok bool)
	Code(secret []byte, now time.Time) string
}

// Sealer keeps secrets unreadable at rest; row binds one to its place.
type Sealer interface {
	Seal(ctx context.Context, tenant tenants.ID, row string, plain []byte) ([]byte, error)
	Open(ctx context.Context, tenant tenants.ID, row string, sealed []byte) ([]byte, error)
}

// Deps is what a Service needs; every field is required.
type Deps struct {
	Store      Store
	Hasher     identity.Hasher
	Codes      Codes
	Sealer     Sealer
	AddressKey []byte // names mail addresses in counters
	Now        func() time.Time
}

// Service is the use cases of operators. It is safe for concurrent use.
type Service struct{ Deps }

// New returns a Service.
func New(d Deps) *Service { return &Service{d} }

// update runs fn and records e in the operator's book, and in the books of the
// tenants it is about.
func (s *Service) update(ctx context.Context, e audit.Entry, fn func(Tx) error, about ...tenants.ID) error {
	return s.Store.Update(ctx, func(tx Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		for _, tenant := range about {
			if err := tx.RecordIn(ctx, tenant, e); err != nil {
				return err
			}
		}
		return tx.Record(ctx, e)
	})
}

// A Hash is how a token is kept.
type Hash [sha256.Size]byte

func hash(token secret.Secret) Hash { return sha256.Sum256([]byte(token.Reveal())) }

// The prefixes of tokens, for people who find one in a log and for scanners.
// None opens the door of another.
const (
	SessionPrefix       = "cop_"
	ImpersonationPrefix = "cim_"
	linkPrefix          = "col_"
)

func newToken(prefix string) secret.Secret {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return secret.Secret(prefix + base64.RawURLEncoding.EncodeToString(b))
}

func wellFormed(prefix, token string) bool {
	rest, ok := strings.CutPrefix(token, prefix)
	return ok && len(rest) == base64.RawURLEncoding.EncodedLen(32)
}

// maxReason is the longest reason, in characters.
const maxReason = 500

// because refuses what gives no reason.
func because(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n < 3 || n > maxReason || !utf8.ValidString(reason) || strings.ContainsRune(reason, 0) {
		return "", fault.New(fault.Invalid, "operator.reason", "Say why, in 3 to %d characters. It is recorded.", maxReason).On("/reason")
	}
	return reason, nil
}

func errRequired() error {
	return fault.New(fault.Unauthenticated, "operator.required", "Please sign in as an operator.")
}

// Missing is the answer to the name of a block, flag, grant, impersonation,
// override, tenant or user that is not there.
func Missing(what string) *fault.Error {
	switch what {
	case "block":
		return fault.New(fault.NotFound, "block.not_found", "There is no such block.")
	case "flag":
		return fault.New(fault.NotFound, "flag.not_found", "There is no such flag.")
	case "grant":
		return fault.New(fault.NotFound, "grant.not_found", "There is no such grant.")
	case "impersonation":
		return fault.New(fault.NotFound, "impersonation.not_found", "There is no such impersonation.")
	case "override":
		return fault.New(fault.NotFound, "override.not_found", "This flag is nothing of this tenant's own.")
	case "tenant":
		return fault.New(fault.NotFound, "tenant.not_found", "There is no such tenant.")
	}
	return fault.New(fault.NotFound, "user.not_found", "There is no such user.")
}

func newOperatorID(now time.Time) OperatorID { return OperatorID(id.At("opr", now)) }
