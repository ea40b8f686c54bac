package mastodon

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// status is a post as a server answers with it.
type status struct {
	ID          string     `json:"id"`
	URL         string     `json:"url"`
	URI         string     `json:"uri"`
	CreatedAt   time.Time  `json:"created_at"`
	Content     string     `json:"content"`
	SpoilerText string     `json:"spoiler_text"`
	InReplyTo   string     `json:"in_reply_to_id"`
	Media       []struct{} `json:"media_attachments"`
	Favourites  float64    `json:"favourites_count"`
	Reblogs     float64    `json:"reblogs_count"`
	Replies     float64    `json:"replies_count"`
	Quotes      float64    `json:"quotes_count"`
}

func (s status) receipt() *social.Receipt {
	link := s.URL
	if link == "" {
		link = s.URI
	}
	return &social.Receipt{Ref: social.Ref{ID: s.ID, URL: link}, Status: social.Live, PublishedAt: s.CreatedAt}
}

// pages bounds a search: 200 statuses since the commit was armed.
const pages, pageSize = 5, 40

// Find implements social.Finder: it looks through the account's own timeline,
// back to where it stood before the first commit.
func (m *Mastodon) Find(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	s, err := m.resume(req.State, req.Call)
	if err != nil {
		return social.Finding{}, err
	}
	var found *status
	query := url.Values{"limit": {strconv.Itoa(pageSize)}, "exclude_reblogs": {"true"}}
	if s.Anchor != "" {
		query.Set("since_id", s.Anchor)
	}
	for range pages {
		list, err := m.timeline(ctx, req.Call, req.Account.ID, query)
		if err != nil {
			return social.Finding{}, err
		}
		for i := range list {
			if list[i].ID == s.Anchor || !s.Anchored && list[i].CreatedAt.Before(req.Since) {
				return verdict(found), nil // from here on it is all older
			}
			same, err := m.same(ctx, req, list[i], s)
			if err != nil {
				return social.Finding{}, err
			}
			if same {
				found = &list[i] // the oldest wins: it is the commit, later ones are people
			}
		}
		if len(list) < pageSize {
			return verdict(found), nil
		}
		query.Set("max_id", list[len(list)-1].ID)
	}
	if found == nil {
		return social.Finding{Verdict: social.Unsure, After: 5 * time.Minute}, nil
	}
	return verdict(found), nil
}

func verdict(found *status) social.Finding {
	if found == nil {
		return social.Finding{Verdict: social.Absent}
	}
	return social.Finding{Verdict: social.Found, Receipt: found.receipt()}
}

// same reports whether a status is what req would have published. Where a
// server has rewritten the text, its source is asked for.
func (m *Mastodon) same(ctx context.Context, req social.FindRequest, one status, s state) (bool, error) {
	parent := ""
	if req.Content.ReplyTo != nil {
		parent = req.Content.ReplyTo.ID
	}
	if one.InReplyTo != parent || len(one.Media) != len(req.Content.Media) {
		return false, nil
	}
	want := fingerprint(req.Content.Text)
	if fingerprint(plain(one.Content)) == want {
		return true, nil
	}
	var source struct {
		Text string `json:"text"`
	}
	err := m.get(ctx, req.Call, "/api/v1/statuses/"+url.PathEscape(one.ID)+"/source", &source)
	if f := social.FaultOf(err, false); err != nil {
		if f.HTTPStatus == http.StatusNotFound || f.HTTPStatus == http.StatusForbidden || f.HTTPStatus == http.StatusNotImplemented {
			return false, nil // the server keeps no source, or does not show it
		}
		return false, err
	}
	return fingerprint(source.Text) == want, nil
}

func (m *Mastodon) timeline(ctx context.Context, call social.Call, account string, query url.Values) ([]status, error) {
	var list []status
	err := m.get(ctx, call, "/api/v1/accounts/"+url.PathEscape(account)+"/statuses?"+query.Encode(), &list)
	return list, err
}
