package admin

import (
	"context"
	"strings"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants/audit"
)

// LinkTTL is how long a link to choose a password works.
const LinkTTL = 24 * time.Hour

// An Operator runs the installation.
type Operator struct {
	ID         OperatorID
	Email      string
	Name       string
	Password   string // its hash; empty: not chosen yet
	Link       Hash   // of the link to choose one with; zero: there is none
	LinkEnds   time.Time
	Factor     []byte    // the secret of codes, sealed; nil: none was made yet
	EnrolledAt time.Time // zero: no code was right yet
	Step       int64     // of the last code that was used
	CreatedAt  time.Time
}

// factorRow binds a factor's secret to its operator.
func (o *Operator) factorRow() string { return "operators/" + string(o.ID) + "/factor" }

// AddOperator makes somebody an operator and returns a token to choose a
// password with, within LinkTTL and once. For somebody who is one already it
// is a new token, and what was chosen stays until it is used.
func (s *Service) AddOperator(ctx context.Context, who Who, email, name string) (*Operator, secret.Secret, error) {
	if err := who.allow(); err != nil {
		return nil, "", err
	}
	address, err := identity.Address(email)
	if err != nil {
		return nil, "", err
	}
	if name = strings.TrimSpace(name); name == "" {
		name, _, _ = strings.Cut(address, "@")
	}
	token, now := newToken(linkPrefix), s.Now()
	var o *Operator
	err = s.Store.Update(ctx, func(tx Tx) (err error) {
		action := "operator.link"
		if o, err = tx.OperatorByEmail(ctx, address); fault.Is(err, fault.NotFound) {
			action = "operator.add"
			o, err = &Operator{ID: newOperatorID(now), Email: address, Name: name, CreatedAt: now}, nil
		}
		if err != nil {
			return err
		}
		o.Link, o.LinkEnds = hash(token), now.Add(LinkTTL)
		if err := tx.SaveOperator(ctx, o); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(who.actor(), action, string(o.ID)))
	})
	if err != nil {
		return nil, "", err
	}
	return o, token, nil
}

// Enlist makes somebody an operator with a password, for a machine of one's
// own. It changes nothing for one who is there.
func (s *Service) Enlist(ctx context.Context, who Who, email, name string, password secret.Secret) error {
	err := s.Store.View(ctx, func(tx Tx) error {
		_, err := tx.OperatorByEmail(ctx, email)
		return err
	})
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	_, token, err := s.AddOperator(ctx, who, email, name)
	if err != nil {
		return err
	}
	return s.ChoosePassword(ctx, token, password)
}

// Operators lists them, oldest first.
func (s *Service) Operators(ctx context.Context, who Who) (all []Operator, err error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(tx Tx) error {
		all, err = tx.Operators(ctx)
		return err
	})
	return all, err
}

// RemoveOperator ends an operator and their sessions. The last one stays:
// fault.Conflict.
func (s *Service) RemoveOperator(ctx context.Context, who Who, email string) error {
	if err := who.allow(); err != nil {
		return err
	}
	address, err := identity.Address(email)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx Tx) error {
		all, err := tx.Operators(ctx) // locks: the last two cannot remove each other
		if err != nil {
			return err
		}
		o, err := tx.OperatorByEmail(ctx, address)
		if err != nil {
			return err
		}
		if len(all) <= 1 {
			return fault.New(fault.Conflict, "operator.last", "An installation needs an operator. Make somebody else one first.")
		}
		if err := tx.RemoveOperator(ctx, o.ID); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(who.actor(), "operator.remove", string(o.ID)))
	})
}

// ResetFactor forgets an operator's factor and ends their sessions: the next
// sign-in enrols another. It is for a lost telephone, and for a shell alone.
func (s *Service) ResetFactor(ctx context.Context, who Who, email string) error {
	if who.By == "" {
		return errRequired()
	}
	return s.changed(ctx, who, email, "operator.reset_factor", func(tx Tx, o *Operator) error {
		o.Factor, o.EnrolledAt, o.Step = nil, time.Time{}, 0
		return tx.EndSessions(ctx, o.ID)
	})
}

func (s *Service) changed(ctx context.Context, who Who, email, action string, fn func(Tx, *Operator) error) error {
	address, err := identity.Address(email)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx Tx) error {
		o, err := tx.OperatorByEmail(ctx, address)
		if err != nil {
			return err
		}
		if err := fn(tx, o); err != nil {
			return err
		}
		if err := tx.SaveOperator(ctx, o); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(who.actor(), action, string(o.ID)))
	})
}

// Code is what an operator's app shows now, for a shell that plays the app. The
// factor is made if there is none.
func (s *Service) Code(ctx context.Context, who Who, email string) (string, error) {
	if who.By == "" {
		return "", errRequired()
	}
	address, err := identity.Address(email)
	if err != nil {
		return "", err
	}
	var o *Operator
	if err := s.Store.View(ctx, func(tx Tx) error {
		o, err = tx.OperatorByEmail(ctx, address)
		return err
	}); err != nil {
		return "", err
	}
	plain, err := s.factor(ctx, o)
	if err != nil {
		return "", err
	}
	return s.Codes.Code(plain, s.Now()), nil
}
