package branding

import (
	"context"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/letters"
)

// Head is what letters to a tenant's people say they are from, with links that
// begin with home; without a tenant, the installation. An address whose host is
// not proven any more is not used: the letter is the brand's all the same.
func (s *Service) Head(ctx context.Context, tenant tenants.ID, home string) (letters.Head, error) {
	counts := Resolve(nil, s.Product)
	if tenant != "" {
		var err error
		if _, counts, err = s.read(ctx, tenant); err != nil {
			return letters.Head{}, err
		}
	}
	h := letters.Head{
		Home: home, Product: counts.Product, Support: counts.Support, Accent: counts.onWhite().String(), FromName: counts.SenderName, ReplyTo: counts.ReplyTo,
	}
	if counts.SenderProven {
		h.From = counts.Sender
	}
	if counts.Logo != nil {
		h.Logo = home + PicturePath + counts.Logo.Address
	}
	return h, nil
}

// PicturePath is where pictures are served, below a host.
const PicturePath = "/api/v1/theme/pictures/"

// onWhite is the accent as it can be read in a letter, whose ground is white.
func (r Resolved) onWhite() Color {
	c, _ := ParseColor(r.Accent)
	return legible(c, black, white)
}

// A RecordState is what the DNS says of a record.
type RecordState string

// The states.
const (
	RecordFound   RecordState = "found"
	RecordMissing RecordState = "missing"
	RecordUnknown RecordState = "unknown" // the DNS did not answer, or nobody said where to look
)

// A Record is one that receivers of mail look for, as it is.
type Record struct {
	Kind   string // "spf", "dkim" or "dmarc"
	Name   string // where it is looked for; empty: nobody said
	State  RecordState
	Found  []string
	Advice string // for people
}

// A SenderCheck is whether an address can be a sender, and what receivers will
// find. Only Proven decides; the records are advice.
type SenderCheck struct {
	Sender, Domain string
	Proven         bool
	Records        []Record
}

// CheckSender looks at the sender that counts for who's tenant, now. selector
// is the name of the DKIM key that the mail server signs with; empty: unknown.
// It returns fault.Conflict where there is no sender.
func (s *Service) CheckSender(ctx context.Context, who tenants.Scope, selector string) (*SenderCheck, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return nil, err
	}
	_, counts, err := s.read(ctx, who.Tenant)
	if err != nil {
		return nil, err
	}
	_, domain, ok := strings.Cut(counts.Sender, "@")
	if !ok {
		return nil, fault.New(fault.Conflict, "brand.no_sender", "This brand has no sender: letters are from the installation's address.")
	}
	c := &SenderCheck{Sender: counts.Sender, Domain: domain, Proven: counts.SenderProven}
	dkim := Record{Kind: "dkim", State: RecordUnknown, Advice: "Ask whoever runs the mail server for its selector, and check again with it. Letters should be signed for " + domain + "."}
	if selector != "" {
		dkim = s.record(ctx, "dkim", selector+"._domainkey."+domain, "p=", "Publish the key that the mail server signs with for "+domain+".")
	}
	c.Records = []Record{
		dkim,
		s.record(ctx, "dmarc", "_dmarc."+domain, "v=DMARC1", "Publish a policy, such as v=DMARC1; p=none. It holds only if letters are signed (DKIM) for "+domain+"."),
		s.record(ctx, "spf", domain, "v=spf1", "Letters leave with the installation's address in their envelope, so this record need not name its mail server. Publish one all the same: v=spf1 -all if nothing else sends from "+domain+"."),
	}
	return c, ctx.Err()
}

// record looks for a text that says mark.
func (s *Service) record(ctx context.Context, kind, name, mark, advice string) Record {
	r := Record{Kind: kind, Name: name, State: RecordMissing, Advice: advice}
	texts, err := s.Resolver.TXT(ctx, name)
	if err != nil && !fault.Is(err, fault.NotFound) {
		r.State, r.Advice = RecordUnknown, "The DNS did not answer. Check again later."
		return r
	}
	for _, t := range texts {
		if strings.Contains(t, mark) {
			r.State, r.Advice, r.Found = RecordFound, "", append(r.Found, t)
		}
	}
	return r
}
