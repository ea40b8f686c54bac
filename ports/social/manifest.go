package social

import (
	"fmt"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/model"
)

// A Manifest is what the host knows of a platform without calling it. From it
// come sign-in, forms, counters, validation, quotas and recovery.
type Manifest struct {
	ID       string // reverse DNS, immutable: "org.joinmastodon"
	Name     string
	Version  string // semantic version of the plugin
	Summary  string
	Homepage string
	Auth     Auth
	// Egress lists the hosts the plugin may talk to: "api.x.com",
	// "*.googleapis.com", or "{instance}" for the account's own.
	Egress       []string
	Quotas       []Quota
	Formats      []Format
	Capabilities []Capability
	Dedup        Dedup
	// Settle is how long after a lost commit "absent" is not yet believed:
	// at least client timeout, worst server time and index lag together.
	// Zero means DefaultSettle.
	Settle time.Duration
	// KeyLife is how long the platform remembers a native key. Past it the
	// key proves nothing and recovery looks the object up instead.
	KeyLife    time.Duration
	APIVersion string
	Sunset     time.Time // when APIVersion stops working; zero if unknown
	// StateVersion is the shape of what Next.State holds, raised when a plugin
	// changes it so that the version before cannot read it. The host stamps
	// each state with it, which takes up to 12 bytes of MaxState; 0 is not
	// stamped.
	StateVersion int
	// ReadsState are the shapes that this plugin goes on with; empty means
	// StateVersion alone. What it does not list stays with the version that
	// wrote it, or begins anew.
	ReadsState []int
	// SettingsSchema is the JSON Schema, an object, of what an operator sets
	// for everybody, such as "client_id" and "client_secret", which the host
	// takes for OAuth2; nil means nothing. Members with "format":"password" are
	// sealed. All but client_secret reach the plugin in Call.App, as texts.
	SettingsSchema []byte
	// CapabilityScopes are what capabilities need besides. Where a sign-in did
	// not bring it, the capability is off and the rest works.
	CapabilityScopes []CapabilityScopes
	// Model is what the plugin is as an AI vendor, nil if it is none. A plugin
	// that is nothing else has no formats.
	Model *model.Manifest
}

// Social reports whether it is a platform that can be posted to.
func (m Manifest) Social() bool { return len(m.Formats) > 0 || m.Model == nil }

// Roams reports whether the platform is where the account says.
func (m Manifest) Roams() bool { return slices.Contains(m.Egress, OwnServer) }

// CapabilityScopes are the scopes that one capability needs.
type CapabilityScopes struct {
	Capability Capability
	Scopes     []string
}

// ScopesOf returns the scopes that c needs; none if it needs no more than the
// sign-in.
func (m Manifest) ScopesOf(c Capability) []string {
	for _, one := range m.CapabilityScopes {
		if one.Capability == c {
			return one.Scopes
		}
	}
	return nil
}

// Reads reports whether the plugin goes on with a state of shape version.
func (m Manifest) Reads(version int) bool {
	if version == m.StateVersion {
		return true
	}
	for _, v := range m.ReadsState {
		if v == version {
			return true
		}
	}
	return false
}

// DefaultSettle is the quiet period of a platform that has not been measured.
const DefaultSettle = 120 * time.Second

// ClockSkew is how much further back than it was sent an object is looked for:
// the platform's clock and this machine's disagree.
const ClockSkew = 5 * time.Minute

// SunsetNotice is how long before its sunset an API version is warned about.
const SunsetNotice = 90 * 24 * time.Hour

// Ending says, for people, that the platform's API version stops working soon
// or has stopped. It is empty while there is nothing to say.
func (m Manifest) Ending(now time.Time) string {
	day := m.Sunset.Format(time.DateOnly)
	switch left := m.Sunset.Sub(now); {
	case m.Sunset.IsZero() || left > SunsetNotice:
		return ""
	case left <= 0:
		return fmt.Sprintf("%s has ended API version %q on %s. The plugin has to be upgraded.", m.Name, m.APIVersion, day)
	default:
		return fmt.Sprintf("%s ends API version %q on %s, in %d days. The plugin has to be upgraded by then.", m.Name, m.APIVersion, day, int(left.Hours()/24))
	}
}

// Capability is an optional ability, as the host may rely on it.
type Capability string

// The capabilities of this version of the port.
const (
	CanFind     Capability = "find"
	CanConnect  Capability = "connect"
	CanAccounts Capability = "accounts"
	CanRefresh  Capability = "refresh"
	CanMetrics  Capability = "metrics.post"
	CanReply    Capability = "reply"
	CanStatus   Capability = "status" // Find answers FindRequest.Ref
	CanEstimate Capability = "model.estimate"
	CanCancel   Capability = "model.cancel"
)

// Can reports whether the manifest declares c.
func (m Manifest) Can(c Capability) bool {
	for _, have := range m.Capabilities {
		if have == c {
			return true
		}
	}
	return false
}

// Format returns the format with id; an empty id means the first.
func (m Manifest) Format(id string) (Format, bool) {
	for _, f := range m.Formats {
		if id == "" || f.ID == id {
			return f, true
		}
	}
	return Format{}, false
}

// Dedup is how a lost commit is resolved on this platform.
type Dedup string

// The recovery classes, strongest first.
const (
	NativeKey Dedup = "native_key" // the same call with the same key, while remembered
	ByFind    Dedup = "find"       // wait for the quiet period, then look
	NoDedup   Dedup = "none"       // only a person can tell
)

// Auth is how an account is connected.
type Auth struct {
	Kind   AuthKind
	OAuth2 *OAuth2
	Form   []byte // JSON Schema of the first form; "format":"password" fields are sealed
}

// AuthKind is the shape of a sign-in.
type AuthKind string

// The sign-in shapes.
const (
	AuthNone   AuthKind = "none"
	AuthOAuth2 AuthKind = "oauth2" // the host runs it all; the plugin sees an access token
	AuthForm   AuthKind = "form"   // one form, then Connect
	AuthCustom AuthKind = "custom" // Connect drives every screen
)

// OAuth2 is what the host needs to run the authorization code flow. In URLs
// "{instance}" stands for the account's own server.
type OAuth2 struct {
	AuthorizeURL     string
	TokenURL         string
	RevokeURL        string
	RegisterURL      string // dynamic registration, one client per instance (Mastodon's /api/v1/apps)
	Scopes           []string
	PKCE             bool
	AuthorizeParams  map[string]string
	BasicClientAuth  bool
	SingleUseRefresh bool // a refresh token works once; refresh under a cluster-wide lock
}

// A Quota is enforced by the host across every process.
type Quota struct {
	ID     string // "publish", "media"
	Scope  QuotaScope
	Limit  int
	Window time.Duration
}

// QuotaScope is whose allowance a quota or a rate limit is.
type QuotaScope string

// The quota scopes.
const (
	ScopeApp     QuotaScope = "app"
	ScopeTenant  QuotaScope = "tenant"
	ScopeAccount QuotaScope = "account"
)

// Format is one kind of object a platform takes.
type Format struct {
	ID       string // "post", "story", "reel"
	Name     string
	Text     TextRule
	Media    MediaRule
	Settings []byte // JSON Schema of Content.Settings; nil means none
	Scopes   []string
}

// TextRule limits a text, counted as the platform counts.
type TextRule struct {
	Max       int // 0: no limit
	Count     Count
	MaxBytes  int // 0: no limit; Bluesky has both
	URLWeight int // what each URL counts for; 0 means its length
	// Optional allows a text to be empty when there is media.
	Optional bool
}

// Count is the unit a platform counts text in.
type Count string

// The units.
const (
	Codepoints Count = "codepoints"
	Graphemes  Count = "graphemes"
	UTF16      Count = "utf16"
	Bytes      Count = "bytes"
	XWeighted  Count = "x_weighted"
)

// MediaRule limits the attachments of one object. Sizes are in bytes and
// pixels; zero means no limit.
type MediaRule struct {
	Kinds               []MediaKind
	Max                 int
	MIMEs               []string
	MaxBytes            int64
	MaxWidth, MaxHeight int
	MaxAlt              int // characters, counted as the text is
}
