package identity

import (
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants/audit"
)

// StepUpTTL is for how long a person who proved who they are may do what is
// asked only of somebody who just did.
const StepUpTTL = 10 * time.Minute

// SteppedUp returns fault.Forbidden with reason stepup.required for a person who
// last proved who they are too long ago, and for who is no person.
func (s *Service) SteppedUp(_ context.Context, who Principal) error {
	if err := who.person(); err != nil {
		return err
	}
	if s.now().Sub(who.AuthenticatedAt) >= StepUpTTL {
		return fault.New(fault.Forbidden, "stepup.required", "Please prove once more that it is you, then try again. It counts for ten minutes.")
	}
	return nil
}

// AskStepUp says how who can prove once more who they are, and asks for it: by
// a second factor, or the password of a person who has none. A person with
// neither signs in again where they did.
func (s *Service) AskStepUp(ctx context.Context, who Principal, from Client) (*Asked, error) {
	held, err := s.Factors(ctx, who)
	if err != nil {
		return nil, err
	}
	asked, err := s.askOwner(ctx, from, held, &Challenge{Question: AskStepUp, User: who.User, Session: who.Session})
	if err != nil || held.second() {
		return asked, err
	}
	cred, err := s.credential(ctx, held.User.Email)
	if err != nil {
		return nil, err
	}
	asked.Methods = []Method{ByIdentity}
	if len(cred.Hashes) > 0 {
		asked.Methods = []Method{ByPassword}
	}
	return asked, nil
}

// StepUp renews that the person in this session is who they are, and returns
// until when that counts. A passkey answers the question that token names; the
// others need none. It returns fault.Invalid for a wrong answer.
func (s *Service) StepUp(ctx context.Context, who Principal, from Client, token secret.Secret, p Proof) (until time.Time, err error) {
	held, err := s.Factors(ctx, who)
	if err != nil {
		return time.Time{}, err
	}
	c := &Challenge{User: who.User}
	if p.Method == ByPasskey {
		if c, err = s.asked(ctx, AskStepUp, token); err != nil {
			return time.Time{}, err
		}
		if c.Session != who.Session {
			return time.Time{}, errChallenge()
		}
	}
	if !held.second() && p.Method == ByPassword {
		err = s.proveOwnPassword(ctx, who, held.User.Email, p.Password, "/password")
	} else {
		err = s.proveSecond(ctx, from, c, string(who.Session), p)
	}
	if err != nil {
		return time.Time{}, err
	}
	return s.renewed(ctx, who, p.Method, func(tx Tx) error {
		if c.Question == "" {
			return nil
		}
		return s.take(ctx, tx, c)
	})
}

// renewed writes into the session of who that they proved who they are by how.
// Signing in again at a provider ends here, too.
func (s *Service) renewed(ctx context.Context, who Principal, how Method, along func(Tx) error) (until time.Time, err error) {
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := along(tx); err != nil {
			return err
		}
		session, err := tx.Session(ctx, who.Session)
		if err != nil || session.User != who.User {
			return errSignedOut()
		}
		session.AuthenticatedAt = s.now()
		if !slices.Contains(session.Methods, how) {
			session.Methods = append(session.Methods, how)
		}
		until = session.AuthenticatedAt.Add(StepUpTTL)
		if err := tx.SaveSession(ctx, session); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "session.step_up", string(session.ID), "method", string(how)))
	})
	return until, err
}

// proveOwnPassword compares the password of somebody who is signed in. Their
// tries are counted by session: a stranger at the door uses up none of them.
func (s *Service) proveOwnPassword(ctx context.Context, who Principal, address string, password secret.Secret, pointer string) error {
	wrong := fault.New(fault.Invalid, "password.wrong", "The current password is wrong.").On(pointer)
	if tooLong(password) {
		return wrong
	}
	cred, used, err := s.attempt(ctx, address, func(Tx, Credential) ([]counter, error) {
		return []counter{{key: s.guardKey("session", string(who.Session)), pace: signIn}}, nil
	})
	if err != nil {
		return err
	}
	if _, err := s.confirm(ctx, used, cred.Hashes, password); fault.Is(err, fault.Unauthenticated) {
		return wrong
	} else if err != nil {
		return err
	}
	return s.forgive(ctx, used)
}

func (s *Service) credential(ctx context.Context, address string) (cred Credential, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		cred, err = tx.Credential(ctx, address, s.now())
		return err
	})
	return cred, err
}
