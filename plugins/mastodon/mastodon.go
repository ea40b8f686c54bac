// Package mastodon is the plugin for Mastodon and the servers that speak its
// API.
//
// Mastodon itself remembers an Idempotency-Key for an hour, which settles a
// lost commit by sending it again. Servers that only look like Mastodon may
// ignore the key, so each account says how far it can be trusted: unless its
// server is known to honour the key, Account.Public["dedup"] is "find" and a
// lost post is looked for on the account's own timeline. Start with Publish;
// instance.go decides whom to trust, find.go how a post is recognised.
package mastodon

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/social"
)

// Options of the plugin.
type Options struct {
	HTTP   *http.Client  // nil means one with a timeout of 30 s
	Settle time.Duration // 0 means social.DefaultSettle
}

// Mastodon implements social.Platform, Finder, Lister and Meter.
type Mastodon struct {
	settle time.Duration
	web    *web.Client
}

var (
	_ social.Platform = (*Mastodon)(nil)
	_ social.Finder   = (*Mastodon)(nil)
	_ social.Lister   = (*Mastodon)(nil)
	_ social.Meter    = (*Mastodon)(nil)
)

// New makes the plugin.
func New(opt Options) *Mastodon {
	settle := opt.Settle
	if settle == 0 {
		settle = social.DefaultSettle
	}
	return &Mastodon{settle: settle, web: web.New("mastodon", "Mastodon", opt.HTTP)}
}

// A stock server's limits (docs.joinmastodon.org, Instance configuration). An
// account's own are in Account.Limits.
const (
	maxText   = 500
	maxMedia  = 4
	maxAlt    = 1500
	urlWeight = 23
	maxVideo  = 103_809_024
)

// keyLife is how long Mastodon remembers an Idempotency-Key, less what clocks
// may disagree by.
const keyLife = 55 * time.Minute

const settingsSchema = `{
  "type": "object", "additionalProperties": false,
  "properties": {
    "visibility": {"type": "string", "title": "Who sees it", "enum": ["public", "unlisted", "private", "direct"], "default": "public"},
    "spoiler_text": {"type": "string", "title": "Content warning", "maxLength": 500},
    "sensitive": {"type": "boolean", "title": "Hide media behind a warning"},
    "language": {"type": "string", "title": "Language", "pattern": "^[a-z]{2,3}$"}
  }
}`

// Manifest implements social.Platform.
func (m *Mastodon) Manifest() social.Manifest {
	return social.Manifest{
		ID: "org.joinmastodon", Name: "Mastodon", Version: "1.0.0",
		Summary: "Any Mastodon server, and servers that speak its API.", Homepage: "https://joinmastodon.org",
		Auth: social.Auth{Kind: social.AuthOAuth2, OAuth2: &social.OAuth2{
			AuthorizeURL: "https://{instance}/oauth/authorize", TokenURL: "https://{instance}/oauth/token",
			RevokeURL: "https://{instance}/oauth/revoke", RegisterURL: "https://{instance}/api/v1/apps",
			Scopes: []string{"read:accounts", "read:statuses", "write:statuses", "write:media"}, PKCE: true,
		}},
		Egress: []string{social.OwnServer},
		Quotas: []social.Quota{
			{ID: "publish", Scope: social.ScopeAccount, Limit: 300, Window: 5 * time.Minute},
			{ID: "media", Scope: social.ScopeAccount, Limit: 30, Window: 30 * time.Minute},
		},
		Formats: []social.Format{{
			ID: "post", Name: "Post",
			Text: social.TextRule{Max: maxText, Count: social.Graphemes, URLWeight: urlWeight, Optional: true},
			Media: social.MediaRule{
				Kinds: []social.MediaKind{social.Image, social.Video, social.Audio}, Max: maxMedia, MaxBytes: maxVideo, MaxAlt: maxAlt,
				MIMEs: []string{
					"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "video/mp4", "video/webm", "video/quicktime",
					"audio/mpeg", "audio/ogg", "audio/wav", "audio/flac", "audio/mp4",
				},
			},
			Settings: []byte(settingsSchema), Scopes: []string{"write:statuses", "write:media"},
		}},
		Capabilities: []social.Capability{social.CanFind, social.CanAccounts, social.CanMetrics, social.CanReply},
		Dedup:        social.NativeKey, Settle: m.settle, KeyLife: keyLife, APIVersion: "v1",
	}
}

// at is an address on the account's own server. A bare host is reached by
// https, a loopback one by http.
func at(call social.Call, path string) string {
	instance := strings.TrimRight(call.Credential.Public["instance"], "/")
	switch {
	case strings.Contains(instance, "://"):
		return instance + path
	case strings.HasPrefix(instance, "127.0.0.1:"), strings.HasPrefix(instance, "localhost:"), strings.HasPrefix(instance, "[::1]:"):
		return "http://" + instance + path
	}
	return "https://" + instance + path
}

// get reads path into a value. Its error is a fault.
func (m *Mastodon) get(ctx context.Context, call social.Call, path string, into any) error {
	token := call.Credential.AccessToken
	reply, err := m.web.Do(ctx, web.Request{Method: http.MethodGet, URL: at(call, path), Token: token})
	switch {
	case err != nil:
		return err
	case !reply.OK():
		return m.refused(reply, call, false)
	case reply.Into(into) != nil:
		return m.web.Odd(false, reply, token)
	}
	return nil
}
