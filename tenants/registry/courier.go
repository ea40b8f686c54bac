package registry

import (
	"context"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/tenants"
)

// A Letter is an invitation on its way to the mail: a reference that may wait
// in a queue. There is no token in it; whoever delivers it draws one.
type Letter struct {
	Invitation InvitationID
	Number     int // which letter of the invitation; one that another followed is not sent
}

// Courier writes the letters of invitations. Workers run it.
type Courier struct {
	store  Store
	sender mail.Sender
	links  func(path []tenants.ID) string
	now    func() time.Time
}

// NewCourier returns a courier whose links start with base, such as
// "https://app.example.org". Every argument is required.
func NewCourier(store Store, sender mail.Sender, base string, now func() time.Time) *Courier {
	return &Courier{store: store, sender: sender, links: func([]tenants.ID) string { return base }, now: now}
}

// At has the links of a tenant's letters start with what homes says of its path
// from the root, such as "https://social.example.com".
func (c *Courier) At(homes func(path []tenants.ID) string) *Courier {
	at := *c
	at.links = homes
	return &at
}

// Deliver writes l and sends it. A letter that nobody waits for any more
// succeeds and sends nothing. It may be called again after a failure: another
// token is drawn, and those of the same letter stay good, for they may have
// arrived. It returns what mail.Sender does.
func (c *Courier) Deliver(ctx context.Context, tenant tenants.ID, l Letter) error {
	var m *mail.Message
	err := c.store.Update(ctx, tenant, func(tx Tx) error {
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
		if m, err = invitation(inv, t.Name, c.links(t.Ancestors)+"/join#token="+token.Reveal()); err != nil {
			return err
		}
		return tx.SaveInvitation(ctx, inv)
	})
	if fault.Is(err, fault.NotFound) || err == nil && m == nil {
		return nil
	}
	if err != nil {
		return err
	}
	return c.sender.Send(ctx, *m)
}

var letterPage = template.Must(template.New("invitation").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Subject}}</title></head>
<body style="font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:2em auto;padding:0 1em">
<p>{{.Before}}</p>
<p><a href="{{.Link}}">Look at the invitation</a></p>
<p>{{.After}}</p>
</body></html>
`))

// invitation is the letter. Of what the inviter typed it shows the tenant's
// name alone, and of that what cannot be taken for an address: else anybody
// could have this product mail anything to anyone.
func invitation(inv *Invitation, name, link string) (*mail.Message, error) {
	words := struct{ Subject, Before, Link, After string }{
		Subject: "You are invited",
		Before: "A member of “" + plain(name) + "” invites you to work there. Follow the link to see what it is and to accept, with the account of this address " +
			"or a new one. It works once, until " + inv.ExpiresAt.UTC().Format("2 January 2006 at 15:04 UTC") + ".",
		Link:  link,
		After: "If you expected no such mail, there is nothing to do: without the link nothing happens.",
	}
	var html strings.Builder
	if err := letterPage.Execute(&html, words); err != nil {
		return nil, err
	}
	return &mail.Message{
		ID: string(inv.ID) + "-" + strconv.Itoa(inv.Sent), Kind: "invitation", To: inv.Email, Subject: words.Subject,
		Text: words.Before + "\n\n" + link + "\n\n" + words.After + "\n", HTML: html.String(),
	}, nil
}

// maxShown is how much of a name a letter shows, in characters.
const maxShown = 60

// plain is what of a name cannot be read as an address or as markup.
func plain(name string) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("&'-, ", r) {
			return r
		}
		return ' '
	}, name)
	runes := []rune(strings.Join(strings.Fields(clean), " "))
	return string(runes[:min(len(runes), maxShown)])
}
