package mastodon

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/social"
)

// state is what one step leaves to the next.
type state struct {
	Key string `json:"key"` // the Idempotency-Key of every commit of this post
	// Anchor is the account's newest status before the first commit, so that an
	// older post with the same words is no evidence. Anchored tells "none" from
	// "not asked yet"; the server may also refuse to say.
	Anchor   string   `json:"anchor,omitempty"`
	Anchored bool     `json:"anchored,omitempty"`
	Asked    bool     `json:"asked,omitempty"`
	Media    []upload `json:"media,omitempty"`
}

type upload struct {
	ID    string `json:"id"`
	Ready bool   `json:"ready,omitempty"`
}

// Publish implements social.Publisher: upload and await each attachment, note
// where the timeline stands, then commit.
func (m *Mastodon) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	s, err := m.resume(req.State, req.Call)
	if err != nil {
		return social.Step{}, err
	}
	if req.Commit {
		return m.commit(ctx, req, s)
	}
	if err := m.check(req); err != nil {
		return social.Step{}, err
	}
	for i := range s.Media {
		if !s.Media[i].Ready {
			return m.await(ctx, req, s, i)
		}
	}
	if len(s.Media) < len(req.Content.Media) {
		return m.upload(ctx, req, s)
	}
	if !s.Asked {
		return m.anchor(ctx, req, s)
	}
	return next(s, 0, true, "ready to post")
}

func (m *Mastodon) resume(raw []byte, call social.Call) (state, error) {
	s := state{Key: call.Idempotency}
	if raw == nil {
		return s, nil
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		f := social.Fail(social.Permanent, "mastodon.state", "The progress of this post could not be read.")
		f.Source, f.Err = social.FromPlugin, err
		return s, f
	}
	return s, nil
}

func next(s state, after time.Duration, commit bool, label string) (social.Step, error) {
	raw, err := json.Marshal(s)
	return social.Step{Next: &social.Next{State: raw, After: after, Commit: commit, Label: label}}, err
}

// check holds the content to this account's limits. The content warning counts
// as text.
func (m *Mastodon) check(req social.PublishRequest) error {
	c, limits := req.Content, req.Account.Limits
	if limits == nil {
		limits = &social.Limits{}
	}
	most := or(limits.MaxText, maxText)
	n := length(c.Text+setting(c, "spoiler_text"), or(limits.URLWeight, urlWeight))
	switch {
	case n > most:
		return m.web.TooLong(n, most)
	case c.Text == "" && len(c.Media) == 0:
		return m.web.Violates("/content/text", "text.empty", 0, 1, "Write something or attach media.")
	case len(c.Media) > or(limits.MaxMedia, maxMedia):
		return m.web.Violates("/content/media", "media.too_many", len(c.Media), or(limits.MaxMedia, maxMedia), "Too many attachments for this server.")
	}
	for _, one := range c.Media {
		if one.Kind != social.Image && len(c.Media) > 1 {
			return m.web.Violates("/content/media", "media.mixed", len(c.Media), 1, "Mastodon takes one video or audio, or else images alone.")
		}
	}
	return nil
}

func or(figure, otherwise int) int {
	if figure > 0 {
		return figure
	}
	return otherwise
}

func setting(c social.Content, name string) string {
	text, _ := c.Settings[name].(string)
	return text
}

// anchor notes the newest status of the account.
func (m *Mastodon) anchor(ctx context.Context, req social.PublishRequest, s state) (social.Step, error) {
	s.Asked = true
	list, err := m.timeline(ctx, req.Call, req.Account.ID, url.Values{"limit": {"1"}, "exclude_reblogs": {"true"}})
	f := social.FaultOf(err, false)
	switch {
	case err == nil:
		s.Anchored = true
		if len(list) > 0 {
			s.Anchor = list[0].ID
		}
	case f.Kind != social.Permission && f.Kind != social.NotFound && f.Kind != social.Permanent:
		return social.Step{}, err
	}
	return next(s, 0, false, "reading the timeline")
}

// commit makes the one request that has an effect.
func (m *Mastodon) commit(ctx context.Context, req social.PublishRequest, s state) (social.Step, error) {
	reply, err := m.web.Do(ctx, web.Request{
		Method: http.MethodPost, URL: at(req.Call, "/api/v1/statuses"), Token: req.Call.Credential.AccessToken,
		Header: map[string]string{"Idempotency-Key": s.Key}, JSON: body(req.Content, s), Commit: true,
	})
	if err != nil {
		return social.Step{}, err
	}
	if !reply.OK() {
		return social.Step{}, m.refused(reply, req.Call, true)
	}
	var made status
	if err := reply.Into(&made); err != nil || made.ID == "" {
		return social.Step{}, m.web.Odd(true, reply, req.Call.Credential.AccessToken)
	}
	return social.Step{Receipt: made.receipt()}, nil
}

func body(c social.Content, s state) map[string]any {
	b := map[string]any{"status": c.Text}
	if len(s.Media) > 0 {
		ids := make([]string, len(s.Media))
		for i, up := range s.Media {
			ids[i] = up.ID
		}
		b["media_ids"] = ids
	}
	if c.ReplyTo != nil {
		b["in_reply_to_id"] = c.ReplyTo.ID
	}
	for _, name := range []string{"visibility", "spoiler_text", "sensitive"} {
		if value, ok := c.Settings[name]; ok && value != "" {
			b[name] = value
		}
	}
	if language := language(c); language != "" {
		b["language"] = language
	}
	return b
}

func language(c social.Content) string {
	if chosen := setting(c, "language"); chosen != "" || len(c.Languages) == 0 {
		return chosen
	}
	return c.Languages[0]
}
