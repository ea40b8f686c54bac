package domains

import (
	"context"
	"errors"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/letters"
)

// Courier writes to the owners of a tenant what became of its hosts. Workers
// run it.
type Courier struct {
	store     Store
	sender    mail.Sender
	addresses func(ctx context.Context, people []tenants.UserID) ([]string, error)
	heads     func(ctx context.Context, tenant tenants.ID) (letters.Head, error)
}

// NewCourier returns a courier who knows people's addresses, and in whose name
// a tenant's letters are. Every argument is required.
func NewCourier(
	store Store, sender mail.Sender,
	addresses func(context.Context, []tenants.UserID) ([]string, error), heads func(context.Context, tenants.ID) (letters.Head, error),
) *Courier {
	return &Courier{store: store, sender: sender, addresses: addresses, heads: heads}
}

// Deliver writes n and sends it to each owner. A host that is not there any
// more, or has turned again, has no letter. It may be called again after a
// failure.
func (c *Courier) Deliver(ctx context.Context, n Notice) error {
	var d *Domain
	var owners []tenants.UserID
	err := c.store.View(ctx, n.Tenant, func(tx Tx) (err error) {
		if d, err = tx.Domain(ctx, n.Domain); err != nil {
			return err
		}
		owners, err = tx.Owners(ctx)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	subject, text := d.letter(n.Turn)
	if subject == "" {
		return nil
	}
	head, err := c.heads(ctx, n.Tenant)
	if err != nil {
		return err
	}
	to, err := c.addresses(ctx, owners)
	errs := []error{err}
	for _, address := range to {
		m, err := letters.Letter{
			ID: string(d.ID) + "-" + d.CheckedAt.UTC().Format("20060102T150405") + "-" + address, Kind: string(n.Turn), To: address, Subject: subject, Before: text,
		}.Under(head)
		errs = append(errs, err)
		if err == nil {
			errs = append(errs, c.sender.Send(ctx, m))
		}
	}
	return errors.Join(errs...)
}

// letter is what owners are told, if it is still so.
func (d *Domain) letter(t Turn) (subject, text string) {
	proof := "\n\nThe proof is a TXT record:\n\n  " + d.ProofName() + "\n  " + d.ProofText() + "\n"
	switch {
	case t == TurnAtRisk && d.State == Proven && !d.LostAt.IsZero():
		return "The proof for " + d.Host + " is missing", "We could not find the proof that " + d.Host + " is yours. It is served until " +
			d.LostAt.Add(Grace).UTC().Format(time.RFC1123) + "; after that, requests for it are refused until the proof is back." + proof
	case t == TurnQuarantine && d.State == Quarantined:
		return d.Host + " is no longer served", "The proof that " + d.Host + " is yours was missing for days. Requests for it are refused now. " +
			"Put the proof back and verify the host, or wait: we look once a day." + proof
	}
	return "", ""
}
