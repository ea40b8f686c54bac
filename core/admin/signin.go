package admin

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants/audit"
)

// SignedIn is what Login answers: a session, or, the first time, what an
// authenticator app needs to enrol.
type SignedIn struct {
	Token   secret.Secret // a bearer token for /operator; shown once
	Expires time.Time
	Enrol   *Enrolment // set instead of Token
}

// Enrolment is a secret on its way into an app.
type Enrolment struct {
	Secret  string // as people type it
	URI     string
	Picture string // data:image/png;base64,…
}

// Login opens a session for a password and a code. Somebody who never showed a
// code gets the secret to make them with, and signs in again with the first
// one. It returns fault.Unauthenticated, without saying whether the address or
// the password was wrong, and fault.RateLimited after too many tries.
func (s *Service) Login(ctx context.Context, from identity.Client, email string, password secret.Secret, code string) (*SignedIn, error) {
	address, err := identity.Address(email)
	if err != nil {
		return nil, errLogin()
	}
	o, err := s.attempt(ctx, address)
	if err != nil {
		return nil, err
	}
	var hashes []string
	if o != nil && o.Password != "" {
		hashes = []string{o.Password}
	}
	match, _, err := s.Hasher.Verify(ctx, password, hashes...)
	if err != nil {
		return nil, err
	}
	if !match {
		return nil, errLogin()
	}
	plain, err := s.factor(ctx, o)
	if err != nil {
		return nil, err
	}
	switch {
	case code == "" && o.EnrolledAt.IsZero():
		return s.enrol(o, plain)
	case code == "":
		return nil, fault.New(fault.Unauthenticated, "operator.code_required", "Type the code that your authenticator app shows.").On("/code")
	}
	return s.open(ctx, from, o, plain, code)
}

// attempt counts a try at address, whoever that is, and returns the operator,
// nil if there is none.
func (s *Service) attempt(ctx context.Context, address string) (o *Operator, err error) {
	err = s.Store.Update(ctx, func(tx Tx) error {
		g, err := tx.Guard(ctx, s.guardKey(address))
		if err != nil {
			return err
		}
		if wait := g.try(s.Now()); wait > 0 {
			return fault.New(fault.RateLimited, "auth.slow_down", "Too many tries. Please wait a little.").After(wait)
		}
		if err := tx.SaveGuard(ctx, s.guardKey(address), g); err != nil {
			return err
		}
		if o, err = tx.OperatorByEmail(ctx, address); fault.Is(err, fault.NotFound) {
			o, err = nil, nil
		}
		return err
	})
	return o, err
}

// factor is the secret of o's codes, made now if there is none.
func (s *Service) factor(ctx context.Context, o *Operator) ([]byte, error) {
	root, err := s.Store.Root(ctx)
	if err != nil {
		return nil, err
	}
	if o.Factor != nil {
		return s.Sealer.Open(ctx, root, o.factorRow(), o.Factor)
	}
	plain := s.Codes.Secret()
	sealed, err := s.Sealer.Seal(ctx, root, o.factorRow(), plain)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx Tx) error {
		now, err := tx.Operator(ctx, o.ID)
		if err != nil {
			return err
		}
		if now.Factor != nil { // another sign-in was faster
			*o = *now
			return nil
		}
		o.Factor, now.Factor = sealed, sealed
		return tx.SaveOperator(ctx, now)
	})
	if err != nil {
		return nil, err
	}
	return s.Sealer.Open(ctx, root, o.factorRow(), o.Factor)
}

func (s *Service) enrol(o *Operator, plain []byte) (*SignedIn, error) {
	typed, uri, picture, err := s.Codes.Enrol(o.Email, plain)
	if err != nil {
		return nil, err
	}
	return &SignedIn{Enrol: &Enrolment{Secret: typed, URI: uri, Picture: "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)}}, nil
}

// open checks the code, which works once, and begins a session.
func (s *Service) open(ctx context.Context, from identity.Client, o *Operator, plain []byte, code string) (*SignedIn, error) {
	now := s.Now()
	step, ok := s.Codes.Step(plain, code, now)
	if !ok {
		return nil, errCode()
	}
	token := newToken(SessionPrefix)
	agent := from.Agent
	session := &Session{
		ID: SessionID(id.At("ops", now)), Operator: o.ID, Hash: hash(token), Agent: agent[:min(len(agent), 200)], Address: from.Address.String(),
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(SessionTTL),
	}
	err := s.Store.Update(ctx, func(tx Tx) error {
		current, err := tx.Operator(ctx, o.ID) // locks: two sign-ins take turns
		if err != nil {
			return err
		}
		if step <= current.Step {
			return errCode()
		}
		e := audit.Of(string(o.ID), "operator.sign_in", string(session.ID), "address", session.Address)
		if current.Step = step; current.EnrolledAt.IsZero() {
			current.EnrolledAt = now
			e.Detail["enrolled"] = "true"
		}
		if err := tx.SaveOperator(ctx, current); err != nil {
			return err
		}
		if err := tx.SaveGuard(ctx, s.guardKey(o.Email), Guard{}); err != nil {
			return err
		}
		if err := tx.AddSession(ctx, session); err != nil {
			return err
		}
		return tx.Record(ctx, e)
	})
	if err != nil {
		return nil, err
	}
	return &SignedIn{Token: token, Expires: session.ExpiresAt}, nil
}

// ChoosePassword sets the password that a link is for, and ends every session.
// It returns fault.Invalid for a link that does not work and for a password
// that breaks a rule; the link survives the latter.
func (s *Service) ChoosePassword(ctx context.Context, token, password secret.Secret) error {
	if !wellFormed(linkPrefix, token.Reveal()) {
		return errLink()
	}
	if err := identity.CheckPassword(password, "/password"); err != nil {
		return err
	}
	chosen, err := s.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	err = s.Store.Update(ctx, func(tx Tx) error {
		o, err := tx.OperatorByLink(ctx, hash(token), s.Now())
		if err != nil {
			return err
		}
		o.Password, o.Link, o.LinkEnds = chosen, Hash{}, time.Time{}
		if err := tx.SaveOperator(ctx, o); err != nil {
			return err
		}
		if err := tx.EndSessions(ctx, o.ID); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(o.ID), "operator.password", string(o.ID)))
	})
	if fault.Is(err, fault.NotFound) {
		return errLink()
	}
	return err
}

func errLogin() error {
	return fault.New(fault.Unauthenticated, "login.failed", "The e-mail address or the password is wrong.")
}

func errCode() error {
	return fault.New(fault.Unauthenticated, "operator.bad_code", "This code is wrong or was used. Wait for the next one.").On("/code")
}

func errLink() error {
	return fault.New(fault.Invalid, "link.invalid", "This link does not work any more. Ask for another.").On("/token")
}
