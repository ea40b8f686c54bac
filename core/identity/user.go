package identity

import (
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// A User is a person whose address is known to be theirs.
type User struct {
	ID        tenants.UserID
	Email     string // as Address returns it
	Name      string
	Home      tenants.ID // the agency made for them; empty until it exists
	CreatedAt time.Time
	// ShortPassword is set while the password is too short to be the only factor.
	ShortPassword bool
}

// PendingID names a registration.
type PendingID string

// Pending is a registration that waits for its link to be followed.
type Pending struct {
	ID        PendingID
	User      tenants.UserID // who they will be
	Email     string         // as Address returns it
	Name      string
	Hash      string // of the password
	CreatedAt time.Time
	ExpiresAt time.Time
}

func newPending(r Registration, hash string, now time.Time) *Pending {
	return &Pending{
		ID: PendingID(id.At("reg", now)), User: tenants.UserID(id.At("usr", now)),
		Email: r.Email, Name: r.Name, Hash: hash, CreatedAt: now, ExpiresAt: now.Add(VerifyTTL),
	}
}

func (p *Pending) user(now time.Time) *User {
	return &User{ID: p.User, Email: p.Email, Name: p.Name, CreatedAt: now}
}

// Credential is what an address signs in with. The zero value is nobody's.
type Credential struct {
	User     tenants.UserID
	Hashes   []string  // of the password, if there is one; of registrations, each one's
	Verified bool      // it is a user's
	Pending  PendingID // it is a registration's, and the only one alive
}

// MaxName is the longest name of a person or a key, in characters.
const MaxName = 100

// check returns r with its address and name in the form they are kept in.
func (r Registration) check() (Registration, error) {
	address, err := Address(r.Email)
	if err != nil {
		return r, err
	}
	r.Email, r.Name = address, strings.TrimSpace(r.Name)
	if err := checkName(r.Name); err != nil {
		return r, err
	}
	return r, checkPassword(r.Password, r.Email, "/password", MinPassword)
}

func checkName(name string) error {
	switch {
	case name == "":
		return fault.New(fault.Invalid, "name.empty", "Please give a name.").On("/name")
	case utf8.RuneCountInString(name) > MaxName:
		return fault.New(fault.Invalid, "name.too_long", "At most %d characters.", MaxName).On("/name")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fault.New(fault.Invalid, "name.characters", "The name contains characters that cannot be shown.").On("/name")
	}
	return nil
}

// maxAddress is the longest mail address (RFC 5321, 4.5.3.1.3).
const maxAddress = 254

// Address returns a mail address in the form it is kept and compared in: bare,
// lower case, ASCII. Two spellings that differ in case are one person; look-alikes
// from other alphabets are refused rather than told apart.
func Address(text string) (string, error) {
	bad := fault.New(fault.Invalid, "email.invalid", "This does not look like an e-mail address.").On("/email")
	text = strings.ToLower(strings.TrimSpace(text))
	if len(text) > maxAddress || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", bad
	}
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text {
		return "", bad
	}
	_, domain, _ := strings.Cut(text, "@")
	if !strings.Contains(domain, ".") || strings.ContainsAny(text, "\"[]%") {
		return "", bad
	}
	return text, nil
}
