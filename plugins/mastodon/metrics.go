package mastodon

import (
	"context"
	"net/url"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// batch is how many statuses one request asks for.
const batch = 20

// Metrics implements social.Meter. Servers before 4.3 have no batch and are
// asked post by post.
func (m *Mastodon) Metrics(ctx context.Context, req social.MetricsRequest) ([]social.Metrics, error) {
	var all []social.Metrics
	for refs := req.Posts; len(refs) > 0; refs = refs[min(batch, len(refs)):] {
		part := refs[:min(batch, len(refs))]
		list, err := m.statuses(ctx, req.Call, part)
		if err != nil {
			return nil, err
		}
		all = append(all, measure(part, list)...)
	}
	return all, nil
}

func (m *Mastodon) statuses(ctx context.Context, call social.Call, refs []social.Ref) ([]status, error) {
	query := url.Values{}
	for _, ref := range refs {
		query.Add("id[]", ref.ID)
	}
	var list []status
	err := m.get(ctx, call, "/api/v1/statuses?"+query.Encode(), &list)
	if err == nil || !missing(err) {
		return list, err
	}
	list = nil
	for _, ref := range refs {
		var one status
		switch err := m.get(ctx, call, "/api/v1/statuses/"+url.PathEscape(ref.ID), &one); {
		case err == nil:
			list = append(list, one)
		case !missing(err):
			return nil, err
		}
	}
	return list, nil
}

// missing reports whether the server said that there is no such thing.
func missing(err error) bool {
	kind := social.FaultOf(err, false).Kind
	return kind == social.NotFound || kind == social.Permanent
}

func measure(refs []social.Ref, list []status) []social.Metrics {
	byID := map[string]social.Ref{}
	for _, ref := range refs {
		byID[ref.ID] = ref
	}
	now := time.Now().UTC()
	var all []social.Metrics
	for _, s := range list {
		ref, asked := byID[s.ID]
		if !asked {
			continue
		}
		all = append(all, social.Metrics{Ref: ref, At: now, Values: map[string]float64{
			"likes": s.Favourites, "shares": s.Reblogs + s.Quotes, "comments": s.Replies,
		}})
	}
	return all
}
