package mastodon

import (
	"context"
	"net/http"
	"net/url"
	"slices"
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
	Media       []attached `json:"media_attachments"`
	Favourites  float64    `json:"favourites_count"`
	Reblogs     float64    `json:"reblogs_count"`
	Replies     float64    `json:"replies_count"`
	Quotes      float64    `json:"quotes_count"`
}

type attached struct {
	ID string `json:"id"`
}

func (s status) receipt() *social.Receipt {
	link := s.URL
	if link == "" {
		link = s.URI
	}
	return &social.Receipt{Ref: social.Ref{ID: s.ID, URL: link}, Status: social.Live, PublishedAt: s.CreatedAt}
}

// pages bounds a search: a thousand statuses since the commit was armed, and
// less where the server hands out shorter pages.
const pages, pageSize = 25, 40

// Find implements social.Finder: it looks through the account's own timeline,
// back to where it stood before the first commit. A short page is not the end
// of it, since servers filter and cap pages: an empty one is.
func (m *Mastodon) Find(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	s, err := m.resume(req.State, req.Call)
	if err != nil {
		return social.Finding{}, err
	}
	if req.Restored { // another history went on from here
		s.Anchor, s.Anchored, s.Media = "", false, nil
	}
	seen := sighting{}
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
				return seen.verdict(), nil // from here on it is all older
			}
			if err := m.compare(ctx, req, &list[i], s, &seen); err != nil {
				return social.Finding{}, err
			}
		}
		if len(list) == 0 {
			return seen.verdict(), nil
		}
		query.Set("max_id", list[len(list)-1].ID)
	}
	if seen.found == nil {
		return unsure, nil
	}
	return seen.verdict(), nil
}

var unsure = social.Finding{Verdict: social.Unsure, After: 5 * time.Minute}

// A sighting is what a search has met: the oldest that is it, because that is
// the commit and later ones are people, and whether one says the same with
// other attachments.
type sighting struct {
	found *status
	alike bool
}

func (s sighting) verdict() social.Finding {
	switch {
	case s.found != nil:
		return social.Finding{Verdict: social.Found, Receipt: s.found.receipt()}
	case s.alike:
		return unsure
	}
	return social.Finding{Verdict: social.Absent}
}

// compare notes a status that is what req would have published.
func (m *Mastodon) compare(ctx context.Context, req social.FindRequest, one *status, s state, seen *sighting) error {
	if slices.Contains(req.Taken, one.ID) {
		return nil
	}
	same, err := m.same(ctx, req, *one)
	switch {
	case err != nil || !same:
		return err
	case s.shows(*one):
		seen.found = one
	default:
		seen.alike = true
	}
	return nil
}

// shows reports whether a status has the attachments that were uploaded for it,
// as far as that is known.
func (s state) shows(one status) bool {
	if len(s.Media) != len(one.Media) {
		return true
	}
	for i, up := range s.Media {
		if one.Media[i].ID != "" && !slices.ContainsFunc(one.Media, func(m attached) bool { return m.ID == up.ID }) {
			return false
		}
	}
	return true
}

// same reports whether a status says what req would have said, in the same
// place. Where a server has rewritten the text, its source is asked for.
func (m *Mastodon) same(ctx context.Context, req social.FindRequest, one status) (bool, error) {
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
