package catalog

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/carillonhq/carillon/ports/social"
)

// A Change is something that a version asks for, or no longer offers, and that
// an operator decides about.
type Change struct {
	Kind ChangeKind
	What string // the host, scope, format or capability; else what it is now
}

// ChangeKind is what changes.
type ChangeKind string

// The changes.
const (
	NewHost         ChangeKind = "host_added"
	NewScope        ChangeKind = "scope_added"
	NewAuth         ChangeKind = "auth_changed"
	NewCommand      ChangeKind = "command_changed"
	NewSettings     ChangeKind = "settings_changed"
	LostFormat      ChangeKind = "format_removed"
	LostCapability  ChangeKind = "capability_removed"
	WeakerRecovery  ChangeKind = "recovery_changed"
	AnotherSigner   ChangeKind = "signer_changed"
	LowerLevel      ChangeKind = "level_lowered"
	OlderVersion    ChangeKind = "version_lowered"
	UnreadableState ChangeKind = "state_dropped"
)

// credentialChanged is what people read of a NewAuth.
const credentialChanged = "signs in at another address, or in another way"

// diff is what v changes for p. active is the version that runs, nil if none
// does: then everything v asks for is new.
func (p *Plugin) diff(v Version, active *Version) (out []Change) {
	for _, h := range v.Manifest.Egress {
		if !social.Covered(p.Hosts, h) {
			out = append(out, Change{NewHost, h})
		}
	}
	for _, scope := range scopesOf(v.Manifest) {
		if !slices.Contains(p.Scopes, scope) {
			out = append(out, Change{NewScope, scope})
		}
	}
	if active == nil {
		return out
	}
	out = append(out, provenance(p, v, active)...)
	if active.Command != nil && !slices.Equal(v.Command, active.Command) {
		out = append(out, Change{NewCommand, cmp.Or(strings.Join(v.Command, " "), "Carillon reads its file")})
	}
	if what := settingsChanged(active.Manifest.SettingsSchema, v.Manifest.SettingsSchema); what != "" {
		out = append(out, Change{NewSettings, what})
	}
	return append(out, losses(active.Manifest, v.Manifest)...)
}

// provenance is what changes of who vouches for the code. A trusted key needs no
// more than to have signed what runs, or that nobody did; any other has to be
// the one that was accepted, and is not once it was revoked.
func provenance(p *Plugin, v Version, active *Version) (out []Change) {
	if v.Level == Community && v.Key != p.Signer || v.Level == Verified && active.Key != "" && v.Key != active.Key {
		out = append(out, Change{AnotherSigner, v.Key})
	}
	if rank(v.Level) < rank(active.Level) {
		out = append(out, Change{LowerLevel, string(v.Level)})
	}
	if compareVersions(v.Version, active.Version) < 0 {
		out = append(out, Change{OlderVersion, v.Version})
	}
	return out
}

func rank(l Level) int { return slices.Index([]Level{Local, Community, Verified, BuiltIn}, l) }

// losses is what people who use old would miss, or have to do again, under now.
func losses(old, now social.Manifest) (out []Change) {
	if !sameAuth(old.Auth, now.Auth) {
		out = append(out, Change{NewAuth, string(now.Auth.Kind) + ": " + credentialChanged})
	}
	for _, f := range old.Formats {
		if !slices.ContainsFunc(now.Formats, func(n social.Format) bool { return n.ID == f.ID }) {
			out = append(out, Change{LostFormat, f.ID})
		}
	}
	for _, c := range old.Capabilities {
		if !now.Can(c) {
			out = append(out, Change{LostCapability, string(c)})
		}
	}
	if old.Dedup != now.Dedup {
		out = append(out, Change{WeakerRecovery, string(now.Dedup)})
	}
	if !now.Reads(old.StateVersion) {
		out = append(out, Change{UnreadableState, strconv.Itoa(old.StateVersion)})
	}
	return out
}

// sameAuth compares two sign-ins but for their scopes, which are looked at one
// by one.
func sameAuth(a, b social.Auth) bool {
	if a.Kind != b.Kind || !bytes.Equal(a.Form, b.Form) || (a.OAuth2 == nil) != (b.OAuth2 == nil) {
		return false
	}
	if a.OAuth2 == nil {
		return true
	}
	x, y := *a.OAuth2, *b.OAuth2
	return x.AuthorizeURL == y.AuthorizeURL && x.TokenURL == y.TokenURL && x.RevokeURL == y.RevokeURL && x.RegisterURL == y.RegisterURL &&
		x.PKCE == y.PKCE && x.BasicClientAuth == y.BasicClientAuth && x.SingleUseRefresh == y.SingleUseRefresh &&
		maps.Equal(x.AuthorizeParams, y.AuthorizeParams)
}

// scopesOf is every scope that a manifest may ask a person for.
func scopesOf(m social.Manifest) []string {
	var out []string
	if m.Auth.OAuth2 != nil {
		out = append(out, m.Auth.OAuth2.Scopes...)
	}
	for _, f := range m.Formats {
		out = append(out, f.Scopes...)
	}
	for _, c := range m.CapabilityScopes {
		out = append(out, c.Scopes...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// compareVersions orders two semantic versions as semver.org does; build
// metadata does not count.
func compareVersions(a, b string) int {
	a, _, _ = strings.Cut(a, "+")
	b, _, _ = strings.Cut(b, "+")
	coreA, preA, isPreA := strings.Cut(a, "-")
	coreB, preB, isPreB := strings.Cut(b, "-")
	if c := compareWords(coreA, coreB); c != 0 {
		return c
	}
	switch {
	case isPreA && !isPreB:
		return -1
	case !isPreA && isPreB:
		return 1
	}
	return compareWords(preA, preB)
}

func compareWords(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, errX := strconv.ParseUint(x, 10, 64)
		n, errY := strconv.ParseUint(y, 10, 64)
		switch {
		case errX == nil && errY == nil:
			return cmp.Compare(m, n)
		case errX == nil:
			return -1 // numbers come before words
		case errY == nil:
			return 1
		}
		return strings.Compare(x, y)
	})
}
