package bluesky

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// searched bounds a search: so many pages of a hundred records.
const searched = 20

// written is a post in a repository, as far as a search goes by it.
type written struct {
	URI   string `json:"uri"`
	CID   string `json:"cid"`
	Value struct {
		Text      string `json:"text"`
		CreatedAt string `json:"createdAt"`
		Embed     struct {
			Images []struct{} `json:"images"`
		} `json:"embed"`
		Reply struct {
			Parent struct {
				URI string `json:"uri"`
			} `json:"parent"`
		} `json:"reply"`
	} `json:"value"`
}

// search looks through the repository for what says the same in the same
// place, from the newest key back to Since. The oldest wins.
func (b *Bluesky) search(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	var found *social.Receipt
	params := url.Values{"repo": {did(req.Account, req.Call)}, "collection": {collection}, "limit": {"100"}}
	for range searched {
		var page struct {
			Cursor  string    `json:"cursor"`
			Records []written `json:"records"`
		}
		if err := b.query(ctx, b.pds(req.Call), "com.atproto.repo.listRecords", params, &page); err != nil {
			return social.Finding{}, err
		}
		past := 0
		for _, r := range page.Records {
			if at, err := time.Parse(time.RFC3339, r.Value.CreatedAt); err == nil && at.Before(req.Since) {
				past++ // keys are not in the order of these times, so the whole page decides
			} else if r.is(req.Content) && !slices.Contains(req.Taken, r.URI) {
				found = receipt(r.URI, r.CID, r.Value.CreatedAt)
			}
		}
		switch {
		case past < len(page.Records) && page.Cursor != "":
			params.Set("cursor", page.Cursor)
		case found != nil:
			return social.Finding{Verdict: social.Found, Receipt: found}, nil
		default:
			return social.Finding{Verdict: social.Absent}, nil
		}
	}
	if found != nil {
		return social.Finding{Verdict: social.Found, Receipt: found}, nil
	}
	return social.Finding{Verdict: social.Unsure, After: 5 * time.Minute}, nil
}

// is reports whether r is what c would have become.
func (r written) is(c social.Content) bool {
	parent := ""
	if c.ReplyTo != nil {
		parent = c.ReplyTo.ID
	}
	return r.Value.Text == c.Text && r.Value.Reply.Parent.URI == parent && len(r.Value.Embed.Images) == len(c.Media)
}
