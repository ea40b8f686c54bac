package pigeon

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// state is what one step leaves to the next.
type state struct {
	Marker string   `json:"marker"` // the client_ref, the same for every try
	Media  []upload `json:"media,omitempty"`
}

type upload struct {
	ID    string `json:"id"`
	Ready bool   `json:"ready,omitempty"`
}

// Publish implements social.Publisher: upload and await each picture in steps
// of their own, then commit.
func (p *Pigeon) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	s, err := p.resume(req.State, req.Call)
	if err != nil {
		return social.Step{}, err
	}
	if req.Commit {
		return p.commit(ctx, req, s)
	}
	if err := p.check(req.Content); err != nil {
		return social.Step{}, err
	}
	for i := range s.Media {
		if !s.Media[i].Ready {
			return p.await(ctx, req, s, i)
		}
	}
	if len(s.Media) < len(req.Content.Media) {
		return p.upload(ctx, req, s)
	}
	return next(s, 0, true, "ready to post")
}

func (p *Pigeon) resume(raw []byte, call social.Call) (state, error) {
	s := state{Marker: call.Idempotency}
	if raw == nil {
		return s, nil
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		f := social.Fail(social.Permanent, "pigeon.state", "The progress of this post could not be read.")
		f.Source, f.Err = social.FromPlugin, err
		return s, f
	}
	return s, nil
}

func next(s state, after time.Duration, commit bool, label string) (social.Step, error) {
	raw, err := json.Marshal(s)
	return social.Step{Next: &social.Next{State: raw, After: after, Commit: commit, Label: label}}, err
}

func (p *Pigeon) check(c social.Content) error {
	n := textcount.Count(social.TextRule{Count: social.Graphemes}, c.Text)
	switch {
	case n > network.MaxText:
		return p.web.TooLong(n, network.MaxText)
	case n == 0 && len(c.Media) == 0:
		return p.web.Violates("/content/text", "text.empty", 0, 1, "Write something or add a picture.")
	case len(c.Media) > network.MaxMedia:
		return p.web.Violates("/content/media", "media.too_many", len(c.Media), network.MaxMedia, "Pigeon takes at most 4 pictures.")
	}
	return nil
}

// upload sends the next picture. A repeat leaves a picture that nothing shows.
func (p *Pigeon) upload(ctx context.Context, req social.PublishRequest, s state) (social.Step, error) {
	m := req.Content.Media[len(s.Media)]
	body, err := p.web.Open(ctx, m)
	if err != nil {
		return social.Step{}, err
	}
	defer func() { _ = body.Close() }()
	reply, err := p.web.Do(ctx, web.Request{
		Method: http.MethodPost, URL: p.at(req.Call, "/api/v1/media?"+url.Values{"alt": {m.Alt}}.Encode()),
		Token: req.Call.Credential.AccessToken, Body: body, Header: map[string]string{"Content-Type": m.MIME},
	})
	if err != nil {
		return social.Step{}, err
	}
	up, err := p.picture(reply, req)
	if err != nil {
		return social.Step{}, err
	}
	s.Media = append(s.Media, up)
	return next(s, 0, false, "uploading")
}

// await asks whether picture i can be attached yet.
func (p *Pigeon) await(ctx context.Context, req social.PublishRequest, s state, i int) (social.Step, error) {
	reply, err := p.web.Do(ctx, web.Request{
		Method: http.MethodGet, URL: p.at(req.Call, "/api/v1/media/"+url.PathEscape(s.Media[i].ID)),
		Token: req.Call.Credential.AccessToken,
	})
	if err != nil {
		return social.Step{}, err
	}
	up, err := p.picture(reply, req)
	if err != nil {
		return social.Step{}, err
	}
	if s.Media[i].Ready = up.Ready; !up.Ready {
		return next(s, 500*time.Millisecond, false, "waiting for a picture to be processed")
	}
	return next(s, 0, false, "picture is ready")
}

func (p *Pigeon) picture(reply *web.Reply, req social.PublishRequest) (upload, error) {
	var answer struct{ ID, State string }
	switch {
	case !reply.OK():
		return upload{}, p.refused(reply, req)
	case reply.Into(&answer) != nil || answer.ID == "":
		return upload{}, p.web.Odd(false, reply, req.Call.Credential.AccessToken)
	}
	return upload{ID: answer.ID, Ready: answer.State == "ready"}, nil
}

// commit makes the one request that has an effect.
func (p *Pigeon) commit(ctx context.Context, req social.PublishRequest, s state) (social.Step, error) {
	body := map[string]any{"text": req.Content.Text, "client_ref": s.Marker}
	if len(s.Media) > 0 {
		ids := make([]string, len(s.Media))
		for i, up := range s.Media {
			ids[i] = up.ID
		}
		body["media"] = ids
	}
	if req.Content.ReplyTo != nil {
		body["reply_to"] = req.Content.ReplyTo.ID
	}
	reply, err := p.web.Do(ctx, web.Request{
		Method: http.MethodPost, URL: p.at(req.Call, "/api/v1/posts"), Token: req.Call.Credential.AccessToken,
		JSON: body, Commit: true,
	})
	if err != nil {
		return social.Step{}, err
	}
	if !reply.OK() {
		return social.Step{}, p.refused(reply, req)
	}
	var made post
	if err := reply.Into(&made); err != nil || made.ID == "" {
		return social.Step{}, p.web.Odd(true, reply, req.Call.Credential.AccessToken)
	}
	return social.Step{Receipt: made.receipt()}, nil
}

// post is a post as the network answers with it.
type post struct {
	ID        string    `json:"id"`
	URL       string    `json:"url"`
	CreatedAt time.Time `json:"created_at"`
	State     string    `json:"state"`
	Text      string    `json:"text"`
	ReplyTo   string    `json:"reply_to"`
	Media     []string  `json:"media"`
	ClientRef string    `json:"client_ref"`
}

func (p post) receipt() *social.Receipt {
	r := &social.Receipt{Ref: social.Ref{ID: p.ID, URL: p.URL}, Status: social.Live, PublishedAt: p.CreatedAt}
	if p.State == "in_review" {
		r.Status = social.InReview
	}
	return r
}
