package declarative

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// findAfter is when to look again while unsure, if the file does not say.
const findAfter = time.Minute

// Find implements social.Finder. Absence is believed only where the file says
// that the list reaches back far enough.
func (p *plugin) Find(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	c, find := p.call(req.Call, req.Account), p.file.Find
	c.scope.Content, c.scope.Since = contentOf(req.Content), int(req.Since.Unix())
	if _, err := c.resume(req.State); err != nil {
		return social.Finding{}, err
	}
	got, err := c.do(ctx, &find.Request, false)
	switch {
	case err != nil:
		return social.Finding{}, err
	case !c.succeeded(&find.Request, got):
		return social.Finding{}, c.refused(&find.Request, got, false)
	}
	v, err := find.List.eval(c.scope)
	list, isList := v.([]any)
	if err != nil || !isList {
		return social.Finding{}, c.odd(got, false)
	}
	var found *social.Receipt
	for _, c.scope.Item = range list {
		if !find.Match.holds(c.scope, false) {
			continue
		}
		if r := c.receipt(&find.Receipt); r == nil || !slices.Contains(req.Taken, r.Ref.ID) {
			found = r // the oldest wins: it is the commit, later ones are people
		}
	}
	switch {
	case found != nil:
		return social.Finding{Verdict: social.Found, Receipt: found}, nil
	case find.All.holds(c.scope, false):
		return social.Finding{Verdict: social.Absent}, nil
	case find.After > 0:
		return social.Finding{Verdict: social.Unsure, After: find.After}, nil
	}
	return social.Finding{Verdict: social.Unsure, After: findAfter}, nil
}

// maxAsked is how many posts one call asks about.
const maxAsked = 50

// Metrics implements social.Meter, one request a post.
func (p *plugin) Metrics(ctx context.Context, req social.MetricsRequest) ([]social.Metrics, error) {
	c, m := p.call(req.Call, req.Account), p.file.Metrics
	var out []social.Metrics
	for _, post := range req.Posts[:min(len(req.Posts), maxAsked)] {
		c.scope.Post = *refOf(&post)
		got, err := c.do(ctx, &m.Request, false)
		if err != nil {
			return nil, err
		}
		if !c.succeeded(&m.Request, got) {
			f := c.refused(&m.Request, got, false)
			if f.Kind == social.NotFound || got.status == http.StatusNotFound || f.Kind == social.Invalid {
				continue
			}
			return nil, f
		}
		one := social.Metrics{Ref: post, Values: map[string]float64{}, At: time.Now().UTC()}
		for name, e := range m.Values {
			one.Values[name] = e.number(c.scope)
		}
		out = append(out, one)
	}
	return out, nil
}
