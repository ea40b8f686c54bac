package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

var text = social.TextRule{Max: 280, Count: social.Codepoints, Optional: true}

const signIn = `{"type":"object","required":["instance","token"],"properties":{
	"instance":{"type":"string","title":"Server","examples":["chirp.example"]},
	"token":{"type":"string","title":"Token","format":"password"}}}`

// Chirp is the plugin. It keeps nothing but a client.
type Chirp struct{ client *http.Client }

// New makes the plugin over client.
func New(client *http.Client) *Chirp { return &Chirp{client} }

// Manifest implements social.Platform.
func (*Chirp) Manifest() social.Manifest {
	return social.Manifest{
		ID: "example.chirp-go", Name: "Chirp (Go)", Version: "1.0.0",
		Summary: "A small imaginary network, to learn from.",
		Auth:    social.Auth{Kind: social.AuthForm, Form: []byte(signIn)},
		Egress:  []string{sdk.OwnServer},
		Quotas:  []social.Quota{{ID: "publish", Scope: social.ScopeAccount, Limit: 60, Window: time.Minute}},
		Formats: []social.Format{{
			ID: "post", Name: "Post", Text: text,
			Media: social.MediaRule{Kinds: []social.MediaKind{social.Image}, Max: 4, MIMEs: []string{"image/png", "image/jpeg"}, MaxBytes: 8 << 20},
		}},
		Capabilities: []social.Capability{social.CanReply}, // no method shows it; the others are read off the methods
		Dedup:        social.ByFind, Settle: time.Minute,
	}
}

// state is what one step leaves to the next: the pictures that are there.
type state struct {
	Media []string `json:"media,omitempty"`
}

// Publish implements social.Publisher: one picture a step, then the commit.
func (c *Chirp) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	var s state
	if len(req.State) > 0 {
		if err := json.Unmarshal(req.State, &s); err != nil {
			return social.Step{}, social.Fail(social.Permanent, "chirp.state", "The progress of this post could not be read.")
		}
	}
	if req.Commit {
		return c.send(ctx, req, s)
	}
	if err := sdk.CheckText(text, req.Account.Limits, req.Content.Text); err != nil {
		return social.Step{}, err
	}
	if len(s.Media) == len(req.Content.Media) {
		return next(s, true)
	}
	id, err := c.upload(ctx, req.Call, req.Content.Media[len(s.Media)])
	if err != nil {
		return social.Step{}, err
	}
	s.Media = append(s.Media, id)
	return next(s, false)
}

func next(s state, commit bool) (social.Step, error) {
	raw, err := json.Marshal(s)
	return social.Step{Next: &social.Next{State: raw, Commit: commit}}, err
}
