package registry

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/letters"
)

// A Letter is an invitation on its way to the mail: a reference that may wait
// in a queue. There is no token in it; whoever delivers it draws one.
type Letter struct {
	Invitation InvitationID
	Number     int // which letter of the invitation; one that another followed is not sent
}

// Courier writes the letters of invitations, and the notices. Workers run it.
type Courier struct {
	store     Store
	sender    mail.Sender
	heads     func(ctx context.Context, tenant tenants.ID) (letters.Head, error)
	addresses func(ctx context.Context, people []tenants.UserID) ([]string, error)
	now       func() time.Time
}

// NewCourier returns a courier who has a tenant's letters under what heads says
// of it; their links start there. addresses knows where people read their mail.
// Every argument is required.
func NewCourier(
	store Store, sender mail.Sender, heads func(ctx context.Context, tenant tenants.ID) (letters.Head, error),
	addresses func(ctx context.Context, people []tenants.UserID) ([]string, error), now func() time.Time,
) *Courier {
	return &Courier{store: store, sender: sender, heads: heads, addresses: addresses, now: now}
}

// Deliver writes l and sends it. A letter that nobody waits for any more
// succeeds and sends nothing. It may be called again after a failure: another
// token is drawn, and those of the same letter stay good, for they may have
// arrived. It returns what mail.Sender does.
func (c *Courier) Deliver(ctx context.Context, tenant tenants.ID, l Letter) error {
	head, err := c.heads(ctx, tenant)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var letter *letters.Letter
	err = c.store.Update(ctx, tenant, func(tx Tx) error {
		inv, err := tx.Invitation(ctx, l.Invitation)
		if err != nil || inv.At(c.now()) != InvitationPending || inv.Sent != l.Number {
			return err
		}
		t, err := tx.Tenant(ctx)
		if err != nil {
			return err
		}
		token, hash := newLink(tenant, inv.ID)
		inv.Hashes = append(inv.Hashes, hash)
		letter = invitation(inv, t.Name, head.Home+"/join#token="+token.Reveal())
		return tx.SaveInvitation(ctx, inv)
	})
	if fault.Is(err, fault.NotFound) || err == nil && letter == nil {
		return nil
	}
	if err != nil {
		return err
	}
	return c.send(ctx, *letter, head)
}

func (c *Courier) send(ctx context.Context, l letters.Letter, head letters.Head) error {
	m, err := l.Under(head)
	if err != nil {
		return err
	}
	return c.sender.Send(ctx, m)
}

// invitation is the letter. Of what the inviter typed it shows the tenant's
// name alone, and of that what cannot be taken for an address.
func invitation(inv *Invitation, name, link string) *letters.Letter {
	return &letters.Letter{
		ID: string(inv.ID) + "-" + strconv.Itoa(inv.Sent), Kind: "invitation", To: inv.Email, Subject: "You are invited",
		Before: "A member of “" + letters.Plain(name) + "” invites you to work there. Follow the link to see what it is and to accept, with the account of this address " +
			"or a new one. It works once, until " + until(inv.ExpiresAt) + ".",
		Label: "Look at the invitation", Link: link,
		After: "If you expected no such mail, there is nothing to do: without the link nothing happens.",
	}
}

func until(at time.Time) string { return at.UTC().Format("2 January 2006 at 15:04 UTC") }

// A NoticeKind is what a notice is about.
type NoticeKind string

// The notices.
const (
	NoticeOffered   NoticeKind = "ownership.offered" // to whom a tenant is offered
	NoticeRequested NoticeKind = "access.requested"  // to the owners, who decide
	NoticeAnswered  NoticeKind = "access.answered"   // to who asked or, unasked, to the owners above
)

// A Notice is a letter to people who are members already. It carries no token:
// whoever follows it signs in.
type Notice struct {
	Kind   NoticeKind
	Access AccessID // of a notice of access
}

// Notify writes n and sends it to each whom it concerns. What is decided by now
// has no letter. It may be called again after a failure.
func (c *Courier) Notify(ctx context.Context, tenant tenants.ID, n Notice) error {
	of, l, to, err := c.notice(ctx, tenant, n)
	if fault.Is(err, fault.NotFound) || err == nil && l == nil {
		return nil
	}
	if err != nil {
		return err
	}
	head, err := c.heads(ctx, of)
	if err != nil {
		return err
	}
	addresses, err := c.addresses(ctx, to)
	errs := []error{err}
	l.Label, l.Link = "Sign in", head.Home+"/login"
	id := l.ID
	for _, address := range addresses {
		l.ID, l.To = id+"-"+address, address
		errs = append(errs, c.send(ctx, *l, head))
	}
	return errors.Join(errs...)
}

// notice is the words of n, who reads them and in whose name they are.
func (c *Courier) notice(ctx context.Context, tenant tenants.ID, n Notice) (of tenants.ID, l *letters.Letter, to []tenants.UserID, err error) {
	of = tenant
	err = c.store.View(ctx, tenant, func(tx Tx) error {
		t, err := tx.Tenant(ctx)
		if err != nil {
			return err
		}
		name := "“" + letters.Plain(t.Name) + "”"
		if n.Kind == NoticeOffered {
			l, to, err = c.offered(ctx, tx, name)
			return err
		}
		a, err := tx.Access(ctx, n.Access)
		if err != nil {
			return err
		}
		if n.Kind == NoticeRequested {
			l, to, err = c.requested(ctx, tx, a, name)
			return err
		}
		of, l = a.To, answered(a, name)
		if a.AskedBy != "" {
			to = []tenants.UserID{a.AskedBy}
		}
		return nil
	})
	if err == nil && l != nil && n.Kind == NoticeAnswered && to == nil {
		err = c.store.View(ctx, of, func(tx Tx) error {
			to, err = tx.Owners(ctx)
			return err
		})
	}
	return of, l, to, err
}

func (c *Courier) offered(ctx context.Context, tx Tx, name string) (*letters.Letter, []tenants.UserID, error) {
	o, err := tx.Offer(ctx)
	if err != nil || !c.now().Before(o.ExpiresAt) {
		return nil, nil, err
	}
	return &letters.Letter{
		ID: "own-" + o.CreatedAt.UTC().Format("20060102T150405.000000"), Kind: string(NoticeOffered), Subject: "You are offered a workspace",
		Before: "An owner of " + name + " offers it to you. If you accept, it is yours. The offer waits until " + until(o.ExpiresAt) + ".",
		After:  "If you do nothing, nothing changes.",
	}, []tenants.UserID{o.To}, nil
}

func (c *Courier) requested(ctx context.Context, tx Tx, a *Access, name string) (*letters.Letter, []tenants.UserID, error) {
	if a.At(c.now()) != AccessRequested {
		return nil, nil, nil
	}
	to, err := tx.Owners(ctx)
	return &letters.Letter{
		ID: string(a.ID) + "-asked", Kind: string(NoticeRequested), Subject: "Access is asked for",
		Before: "The tenant above asks to come into " + name + " as " + string(a.Role) + ", for " + strconv.Itoa(a.Hours) +
			" hours. An owner decides; sign in to read why, and to approve or decline.",
		After: "If you do nothing, nobody comes in, and the request lapses.",
	}, to, err
}

// answered is what an access came to.
func answered(a *Access, name string) *letters.Letter {
	words := map[AccessState]string{
		AccessGranted:  "An owner of " + name + " lets you in as " + string(a.Role) + ", until " + until(a.Until) + ".",
		AccessDeclined: "An owner of " + name + " declined your request for access.",
		AccessRevoked:  "An owner of " + name + " ended your access before its time.",
	}[a.State]
	if words == "" {
		return nil
	}
	return &letters.Letter{ID: string(a.ID) + "-" + string(a.State), Kind: string(NoticeAnswered), Subject: "About access to " + name, Before: words}
}
