package identity

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// BeginPasskeyLogin asks whoever is there for a passkey of theirs. It needs no
// address and tells nothing.
func (s *Service) BeginPasskeyLogin(ctx context.Context, from Client) (*Asked, error) {
	party, err := s.asks(ctx, from)
	if err != nil {
		return nil, err
	}
	options, state, err := s.proofs.Passkeys.Ask(party, nil, nil)
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, &Challenge{Question: AskPasskey, Party: party.ID, State: state}, []Method{ByPasskey}, options)
}

// PasskeyLogin opens a session for who answers BeginPasskeyLogin. It returns
// fault.Unauthenticated for a question that is not open, and fault.Invalid for
// an answer that does not fit, whatever is wrong with it.
func (s *Service) PasskeyLogin(ctx context.Context, from Client, token secret.Secret, answer []byte) (*Entry, error) {
	c, _, err := s.ceremony(ctx, from, AskPasskey, token)
	if err != nil {
		return nil, err
	}
	k, err := s.provePasskey(ctx, from, c, answer)
	if err != nil {
		return nil, err
	}
	if err := s.store.Update(ctx, func(tx Tx) error { return s.take(ctx, tx, c) }); err != nil {
		return nil, err
	}
	return s.finish(ctx, from, k.User, ByPasskey)
}

// ceremony returns an open question for a passkey, and who asks: the party of
// the host that the answer came to must be the one that the question was for.
func (s *Service) ceremony(ctx context.Context, from Client, q Question, token secret.Secret) (*Challenge, Party, error) {
	c, err := s.asked(ctx, q, token)
	if err != nil {
		return nil, Party{}, err
	}
	party, err := s.asks(ctx, from)
	if err != nil {
		return nil, Party{}, err
	}
	if party.ID != c.Party {
		return nil, Party{}, errChallenge()
	}
	return c, party, nil
}

// provePasskey checks an answer to c and keeps the counter it came with. One
// whose counter went back may be a copy: it opens nothing from then on.
func (s *Service) provePasskey(ctx context.Context, from Client, c *Challenge, answer []byte) (k *Passkey, err error) {
	party, err := s.asks(ctx, from)
	if err != nil {
		return nil, err
	}
	credential, err := s.proofs.Passkeys.Named(answer)
	if err != nil || party.ID != c.Party {
		return nil, errPasskey()
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		if k, err = tx.Passkey(ctx, party.ID, credential); err != nil {
			return err
		}
		if c.User != "" && k.User != c.User || !k.SuspectAt.IsZero() {
			return errPasskey()
		}
		return s.checkPasskey(ctx, tx, party, c, k, answer)
	})
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, errPasskey()
	case err != nil:
		return nil, err
	case !k.SuspectAt.IsZero():
		return nil, fault.New(fault.Invalid, "passkey.suspect", "This passkey may have been copied, so it was switched off. Sign in another way and remove it.").On("/passkey")
	}
	return k, nil
}

func (s *Service) checkPasskey(ctx context.Context, tx Tx, p Party, c *Challenge, k *Passkey, answer []byte) error {
	record, suspect, err := s.proofs.Passkeys.Check(p, k, c.State, answer)
	if err != nil {
		return err
	}
	if k.Record, k.UsedAt = record, s.now(); !suspect {
		return tx.SavePasskey(ctx, k)
	}
	k.SuspectAt = s.now()
	owner, err := tx.User(ctx, k.User)
	if err != nil {
		return err
	}
	if err := s.tell(ctx, tx, owner, PasskeySuspect); err != nil {
		return err
	}
	return tx.SavePasskey(ctx, k)
}

func errPasskey() error {
	return fault.New(fault.Invalid, "passkey.wrong", "This passkey does not fit. Try again, or another way.").On("/passkey")
}
