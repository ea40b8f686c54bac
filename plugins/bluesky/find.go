package bluesky

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/social"
)

// Find implements social.Finder: the account's server is asked for the record
// by its key. It reads its own writes, so the answer is sure.
func (b *Bluesky) Find(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	s, err := b.resume(req.State, req.Call, req.Content)
	if err != nil {
		return social.Finding{}, err
	}
	params := url.Values{"repo": {did(req.Account, req.Call)}, "collection": {collection}, "rkey": {s.Key}}
	reply, err := b.web.Do(ctx, web.Request{Method: http.MethodGet, URL: b.pds(req.Call) + "/xrpc/com.atproto.repo.getRecord?" + params.Encode()})
	if err == nil && nameOf(reply) == "RecordNotFound" {
		if req.Restored { // another history may have had another time for it, and so another key
			return b.search(ctx, req)
		}
		return social.Finding{Verdict: social.Absent}, nil
	}
	var found struct {
		URI   string `json:"uri"`
		CID   string `json:"cid"`
		Value struct {
			CreatedAt string `json:"createdAt"`
		} `json:"value"`
	}
	if err := b.read(reply, err, "", &found); err != nil {
		return social.Finding{}, err
	}
	if found.URI == "" {
		return social.Finding{}, b.web.Odd(false, reply, "")
	}
	return social.Finding{Verdict: social.Found, Receipt: receipt(found.URI, found.CID, found.Value.CreatedAt)}, nil
}

// batch is how many posts the app view takes in one question.
const batch = 25

// Metrics implements social.Meter by the public app view, which does not count
// how often a post was seen.
func (b *Bluesky) Metrics(ctx context.Context, req social.MetricsRequest) ([]social.Metrics, error) {
	refs := map[string]social.Ref{}
	var uris []string
	for _, ref := range req.Posts {
		refs[ref.ID] = ref
		uris = append(uris, ref.ID)
	}
	var all []social.Metrics
	now := b.now().UTC().Truncate(time.Second)
	for ; len(uris) > 0; uris = uris[min(batch, len(uris)):] {
		var answer struct {
			Posts []figures `json:"posts"`
		}
		if err := b.query(ctx, b.appView, "app.bsky.feed.getPosts", url.Values{"uris": uris[:min(batch, len(uris))]}, &answer); err != nil {
			return nil, err
		}
		for _, p := range answer.Posts {
			if ref, asked := refs[p.URI]; asked {
				all = append(all, social.Metrics{Ref: ref, At: now, Values: p.values()})
			}
		}
	}
	return all, nil
}

// figures are an app view's counts of one post.
type figures struct {
	URI       string  `json:"uri"`
	Likes     float64 `json:"likeCount"`
	Reposts   float64 `json:"repostCount"`
	Replies   float64 `json:"replyCount"`
	Quotes    float64 `json:"quoteCount"`
	Bookmarks float64 `json:"bookmarkCount"`
}

func (f figures) values() map[string]float64 {
	return map[string]float64{"likes": f.Likes, "shares": f.Reposts + f.Quotes, "comments": f.Replies, "saves": f.Bookmarks}
}
