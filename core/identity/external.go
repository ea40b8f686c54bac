package identity

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// ExternalID names an External, such as "idn_01jd…".
type ExternalID string

// An External is an account elsewhere that signs a user in. It is that account
// by issuer and subject and nothing else: an address can change hands, and a
// provider's word for one is only as good as the provider.
type External struct {
	ID        ExternalID
	User      tenants.UserID
	Provider  string // as it was configured when this was linked
	Issuer    string
	Subject   string
	Email     string // as the provider had it then, for the owner to tell two apart; may be empty
	CreatedAt time.Time
	UsedAt    time.Time // the last sign-in with it; zero: none yet
}

func newExternal(user tenants.UserID, provider string, who Assertion, now time.Time) *External {
	return &External{
		ID: ExternalID(id.At("idn", now)), User: user, Provider: provider,
		Issuer: who.Issuer, Subject: who.Subject, Email: shown(who.Email, maxAddress), CreatedAt: now,
	}
}

// newcomer is the person that a provider vouches for. It returns
// fault.Forbidden unless the provider has confirmed the address: whoever may
// write any address into a profile must not get its account.
func newcomer(who Assertion, now time.Time) (*User, error) {
	address, err := Address(who.Email)
	if err != nil || !who.EmailVerified {
		return nil, fault.New(fault.Forbidden, "identity.email_unverified",
			"The provider has not confirmed an e-mail address of yours. Confirm it there, or register with a password and link the account then.")
	}
	name := strings.TrimSpace(shown(who.Name, 4*MaxName))
	if checkName(name) != nil {
		name, _, _ = strings.Cut(address, "@")
	}
	return &User{ID: tenants.UserID(id.At("usr", now)), Email: address, Name: firstOf(name, MaxName), CreatedAt: now}, nil
}

// shown is text of somebody else's, of at most n bytes, without what cannot be.
func shown(text string, n int) string {
	if !utf8.ValidString(text) || len(text) > n {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}

func firstOf(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
