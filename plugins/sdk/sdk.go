// Package sdk is what a plugin is written with.
//
// A plugin is a program whose main calls Serve with a value. What the value
// can do is read off its method set: implement social.Finder and the manifest
// says that it finds, implement social.Meter and it measures. There is no base
// type to embed and nothing to stub out. A plugin is a platform, an AI vendor
// (ports/model), or both.
//
// The package also decides the one thing a plugin author must not get wrong:
// whether a failed request may have been applied. Commit makes the
// irreversible call exactly once, with nothing beneath it that retries, and
// answers with a fault of the right kind. Start with Serve and Commit.
package sdk

import (
	"github.com/hashicorp/go-plugin"

	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/social"
)

// Protocol is the major version of the wire, the only one a handshake
// negotiates. Inside a major version the wire is append-only.
const Protocol = 1

// Name is what the host dispenses from the go-plugin set.
const Name = "carillon"

// Handshake keeps a plugin from being run by hand, and hosts and plugins of
// different majors apart. It is no secret.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  Protocol,
	MagicCookieKey:   "CARILLON_PLUGIN",
	MagicCookieValue: "e2b1c0de5a3f4b7c",
}

// A Plugin is what Serve runs: a social.Platform, a model.Vendor, or both.
type Plugin interface {
	Manifest() social.Manifest
}

// Describe returns p's manifest with the capabilities that its method set has,
// checked by CheckManifest. Capabilities that no method shows, such as
// social.CanReply, are kept; one that a method should show and does not is an
// error.
func Describe(p Plugin) (social.Manifest, error) {
	m := p.Manifest()
	if _, is := p.(model.Vendor); is != (m.Model != nil) {
		return social.Manifest{}, invalid("model", "the manifest has it if, and only if, the plugin has Models and Run")
	}
	if _, is := p.(social.Platform); !is && m.Social() {
		return social.Manifest{}, invalid("formats", "the plugin has no Publish")
	}
	declared := m.Capabilities
	m.Capabilities = abilities(p)
	for _, c := range declared {
		if shown(c) && !m.Can(c) {
			return social.Manifest{}, invalid("capabilities", "%q is declared, but the plugin has no method for it", c)
		}
		if !m.Can(c) {
			m.Capabilities = append(m.Capabilities, c)
		}
	}
	return m, CheckManifest(m)
}

// abilities reads the capabilities off the method set.
func abilities(p Plugin) []social.Capability {
	out := modelAbilities(p)
	platform, is := p.(social.Platform)
	if !is {
		return out
	}
	return append(out, socialAbilities(platform)...)
}

func modelAbilities(p Plugin) (out []social.Capability) {
	if _, ok := p.(model.Estimator); ok {
		out = append(out, social.CanEstimate)
	}
	if _, ok := p.(model.Canceler); ok {
		out = append(out, social.CanCancel)
	}
	return out
}

func socialAbilities(p social.Platform) (out []social.Capability) {
	add := func(c social.Capability, has bool) {
		if has {
			out = append(out, c)
		}
	}
	_, finds := social.Able[social.Finder](p, social.CanFind)
	_, connects := social.Able[social.Connector](p, social.CanConnect)
	_, lists := social.Able[social.Lister](p, social.CanAccounts)
	_, refreshes := social.Able[social.Refresher](p, social.CanRefresh)
	_, measures := social.Able[social.Meter](p, social.CanMetrics)
	add(social.CanFind, finds)
	add(social.CanConnect, connects)
	add(social.CanAccounts, lists)
	add(social.CanRefresh, refreshes)
	add(social.CanMetrics, measures)
	return out
}

// shown reports whether having c is visible in a method set.
func shown(c social.Capability) bool {
	switch c {
	case social.CanFind, social.CanConnect, social.CanAccounts, social.CanRefresh, social.CanMetrics, social.CanEstimate, social.CanCancel:
		return true
	default:
		return false
	}
}
