package identity

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// MaxPasskeys is how many passkeys a person can have.
const MaxPasskeys = 20

// PasskeyID names a passkey, such as "pky_01jd…".
type PasskeyID string

// Passkey is a key pair of a person's device, as it is kept: the public half.
type Passkey struct {
	ID         PasskeyID
	User       tenants.UserID
	Name       string
	Party      string // the relying party it was made for; it works nowhere else
	Credential []byte // as the device calls it
	Record     []byte // what checks its answers, and its counter
	CreatedAt  time.Time
	UsedAt     time.Time // zero: never
	SuspectAt  time.Time // its counter went back: there may be a copy, and it no longer works
}

// Party is who asks for passkeys: one for each host that people sign in at.
type Party struct {
	ID      string   // the host, such as "app.example.org"
	Name    string   // what devices show
	Origins []string // where its pages come from, such as "https://app.example.org"
}

// Passkeys is the ceremonies of WebAuthn. Options, answers and states are JSON:
// the first go to the browser, the second come from it, and the third are kept
// between the two.
type Passkeys interface {
	// Create asks for a new passkey of user; not on a device that has one of have.
	Create(p Party, user *User, have []Passkey) (options, state []byte, err error)
	// Created returns fault.Invalid for an answer that does not fit.
	Created(p Party, user *User, state, answer []byte) (credential, record []byte, err error)
	// Ask asks for one of have or, without a user, for any.
	Ask(p Party, user *User, have []Passkey) (options, state []byte, err error)
	// Named says which credential an answer is of, and proves nothing.
	Named(answer []byte) (credential []byte, err error)
	// Check returns what is to be kept of k from now on, or fault.Invalid for an
	// answer that does not fit; suspect if k's counter went back.
	Check(p Party, k *Passkey, state, answer []byte) (record []byte, suspect bool, err error)
}

// of returns those of list that work at a party.
func of(p Party, list []Passkey) []Passkey {
	return slices.DeleteFunc(slices.Clone(list), func(k Passkey) bool { return k.Party != p.ID || !k.SuspectAt.IsZero() })
}

func (s *Service) party(ctx context.Context, from Client) (Party, error) {
	return s.proofs.Party(ctx, from.Host)
}

// asks is party where one is needed.
func (s *Service) asks(ctx context.Context, from Client) (Party, error) {
	p, err := s.party(ctx, from)
	if err == nil && p.ID == "" {
		return p, fault.New(fault.Conflict, "passkey.no_host", "Passkeys need a name to be made for, and this address is none.")
	}
	return p, err
}

// BeginPasskey asks for a new passkey of who, for the host they are at.
func (s *Service) BeginPasskey(ctx context.Context, who Principal, from Client) (*Asked, error) {
	if err := s.SteppedUp(ctx, who); err != nil {
		return nil, err
	}
	held, err := s.held(ctx, who.User)
	if err != nil {
		return nil, err
	}
	if len(held.Passkeys) >= MaxPasskeys {
		return nil, errManyPasskeys()
	}
	party, err := s.asks(ctx, from)
	if err != nil {
		return nil, err
	}
	c := &Challenge{Question: AskEnrol, User: who.User, Session: who.Session, Party: party.ID}
	var options []byte
	if options, c.State, err = s.proofs.Passkeys.Create(party, &held.User, of(party, held.Passkeys)); err != nil {
		return nil, err
	}
	return s.keep(ctx, c, []Method{ByPasskey}, options)
}

// AddPasskey keeps the passkey that answers BeginPasskey, and returns recovery
// codes if the person had none.
func (s *Service) AddPasskey(ctx context.Context, who Principal, from Client, token secret.Secret, name string, answer []byte) (*Passkey, []secret.Secret, error) {
	if err := s.SteppedUp(ctx, who); err != nil {
		return nil, nil, err
	}
	name = strings.TrimSpace(name)
	if err := checkName(name); err != nil {
		return nil, nil, err
	}
	c, party, err := s.ceremony(ctx, from, AskEnrol, token)
	if err != nil {
		return nil, nil, err
	}
	if c.User != who.User || c.Session != who.Session {
		return nil, nil, errChallenge()
	}
	user, err := s.user(ctx, who.User)
	if err != nil {
		return nil, nil, err
	}
	k := &Passkey{ID: PasskeyID(id.At("pky", s.now())), User: user.ID, Name: name, Party: party.ID, CreatedAt: s.now()}
	if k.Credential, k.Record, err = s.proofs.Passkeys.Created(party, user, c.State, answer); err != nil {
		return nil, nil, err
	}
	codes, err := s.addPasskey(ctx, c, k)
	return k, codes, err
}

func (s *Service) addPasskey(ctx context.Context, c *Challenge, k *Passkey) (codes []secret.Secret, err error) {
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := s.take(ctx, tx, c); err != nil {
			return err
		}
		if _, err := tx.Guard(ctx, s.guardKey("factors", string(k.User))); err != nil { // one at a time
			return err
		}
		list, err := tx.Passkeys(ctx, k.User)
		if err != nil {
			return err
		}
		if len(list) >= MaxPasskeys {
			return errManyPasskeys()
		}
		if err := tx.AddPasskey(ctx, k); err != nil {
			return err
		}
		codes, err = s.gain(ctx, tx, k.User, PasskeyAdded)
		return err
	})
	return codes, err
}

// RenamePasskey gives a passkey of who another name.
func (s *Service) RenamePasskey(ctx context.Context, who Principal, name PasskeyID, to string) (k *Passkey, err error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	to = strings.TrimSpace(to)
	if err := checkName(to); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		if k, err = own(ctx, tx, who, name); err != nil {
			return err
		}
		k.Name = to
		if err := tx.SavePasskey(ctx, k); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "passkey.rename", string(name)))
	})
	return k, err
}

// RemovePasskey takes a passkey off the account of who.
func (s *Service) RemovePasskey(ctx context.Context, who Principal, name PasskeyID) error {
	if err := s.SteppedUp(ctx, who); err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error {
		if _, err := own(ctx, tx, who, name); err != nil {
			return err
		}
		if err := tx.DropPasskey(ctx, who.User, name); err != nil {
			return err
		}
		return s.lose(ctx, tx, who.User, PasskeyRemoved)
	})
}

// own returns a passkey of who. Another person's is not found.
func own(ctx context.Context, tx Tx, who Principal, name PasskeyID) (*Passkey, error) {
	list, err := tx.Passkeys(ctx, who.User)
	if err != nil {
		return nil, err
	}
	for _, k := range list {
		if k.ID == name {
			return &k, nil
		}
	}
	return nil, fault.New(fault.NotFound, "not_found", "There is no such thing.")
}

func errManyPasskeys() error {
	return fault.New(fault.Conflict, "passkey.too_many", "Remove a passkey first: %d is the most.", MaxPasskeys)
}
