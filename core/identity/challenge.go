package identity

import (
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// ChallengeTTL is how long a question waits for its answer.
const ChallengeTTL = 5 * time.Minute

// Question is what a challenge asks for. The answer to one is noise at every
// other.
type Question string

// The questions.
const (
	AskSecond  Question = "second"   // the second factor of a sign-in
	AskStepUp  Question = "step_up"  // once more who one is, in a session
	AskPasskey Question = "passkey"  // any passkey, of whoever it is
	AskEnrol   Question = "enrolled" // a new passkey, in a session
)

const challengePrefix = "cch_"

// Challenge is a question as it is kept. It is bound to what it was asked for:
// a person, a session, a party; and is answered once.
type Challenge struct {
	Hash      Hash // of the token that names it
	Question  Question
	User      tenants.UserID // empty: whoever answers
	Session   SessionID      // empty: there is none yet
	First     Method         // with AskSecond, what was proven before
	Party     string         // whose passkeys can answer; empty: none can
	State     []byte         // of the passkey ceremony
	ExpiresAt time.Time
}

// Asked is a question as who is to answer it holds it.
type Asked struct {
	Token     secret.Secret // names the question; for one answer
	Methods   []Method      // what can be answered with, best first
	Passkey   []byte        // what a browser needs to ask for a passkey, as JSON; nil: none is asked for
	ExpiresAt time.Time
}

// Proof is an answer.
type Proof struct {
	Method   Method
	Password secret.Secret // ByPassword
	Code     secret.Secret // ByTOTP, ByRecovery
	Passkey  []byte        // ByPasskey: what the browser said, as JSON
}

// keep keeps a question.
func (s *Service) keep(ctx context.Context, c *Challenge, methods []Method, options []byte) (*Asked, error) {
	token := newToken(challengePrefix)
	c.Hash, c.ExpiresAt = hash(token), s.now().Add(ChallengeTTL)
	if err := s.store.Update(ctx, func(tx Tx) error { return tx.AddChallenge(ctx, c) }); err != nil {
		return nil, err
	}
	return &Asked{Token: token, Methods: methods, Passkey: options, ExpiresAt: c.ExpiresAt}, nil
}

// askSecond asks a person who proved first for something else.
func (s *Service) askSecond(ctx context.Context, from Client, held *Held, first Method) (*Asked, error) {
	return s.askOwner(ctx, from, held, &Challenge{Question: AskSecond, User: held.User.ID, First: first})
}

// askOwner asks for a factor of a person who is known.
func (s *Service) askOwner(ctx context.Context, from Client, held *Held, c *Challenge) (*Asked, error) {
	party, err := s.party(ctx, from)
	if err != nil {
		return nil, err
	}
	methods := held.methods(party)
	var options []byte
	if slices.Contains(methods, ByPasskey) {
		c.Party = party.ID
		if options, c.State, err = s.proofs.Passkeys.Ask(party, &held.User, of(party, held.Passkeys)); err != nil {
			return nil, err
		}
	}
	return s.keep(ctx, c, methods, options)
}

// asked returns the question behind a token, if it is still open.
func (s *Service) asked(ctx context.Context, q Question, token secret.Secret) (c *Challenge, err error) {
	if !wellFormed(challengePrefix, token.Reveal()) {
		return nil, errChallenge()
	}
	err = s.store.View(ctx, func(tx Tx) error {
		c, err = tx.Challenge(ctx, q, hash(token), s.now())
		return err
	})
	return c, challengeOr(err)
}

// take closes a question: of two answers at once, one comes too late.
func (s *Service) take(ctx context.Context, tx Tx, c *Challenge) error {
	return challengeOr(tx.TakeChallenge(ctx, c.Question, c.Hash, s.now()))
}

// Answer ends a sign-in that was asked for a second factor. It returns
// fault.Unauthenticated for a question that is not open, and fault.Invalid for
// a wrong answer, which the question survives.
func (s *Service) Answer(ctx context.Context, from Client, token secret.Secret, p Proof) (*SignedIn, error) {
	c, err := s.asked(ctx, AskSecond, token)
	if err != nil {
		return nil, err
	}
	lane, err := s.lane(ctx, from, c.User)
	if err != nil {
		return nil, err
	}
	if err := s.proveSecond(ctx, from, c, lane, p); err != nil {
		return nil, err
	}
	return s.enter(ctx, from, c.User, []Method{c.First, p.Method}, func(tx Tx) error { return s.take(ctx, tx, c) })
}

// proveSecond proves a person's second factor. A passkey answers c alone.
func (s *Service) proveSecond(ctx context.Context, from Client, c *Challenge, lane string, p Proof) error {
	switch p.Method {
	case ByTOTP:
		return s.proveCode(ctx, c.User, lane, p.Code)
	case ByRecovery:
		return s.proveRecovery(ctx, c.User, lane, p.Code)
	case ByPasskey:
		_, err := s.provePasskey(ctx, from, c, p.Passkey)
		return err
	}
	return fault.New(fault.Invalid, "challenge.method", "This cannot be answered that way.").On("/method")
}

func challengeOr(err error) error {
	if fault.Is(err, fault.NotFound) {
		return errChallenge()
	}
	return err
}

func errChallenge() error {
	return fault.New(fault.Unauthenticated, "challenge.closed", "This took too long, or was answered already. Please sign in again.")
}
