// Package bluesky is the plugin for Bluesky and any other AT Protocol server.
//
// A post is a record under a key of our own choosing, made from the post's
// identity alone. The commit is putRecord with swapRecord null: it creates, or
// does nothing when the very same record is there already, or refuses. So it
// can be sent any number of times and leaves one post. createRecord could not:
// a server answers 500 when the key exists, which looks like an outage.
// Start with Publish; record.go builds what is sent, facets.go finds links,
// mentions and tags, session.go signs in with an app password, oauth.go without
// one.
package bluesky

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// Options of the plugin.
type Options struct {
	Entry   string        // where accounts sign in that name no server; "" means bsky.social
	AppView string        // public reads; "" means https://public.api.bsky.app
	PLC     string        // the directory of identities; "" means https://plc.directory
	HTTP    *http.Client  // nil means the SDK's
	Settle  time.Duration // 0 means one minute: a server reads its own writes at once
	Now     func() time.Time
}

// Bluesky implements social.Platform, Finder, Connector, Refresher, Lister and
// Meter.
type Bluesky struct {
	entry, appView, directory string
	settle                    time.Duration
	now                       func() time.Time
	web                       *web.Client
}

var (
	_ social.Platform  = (*Bluesky)(nil)
	_ social.Finder    = (*Bluesky)(nil)
	_ social.Connector = (*Bluesky)(nil)
	_ social.Refresher = (*Bluesky)(nil)
	_ social.Lister    = (*Bluesky)(nil)
	_ social.Meter     = (*Bluesky)(nil)
)

// New makes the plugin.
func New(opt Options) *Bluesky {
	b := &Bluesky{
		entry:     cmp.Or(opt.Entry, "bsky.social"),
		appView:   strings.TrimRight(cmp.Or(opt.AppView, "https://public.api.bsky.app"), "/"),
		directory: strings.TrimRight(cmp.Or(opt.PLC, "https://plc.directory"), "/"),
		settle:    cmp.Or(opt.Settle, time.Minute),
		now:       opt.Now,
		web:       web.New("bluesky", "Bluesky", opt.HTTP),
	}
	if b.now == nil {
		b.now = time.Now
	}
	return b
}

// Limits of a post (lexicons app.bsky.feed.post and app.bsky.embed.images).
const (
	maxText  = 300  // graphemes
	maxBytes = 3000 // of UTF-8
	maxMedia = 4
	maxImage = 2_000_000
	maxAlt   = 2000
	maxLangs = 3
)

// keyLife: a record key is remembered for as long as the post exists.
const keyLife = 10 * 365 * 24 * time.Hour

// Manifest implements social.Platform.
func (b *Bluesky) Manifest() social.Manifest {
	return social.Manifest{
		ID: "app.bsky", Name: "Bluesky", Version: "1.0.0",
		Summary: "Bluesky and other AT Protocol servers, by OAuth or with an app password.", Homepage: "https://bsky.app",
		Auth: social.Auth{Kind: social.AuthForm, Form: []byte(signInForm)},
		Egress: []string{
			sdk.InstanceHost(b.entry), "*.host.bsky.network", sdk.InstanceHost(b.appView), sdk.InstanceHost(b.directory), social.OwnServer,
		},
		Quotas: []social.Quota{{ID: "publish", Scope: social.ScopeAccount, Limit: 1600, Window: time.Hour}},
		Formats: []social.Format{{
			ID: "post", Name: "Post",
			Text: social.TextRule{Max: maxText, Count: social.Graphemes, MaxBytes: maxBytes, Optional: true},
			Media: social.MediaRule{
				Kinds: []social.MediaKind{social.Image}, Max: maxMedia, MaxBytes: maxImage, MaxAlt: maxAlt,
				MIMEs: []string{"image/jpeg", "image/png", "image/webp"},
			},
		}},
		Capabilities: []social.Capability{
			social.CanFind, social.CanConnect, social.CanAccounts, social.CanRefresh, social.CanMetrics, social.CanReply,
		},
		Dedup: social.NativeKey, Settle: b.settle, KeyLife: keyLife, APIVersion: "xrpc",
	}
}

// address makes an origin of what a person or the host calls a server. A bare
// host is reached by https, a loopback one by http.
func address(server string) string {
	server = strings.TrimRight(server, "/")
	switch {
	case strings.Contains(server, "://"):
		return server
	case strings.HasPrefix(server, "127.0.0.1"), strings.HasPrefix(server, "localhost"), strings.HasPrefix(server, "[::1]"):
		return "http://" + server
	}
	return "https://" + server
}

// pds is the account's own server, where its records live.
func (b *Bluesky) pds(call social.Call) string {
	public := call.Credential.Public
	return address(cmp.Or(public["pds"], public["instance"], b.entry))
}

// query calls a public reading method and parses its answer.
func (b *Bluesky) query(ctx context.Context, server, method string, params url.Values, into any) error {
	reply, err := b.web.Do(ctx, web.Request{Method: http.MethodGet, URL: server + "/xrpc/" + method + "?" + params.Encode()})
	return b.read(reply, err, "", into)
}

func (b *Bluesky) read(reply *web.Reply, err error, token string, into any) error {
	switch {
	case err != nil:
		return err
	case !reply.OK():
		return b.refused(reply, token, false)
	case reply.Into(into) != nil:
		return b.web.Odd(false, reply, token)
	}
	return nil
}
