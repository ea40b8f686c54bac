package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/carillonhq/carillon/tenants"
)

// Figures of verifying.
const (
	verifyPage = 1000
	// maxFindings is how many findings of one book are listed.
	maxFindings = 100
	// slack is how much older than the head before an entry may be: as long as
	// a transaction can take, and then some.
	slack = 10 * time.Minute
	// sealWithin is how long an entry may wait to be sealed.
	sealWithin = 15 * time.Minute
)

// Verifier checks books. It is safe for concurrent use.
type Verifier struct {
	chains Chains
	keys   *Keys
	now    func() time.Time
}

// NewVerifier returns a Verifier. Every argument is required.
func NewVerifier(chains Chains, keys *Keys, now func() time.Time) *Verifier {
	return &Verifier{chains: chains, keys: keys, now: now}
}

// All verifies every book there is and passes the reports to each, which ends
// it with an error. Witnesses of tenants without any book are reported too.
func (v *Verifier) All(ctx context.Context, kept []Witness, each func(Report) error) error {
	rest := slices.Clone(kept)
	for after := tenants.ID(""); ; {
		books, err := v.chains.Books(ctx, after, verifyPage)
		if err != nil {
			return err
		}
		for _, tenant := range books {
			rest = slices.DeleteFunc(rest, func(w Witness) bool { return w.Tenant == tenant })
			r, err := v.Book(ctx, tenant, kept)
			if err != nil {
				return err
			}
			if err := each(r); err != nil {
				return err
			}
		}
		if len(books) < verifyPage {
			break
		}
		after = books[len(books)-1]
	}
	for _, w := range rest {
		if err := each(Report{Tenant: w.Tenant, Findings: []Finding{cutOff(w)}}); err != nil {
			return err
		}
	}
	return nil
}

// Heads passes the end of every chain to each, to be kept elsewhere.
func (v *Verifier) Heads(ctx context.Context, each func(Witness) error) error {
	for after := tenants.ID(""); ; {
		books, err := v.chains.Books(ctx, after, verifyPage)
		if err != nil {
			return err
		}
		for _, tenant := range books {
			h, err := v.chains.Last(ctx, tenant)
			if err != nil {
				return err
			}
			if h == nil {
				continue
			}
			if err := each(Witness{Tenant: tenant, Seq: h.Seq, Hash: h.Hash.String()}); err != nil {
				return err
			}
		}
		if len(books) < verifyPage {
			return nil
		}
		after = books[len(books)-1]
	}
}

// Book verifies the book of one tenant.
func (v *Verifier) Book(ctx context.Context, tenant tenants.ID, kept []Witness) (Report, error) {
	w := &walk{Verifier: v, report: Report{Tenant: tenant, Findings: []Finding{}}, kept: map[int64]Witness{}}
	for _, k := range kept {
		if k.Tenant == tenant {
			w.kept[k.Seq] = k
		}
	}
	if err := w.chain(ctx); err != nil {
		return w.report, err
	}
	return w.report, w.loose(ctx)
}

// A walk goes along one chain.
type walk struct {
	*Verifier
	report Report
	kept   map[int64]Witness
	last   Link      // the one before
	sealed time.Time // the head before
	doubts []Head    // signed by keys that are not known, since the last that is
}

func (w *walk) found(p Problem, seq int64, entry ID, says string, args ...any) {
	if len(w.report.Findings) < maxFindings {
		w.report.Findings = append(w.report.Findings, Finding{w.report.Tenant, p, seq, entry, fmt.Sprintf(says, args...)})
	}
}

// chain goes to the end of what is signed. What is sealed meanwhile is gone
// along too: links and their head appear together.
func (w *walk) chain(ctx context.Context) error {
	for {
		began := w.last.Seq
		if err := w.heads(ctx); err != nil {
			return err
		}
		links, err := w.chains.Links(ctx, w.report.Tenant, w.last.Seq, 1)
		switch {
		case err != nil:
			return err
		case len(links) > 0 && w.last.Seq > began:
			continue
		case len(links) > 0:
			w.found(Unsigned, links[0].Seq, links[0].ID, "links from %d on are behind the last signed head", links[0].Seq)
		}
		for _, h := range w.doubts {
			w.found(ForgedHead, h.Seq, "", "the head at %d is signed by %s, no key of this installation", h.Seq, h.Key)
		}
		for _, k := range w.kept {
			w.report.Findings = append(w.report.Findings, cutOff(k))
		}
		return nil
	}
}

// heads goes from head to head, with the links that lead to each.
func (w *walk) heads(ctx context.Context) error {
	for {
		heads, err := w.chains.Heads(ctx, w.report.Tenant, w.last.Seq, verifyPage)
		if err != nil {
			return err
		}
		for i := range heads {
			if err := w.upTo(ctx, heads[i]); err != nil {
				return err
			}
			w.report.Head, w.report.HeadHash = &heads[i], heads[i].Hash.String()
		}
		if len(heads) < verifyPage {
			return nil
		}
	}
}

// upTo checks the links that lead to a head, and the head.
func (w *walk) upTo(ctx context.Context, h Head) error {
	for w.last.Seq < h.Seq {
		links, err := w.chains.Links(ctx, w.report.Tenant, w.last.Seq, int(min(verifyPage, h.Seq-w.last.Seq)))
		if err != nil {
			return err
		}
		links = slices.DeleteFunc(links, func(l Link) bool { return l.Seq > h.Seq })
		if len(links) == 0 {
			w.found(Removed, w.last.Seq+1, "", "links %d to %d are gone", w.last.Seq+1, h.Seq)
			w.last = Link{Seq: h.Seq, Hash: h.Hash} // go on from what was signed
			break
		}
		for i := range links {
			w.step(links, i)
		}
	}
	switch {
	case !w.keys.knows(h.Key):
		w.doubts = append(w.doubts, h) // one that came later may vouch for it
	case !w.keys.Signed(w.report.Tenant, h):
		w.found(ForgedHead, h.Seq, "", "the signature of the head at %d is not that of its key", h.Seq)
	case h.Hash != w.last.Hash:
		w.found(ForgedHead, h.Seq, "", "the chain at %d is not the one that was signed", h.Seq)
	default:
		w.doubts = nil
	}
	w.sealed = h.SealedAt
	return nil
}

// step checks one link. A broken one is stepped over, so that each problem is
// told once.
func (w *walk) step(links []Link, i int) {
	l := links[i]
	if l.Seq != w.last.Seq+1 {
		w.found(Removed, w.last.Seq+1, "", "links %d to %d are gone", w.last.Seq+1, l.Seq-1)
		w.keep(l)
		return
	}
	switch r := l.Record; {
	case r == nil:
		w.found(Removed, l.Seq, l.ID, "the entry is gone")
	case link(w.last.Hash, l.Seq, r) != l.Hash:
		if w.moved(links, l) {
			w.found(Reordered, l.Seq, l.ID, "another entry was sealed in this place")
		} else {
			w.found(Changed, l.Seq, l.ID, "the entry is not what was sealed")
		}
	case !w.sealed.IsZero() && r.At.Before(w.sealed.Add(-slack)):
		w.found(Inserted, l.Seq, l.ID, "the entry says %s, long before the one sealed at %s", stamp(r.At), stamp(w.sealed))
	}
	w.keep(l)
}

func (w *walk) keep(l Link) {
	if k, ok := w.kept[l.Seq]; ok && k.Hash == l.Hash.String() {
		delete(w.kept, l.Seq)
	}
	w.last = Link{Seq: l.Seq, Hash: l.Hash}
	w.report.Entries++
}

// moved reports whether another entry nearby is what was sealed at l.
func (w *walk) moved(links []Link, l Link) bool {
	return slices.ContainsFunc(links, func(other Link) bool {
		return other.Record != nil && other.ID != l.ID && link(w.last.Hash, l.Seq, other.Record) == l.Hash
	})
}

// loose looks for entries outside the chain.
func (w *walk) loose(ctx context.Context) error {
	slipped, gone, err := w.chains.Loose(ctx, w.report.Tenant, maxFindings)
	if err != nil {
		return err
	}
	for _, e := range slipped {
		w.found(Inserted, 0, e, "the entry is not in the chain and does not wait for it")
	}
	for _, e := range gone {
		w.found(Removed, 0, e, "the entry was gone before it was sealed")
	}
	oldest, err := w.chains.Oldest(ctx, w.report.Tenant)
	if err == nil && !oldest.IsZero() && w.now().Sub(oldest) > sealWithin {
		w.found(Stalled, 0, "", "entries since %s wait to be sealed", stamp(oldest))
	}
	return err
}
