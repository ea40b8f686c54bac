package channels

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// ID names a channel, such as "chn_01jd…".
type ID string

// Valid reports whether c is a well-formed channel name.
func (c ID) Valid() bool { return id.Is("chn", string(c)) }

// NewID returns a fresh channel name.
func NewID() ID { return ID(id.New("chn")) }

// GrantID names what a platform granted in one sign-in, such as "grt_01jd…".
type GrantID string

// NewGrantID returns a fresh grant name.
func NewGrantID() GrantID { return GrantID(id.New("grt")) }

// State is whether a channel can be used.
type State string

// The states of a channel.
const (
	Connected      State = "connected"
	NeedsReconnect State = "needs_reconnect" // the platform withdrew or let lapse what it granted
	Disconnected   State = "disconnected"    // a person here took it away; the credential is gone
)

// MaxName is the longest name of a channel, in characters.
const MaxName = 120

// A Channel is one account on one platform that a tenant can post to. There
// is one per tenant, platform, home and account: connecting again updates it.
type Channel struct {
	ID       ID
	Platform string // plugin id, "org.joinmastodon"
	Instance string // the account's own server, if the platform has many
	Account  social.Account
	Name     string // what people here call it
	Grant    GrantID
	Scopes   []string // what the person agreed to; empty if the platform does not say
	State    State
	Reason   string // stable slug, when not Connected
	Remedy   string // for people: what to do about it
	Paused   bool
	PausedBy string // the actor
	PausedOn string // the reason given, for people
	Health   Health

	ConnectedBy tenants.UserID
	ConnectedAt time.Time
	UpdatedAt   time.Time // set by the Store
	Version     int       // bumped by every save; a stale save is a conflict
}

// Health is how the channel's credential is doing. The Store fills it in from
// the grant; saving a channel does not change it.
type Health struct {
	ExpiresAt   time.Time // zero: never
	RefreshedAt time.Time // zero: not yet
	Failures    int       // refreshes that failed since the last that did not
	Problem     string    // slug of the last failure
}

// Check holds the invariants. Every Store runs it before a save.
func (c *Channel) Check() error {
	switch {
	case strings.TrimSpace(c.Name) == "":
		return fault.New(fault.Invalid, "channel.unnamed", "Give the channel a name.").On("/name")
	case utf8.RuneCountInString(c.Name) > MaxName:
		return fault.New(fault.Invalid, "channel.name_too_long", "A name has at most %d characters.", MaxName).On("/name")
	case c.Platform == "" || c.Account.ID == "":
		return fault.New(fault.Internal, "channel.anonymous", "A channel needs a platform and an account.")
	case c.State == Connected && (c.Grant == "" || c.Reason != ""):
		return fault.New(fault.Internal, "channel.inconsistent", "A connected channel has a grant and no problem.")
	case c.State == Disconnected && c.Grant != "":
		return fault.New(fault.Internal, "channel.inconsistent", "A disconnected channel has no grant.")
	}
	return nil
}

// Home is the server that Account.ID is a name on, empty if the ID means the
// same everywhere.
func (c *Channel) Home() string { return homeOf(c.Instance, c.Account.ID) }

// homeOf tells names that servers give out ("1", which every server has) from
// URIs such as "did:plc:…", which an account keeps when it moves.
func homeOf(instance, account string) string {
	if strings.Contains(account, ":") {
		return ""
	}
	return instance
}

// connect puts the channel on line with what grant allows.
func (c *Channel) connect(account social.Account, g *Grant, by tenants.UserID, now time.Time) {
	if c.Name == "" {
		c.Name = nameOf(account)
	}
	c.Account, c.Grant, c.Instance, c.Scopes = account, g.ID, g.Instance, g.Scopes
	c.State, c.Reason, c.Remedy = Connected, "", ""
	c.ConnectedBy, c.ConnectedAt = by, now
}

// nameOf picks a first name for a channel.
func nameOf(a social.Account) string {
	for _, name := range []string{a.Handle, a.Name, a.ID} {
		if name = strings.TrimSpace(name); name != "" {
			runes := []rune(name)
			return string(runes[:min(len(runes), MaxName)])
		}
	}
	return "Channel"
}

// withdraw records that the platform no longer honours the grant. It reports
// whether that is news.
func (c *Channel) withdraw(reason, remedy string) bool {
	if c.State != Connected {
		return false
	}
	c.State, c.Reason, c.Remedy = NeedsReconnect, reason, remedy
	return true
}

// disconnect gives the grant back.
func (c *Channel) disconnect() {
	c.State, c.Grant, c.Scopes = Disconnected, "", nil
	c.Reason, c.Remedy = "channel.disconnected", "Connect this account again to post to it."
}

// A Target is a channel as publishing sees it: what the platform takes and
// what this account of it takes.
type Target struct {
	Channel Channel
	// Manifest has the capabilities that this sign-in has the scopes for.
	Manifest social.Manifest
	// Account has the channel's formats spelled out and its effective limits.
	Account social.Account
	// Missing lists what cannot be used because the sign-in did not include it.
	Missing []MissingScopes
	// Lacking are the scopes that the platform's sign-in asks for and this
	// one did not bring.
	Lacking []string
}

// Format says whether the channel can be posted to in a format, and if not,
// which scopes it lacks for that; none if this account never has the format.
func (t Target) Format(id string) (missing []string, ok bool) {
	for _, m := range t.Missing {
		if m.Format == id && m.Capability == "" {
			return m.Scopes, false
		}
	}
	return nil, slices.Contains(t.Account.Formats, id)
}

// Lacks returns the scopes that the channel lacks for something that its
// platform can; none if it can, or the platform cannot.
func (t Target) Lacks(c social.Capability) []string {
	for _, m := range t.Missing {
		if m.Capability == c {
			return m.Scopes
		}
	}
	return nil
}

// MissingScopes is a format or a capability and the scopes it lacks.
type MissingScopes struct {
	Format     string            // empty for a capability
	Capability social.Capability // empty for a format
	Scopes     []string
}

// target works out what c can do under m.
func target(c Channel, m social.Manifest) Target {
	t := Target{Channel: c, Manifest: m, Account: c.Account}
	if o := m.Auth.OAuth2; o != nil {
		t.Lacking = lacking(o.Scopes, c.Scopes)
	}
	t.Account.Formats = nil
	for _, f := range m.Formats {
		if len(c.Account.Formats) > 0 && !slices.Contains(c.Account.Formats, f.ID) {
			continue
		}
		if lacking := lacking(f.Scopes, c.Scopes); len(lacking) > 0 {
			t.Missing = append(t.Missing, MissingScopes{Format: f.ID, Scopes: lacking})
			continue
		}
		t.Account.Formats = append(t.Account.Formats, f.ID)
	}
	t.Manifest.Capabilities = nil
	for _, can := range m.Capabilities {
		if lacking := lacking(m.ScopesOf(can), c.Scopes); len(lacking) > 0 {
			t.Missing = append(t.Missing, MissingScopes{Capability: can, Scopes: lacking})
			continue
		}
		t.Manifest.Capabilities = append(t.Manifest.Capabilities, can)
	}
	return t
}

// lacking returns the wanted scopes that were not granted. A platform that
// does not say what it granted is given the benefit of the doubt.
func lacking(wanted, granted []string) []string {
	if len(granted) == 0 {
		return nil
	}
	var out []string
	for _, s := range wanted {
		if !slices.Contains(granted, s) {
			out = append(out, s)
		}
	}
	return out
}
