package identity

import (
	"cmp"
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/letters"
)

// LetterKind is what a letter is about.
type LetterKind string

// The letters.
const (
	LetterVerify  LetterKind = "verify"  // follow this link, or: you have an account already
	LetterReset   LetterKind = "reset"   // choose a new password here
	LetterInvited LetterKind = "invited" // an account was made for you, choose a password here
	LetterChanged LetterKind = "changed" // your password was changed
	LetterDevice  LetterKind = "device"  // somebody signed in on a new device
	LetterFactor  LetterKind = "factor"  // your second factors have changed

	LetterLinked   LetterKind = "linked"   // an account elsewhere signs you in now
	LetterUnlinked LetterKind = "unlinked" // it does so no more
)

// Letter is a letter before it is written: a reference, which may wait in a
// queue. There is no token in it. Whoever delivers it draws the token, keeps
// its hash and puts it in the mail, so that it is never at rest in plain text
// and a use case never has to know whether the address belongs to anyone.
type Letter struct {
	ID      string // such as "let_01jd…", the same on every try
	Kind    LetterKind
	Email   string
	Pending PendingID // with LetterVerify, the registration; empty: the only one
	Host    string    // with LetterVerify, where it was asked for

	What     FactorChange // with LetterFactor
	Session  SessionID    // with LetterDevice
	Device   string       // with LetterDevice: in our words, see Session.DeviceName
	Place    string       // with LetterDevice: see Session.Network
	At       time.Time    // with LetterDevice
	Provider string       // with LetterLinked and LetterUnlinked, its title
}

// Heads says in whose name a letter is, and where its links begin.
type Heads func(ctx context.Context, l Letter) (letters.Head, error)

// Postman writes letters and hands them to the mail. Workers run it.
type Postman struct {
	store  Store
	sender mail.Sender
	heads  Heads
	now    func() time.Time
}

// NewPostman returns a postman. Every argument is required.
func NewPostman(store Store, sender mail.Sender, heads Heads, now func() time.Time) *Postman {
	return &Postman{store: store, sender: sender, heads: heads, now: now}
}

// Deliver writes l and sends it. A letter without a reader, such as a reset
// for an address without an account, succeeds and sends nothing. It may be
// called again after a failure: a new token is drawn, and earlier ones of the
// same letter stay good, for they may have arrived. It returns what
// mail.Sender does.
func (p *Postman) Deliver(ctx context.Context, l Letter) error {
	head, err := p.heads(ctx, l)
	if err != nil {
		return err
	}
	d, err := p.write(ctx, l, head.Home)
	if err != nil || d == nil {
		return err
	}
	m, err := d.message(l, head)
	if err != nil {
		return err
	}
	return p.sender.Send(ctx, m)
}

// write returns nil for a letter that has no reader. Links begin with home.
func (p *Postman) write(ctx context.Context, l Letter, home string) (*draft, error) {
	switch l.Kind {
	case LetterVerify:
		return p.verify(ctx, l, home)
	case LetterReset:
		return p.reset(ctx, l, home)
	case LetterInvited:
		return p.invited(ctx, l, home)
	case LetterChanged:
		return changedDraft(), nil
	case LetterDevice:
		return p.device(ctx, l, home)
	case LetterFactor:
		return factorDraft(l.What), nil
	case LetterLinked:
		return linkedDraft(l.Provider), nil
	case LetterUnlinked:
		return unlinkedDraft(l.Provider), nil
	}
	return nil, fault.New(fault.Invalid, "letter.unknown", "There is no letter of kind %q.", l.Kind)
}

// verify writes to who registered: a link, or a note if the address has a user.
// A link is only ever to the registration that the letter is about. A stranger
// may have registered the same address with a password of their own: if there
// are several and none was named, nobody can tell whose is whose, and the
// letter says so instead.
func (p *Postman) verify(ctx context.Context, l Letter, home string) (d *draft, err error) {
	now := p.now()
	err = p.store.Update(ctx, func(tx Tx) error {
		cred, err := tx.Credential(ctx, l.Email, now)
		if err != nil || cred.User == "" {
			return err
		}
		if cred.Verified {
			d = knownDraft(home)
			return nil
		}
		name := cmp.Or(l.Pending, cred.Pending)
		if name == "" {
			d = severalDraft(home)
			return nil
		}
		d, err = p.link(ctx, tx, name, home)
		return err
	})
	return d, err
}

// link writes a link to one registration, or nothing if it is there no more.
func (p *Postman) link(ctx context.Context, tx Tx, name PendingID, home string) (*draft, error) {
	pending, err := tx.Pending(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	token, one := mint(ForVerify, string(name), p.now())
	d := verifyDraft(home+"/verify-email#token="+token.Reveal(), pending.CreatedAt)
	return d, tx.AddOneTime(ctx, one)
}

func (p *Postman) reset(ctx context.Context, l Letter, home string) (*draft, error) {
	return p.choose(ctx, l, home, resetDraft, func(user tenants.UserID, now time.Time) (secret.Secret, *OneTime) {
		return mint(ForReset, string(user), now)
	})
}

func (p *Postman) invited(ctx context.Context, l Letter, home string) (*draft, error) {
	return p.choose(ctx, l, home, invitedDraft, invite)
}

// choose writes a link that lets the owner of an account choose a password.
func (p *Postman) choose(ctx context.Context, l Letter, home string, words func(link string) *draft, mint func(tenants.UserID, time.Time) (secret.Secret, *OneTime)) (d *draft, err error) {
	now := p.now()
	err = p.store.Update(ctx, func(tx Tx) error {
		cred, err := tx.Credential(ctx, l.Email, now)
		if err != nil || !cred.Verified {
			return err
		}
		token, one := mint(cred.User, now)
		d = words(home + "/reset-password#token=" + token.Reveal())
		return tx.AddOneTime(ctx, one)
	})
	return d, err
}

// device writes of a new device, with a link that ends the session on it.
func (p *Postman) device(ctx context.Context, l Letter, home string) (*draft, error) {
	token, one := mint(ForDisown, string(l.Session), p.now())
	if err := p.store.Update(ctx, func(tx Tx) error { return tx.AddOneTime(ctx, one) }); err != nil {
		return nil, err
	}
	return deviceDraft(l, home+"/not-me#token="+token.Reveal()), nil
}
