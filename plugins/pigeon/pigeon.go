// Package pigeon is the plugin for Pigeon, the practice network.
//
// It is what a plugin author reads first: every ability of the port, against a
// platform that can be made to fail. The network remembers a mark of ours with
// each post (client_ref), so a lost commit is found by that mark alone, once
// the network's index has caught up. Start with Publish; package network is
// the network itself.
package pigeon

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// Options say where the network is and how it behaves.
type Options struct {
	BaseURL   string        // of the network; "" means DefaultBaseURL
	Settle    time.Duration // how long a lost post may stay unseen; 0 means DefaultSettle
	NativeKey bool          // the network answers a repeated client_ref with the first post
	HTTP      *http.Client  // nil means one with a timeout of 30 s
}

// DefaultBaseURL is where the network listens unless told otherwise.
const DefaultBaseURL = "http://127.0.0.1:8780"

// DefaultSettle covers the client's timeout, the network's slowest answer and
// its index.
const DefaultSettle = 45 * time.Second

// FromEnv reads Options from CARILLON_PIGEON_URL, CARILLON_PIGEON_SETTLE (a
// duration) and CARILLON_PIGEON_NATIVE_KEY ("1").
func FromEnv(get func(string) string) (Options, error) {
	opt := Options{BaseURL: get("CARILLON_PIGEON_URL"), NativeKey: get("CARILLON_PIGEON_NATIVE_KEY") == "1"}
	if text := get("CARILLON_PIGEON_SETTLE"); text != "" {
		var err error
		if opt.Settle, err = time.ParseDuration(text); err != nil {
			return opt, fmt.Errorf("CARILLON_PIGEON_SETTLE: %w", err)
		}
	}
	return opt, nil
}

// Pigeon implements social.Platform, Finder, Lister and Meter.
type Pigeon struct {
	base      string
	settle    time.Duration
	nativeKey bool
	web       *web.Client
}

var (
	_ social.Platform = (*Pigeon)(nil)
	_ social.Finder   = (*Pigeon)(nil)
	_ social.Lister   = (*Pigeon)(nil)
	_ social.Meter    = (*Pigeon)(nil)
)

// New makes the plugin.
func New(opt Options) *Pigeon {
	return &Pigeon{
		base:      strings.TrimRight(cmp.Or(opt.BaseURL, DefaultBaseURL), "/"),
		settle:    cmp.Or(opt.Settle, DefaultSettle),
		nativeKey: opt.NativeKey,
		web:       web.New("pigeon", "Pigeon", opt.HTTP),
	}
}

// Manifest implements social.Platform.
func (p *Pigeon) Manifest() social.Manifest {
	m := social.Manifest{
		ID: "org.carillonhq.pigeon", Name: "Pigeon", Version: "1.0.0",
		Summary: "The practice network: publish without an account anywhere.", Homepage: p.base,
		Auth: social.Auth{Kind: social.AuthOAuth2, OAuth2: &social.OAuth2{
			AuthorizeURL: p.base + "/oauth/authorize", TokenURL: p.base + "/oauth/token", RevokeURL: p.base + "/oauth/revoke",
			Scopes: []string{"read", "write", "media", "metrics"}, PKCE: true, SingleUseRefresh: true,
		}},
		Egress: []string{sdk.InstanceHost(p.base)},
		Formats: []social.Format{{
			ID: "post", Name: "Post",
			Text: social.TextRule{Max: network.MaxText, Count: social.Graphemes, Optional: true},
			Media: social.MediaRule{
				Kinds: []social.MediaKind{social.Image}, Max: network.MaxMedia, MaxBytes: network.MaxMediaLen,
				MIMEs: []string{"image/jpeg", "image/png", "image/gif", "image/webp"}, MaxAlt: network.MaxAlt,
			},
			Scopes: []string{"write", "media"},
		}},
		Capabilities: []social.Capability{social.CanFind, social.CanAccounts, social.CanMetrics, social.CanReply, social.CanStatus},
		Dedup:        social.ByFind, Settle: p.settle, APIVersion: "v1",
	}
	if p.nativeKey {
		m.Dedup, m.KeyLife = social.NativeKey, 365*24*time.Hour
	}
	return m
}

// at is an address of the network. The operator may point one installation
// elsewhere.
func (p *Pigeon) at(call social.Call, path string) string {
	return strings.TrimRight(cmp.Or(call.App["base_url"], p.base), "/") + path
}
