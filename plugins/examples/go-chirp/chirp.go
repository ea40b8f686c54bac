package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

const maxText = 280

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
		Egress:  []string{"{instance}"},
		Quotas:  []social.Quota{{ID: "publish", Scope: social.ScopeAccount, Limit: 60, Window: time.Minute}},
		Formats: []social.Format{{
			ID: "post", Name: "Post", Text: social.TextRule{Max: maxText, Count: social.Codepoints, Optional: true},
			Media: social.MediaRule{Kinds: []social.MediaKind{social.Image}, Max: 4, MIMEs: []string{"image/png", "image/jpeg"}, MaxBytes: 8 << 20},
		}},
		Capabilities: []social.Capability{
			social.CanFind, social.CanConnect, social.CanAccounts, social.CanMetrics, social.CanReply,
		},
		Dedup: social.ByFind, Settle: time.Minute,
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
	if err := check(req.Content); err != nil {
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

func check(c social.Content) error {
	n := utf8.RuneCountInString(c.Text)
	if n <= maxText {
		return nil
	}
	f := social.Fail(social.Invalid, "chirp.text_too_long", "The text has %d characters; Chirp takes at most %d.", n, maxText)
	f.Source = social.FromPlugin
	f.Violations = []fault.Violation{{
		Field: "/content/text", Reason: "text.too_long", Message: f.Message, Limit: maxText, Actual: float64(n),
	}}
	return f
}
