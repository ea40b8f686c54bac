package bluesky

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// state is what one step leaves to the next. With it the record is the same,
// byte for byte, however often it is sent.
type state struct {
	Key       string            `json:"key"`        // the record key
	CreatedAt string            `json:"created_at"` // what the record says
	DIDs      map[string]string `json:"dids,omitempty"`
	Blobs     []json.RawMessage `json:"blobs,omitempty"`
}

// maxMentions bounds what the state has to carry; more stay plain text.
const maxMentions = 50

// Publish implements social.Publisher: look up who is mentioned, upload each
// image, then commit.
func (b *Bluesky) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	s, err := b.resume(req.State, req.Call, req.Content)
	if err != nil {
		return social.Step{}, err
	}
	if req.Commit {
		return b.commit(ctx, req, s)
	}
	if err := b.check(req.Content); err != nil {
		return social.Step{}, err
	}
	for _, handle := range handles(req.Content.Text) {
		if _, asked := s.DIDs[handle]; !asked && len(s.DIDs) < maxMentions {
			return b.resolve(ctx, req, s, handle)
		}
	}
	if len(s.Blobs) < len(req.Content.Media) {
		return b.upload(ctx, req, s)
	}
	return next(s, true, "ready to post")
}

// resume reads the state, or makes the first: key and time do not change from
// there on.
func (b *Bluesky) resume(raw []byte, call social.Call, c social.Content) (state, error) {
	s := state{}
	if raw == nil {
		now, at := b.now().UTC(), c.At
		if at.IsZero() {
			at = now
		}
		s.Key, s.CreatedAt = tid(at, call.Idempotency), now.Format("2006-01-02T15:04:05.000Z")
		return s, nil
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		f := social.Fail(social.Permanent, "bluesky.state", "The progress of this post could not be read.")
		f.Source, f.Err = social.FromPlugin, err
		return s, f
	}
	return s, nil
}

func next(s state, commit bool, label string) (social.Step, error) {
	raw, err := json.Marshal(s)
	return social.Step{Next: &social.Next{State: raw, Commit: commit, Label: label}}, err
}

func (b *Bluesky) check(c social.Content) error {
	n := textcount.Count(social.TextRule{Count: social.Graphemes}, c.Text)
	switch {
	case n > maxText:
		return b.web.TooLong(n, maxText)
	case len(c.Text) > maxBytes:
		return b.web.Violates("/content/text", "text.too_many_bytes", len(c.Text), maxBytes, "The text is %d bytes long; Bluesky takes at most %d.", len(c.Text), maxBytes)
	case n == 0 && len(c.Media) == 0:
		return b.web.Violates("/content/text", "text.empty", 0, 1, "Write something or add an image.")
	case len(c.Media) > maxMedia:
		return b.web.Violates("/content/media", "media.too_many", len(c.Media), maxMedia, "Bluesky takes at most %d images.", maxMedia)
	case c.ReplyTo != nil && c.ReplyTo.Extra["cid"] == "":
		return b.web.Violates("/content/reply_to", "reply.no_cid", 0, 0, "The post to answer is not known well enough.")
	}
	for _, m := range c.Media {
		if m.Kind != social.Image {
			return b.web.Violates("/content/media", "media.kind", 0, 0, "Only images can be attached on Bluesky for now.")
		}
	}
	return nil
}

// resolve asks for the identity behind a handle. Nobody is an answer too.
func (b *Bluesky) resolve(ctx context.Context, req social.PublishRequest, s state, handle string) (social.Step, error) {
	var answer struct {
		DID string `json:"did"`
	}
	err := b.query(ctx, b.pds(req.Call), "com.atproto.identity.resolveHandle", url.Values{"handle": {handle}}, &answer)
	if kind := social.FaultOf(err, false).Kind; err != nil && kind != social.Invalid && kind != social.NotFound {
		return social.Step{}, err
	}
	dids := map[string]string{handle: answer.DID}
	for name, did := range s.DIDs {
		dids[name] = did
	}
	s.DIDs = dids
	return next(s, false, "looking up who is mentioned")
}

// upload sends the next image. The server drops one that no record uses.
func (b *Bluesky) upload(ctx context.Context, req social.PublishRequest, s state) (social.Step, error) {
	m := req.Content.Media[len(s.Blobs)]
	body, err := b.web.Open(ctx, m)
	if err != nil {
		return social.Step{}, err
	}
	defer func() { _ = body.Close() }()
	token := req.Call.Credential.AccessToken
	reply, err := b.as(ctx, req.Call, web.Request{
		Method: http.MethodPost, URL: b.pds(req.Call) + "/xrpc/com.atproto.repo.uploadBlob",
		Body: body, Length: m.Bytes, Header: map[string]string{"Content-Type": m.MIME},
	})
	var answer struct {
		Blob json.RawMessage `json:"blob"`
	}
	if err := b.read(reply, err, token, &answer); err != nil {
		return social.Step{}, err
	}
	if len(answer.Blob) == 0 || len(answer.Blob) > 1024 {
		return social.Step{}, b.web.Odd(false, reply, token)
	}
	s.Blobs = append(s.Blobs, answer.Blob)
	return next(s, false, "uploading")
}

// commit makes the one request that has an effect.
func (b *Bluesky) commit(ctx context.Context, req social.PublishRequest, s state) (social.Step, error) {
	token := req.Call.Credential.AccessToken
	reply, err := b.as(ctx, req.Call, web.Request{
		Method: http.MethodPost, URL: b.pds(req.Call) + "/xrpc/com.atproto.repo.putRecord", Commit: true,
		JSON: map[string]any{
			"repo": did(req.Account, req.Call), "collection": collection, "rkey": s.Key, "record": record(req.Content, s),
			"swapRecord": nil, // create, or leave what is there alone
		},
	})
	if err != nil {
		return social.Step{}, err
	}
	if !reply.OK() {
		return social.Step{}, b.refused(reply, token, true)
	}
	var made struct {
		URI string `json:"uri"`
		CID string `json:"cid"`
	}
	if err := reply.Into(&made); err != nil || made.URI == "" || made.CID == "" {
		return social.Step{}, b.web.Odd(true, reply, token)
	}
	return social.Step{Receipt: receipt(made.URI, made.CID, s.CreatedAt)}, nil
}
