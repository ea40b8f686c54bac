package registry

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// State says whether a tenant is open.
type State string

// The states. Only the one above can change it.
const (
	Active    State = "active"
	Suspended State = "suspended"
)

// The events of a tenant and of who is in it.
const (
	EventUpdated = "tenant.updated" // data: Told
	EventMember  = "member.changed" // about a person; data: ToldMember
)

// Told is what EventUpdated says.
type Told struct {
	State   State `json:"state"`
	Paused  bool  `json:"paused"`
	Version int   `json:"version"`
}

// Told says how t stands.
func (t *Tenant) Told() Told { return Told{t.State, t.Paused, t.Version} }

// ToldMember is what EventMember says. Nobody who left has a role.
type ToldMember struct {
	Role tenants.Role `json:"role,omitempty"`
}

// A Tenant is one node of the tree.
type Tenant struct {
	ID           tenants.ID
	Parent       tenants.ID   // empty for the operator
	Ancestors    []tenants.ID // from the root to this tenant itself; set by the store
	Kind         tenants.Kind
	Name         string
	Tier         tenants.Tier // its own; empty: that of the nearest ancestor
	State        State        // its own; an ancestor's suspension counts as well
	StateReason  string
	SuspendedBy  tenants.ID // directly above, or higher; empty: it is active
	Paused       bool       // publishing stands still here and below
	PausedReason string
	Settings     Settings
	Authz        int64 // version of members and roles
	Version      int   // bumped by every save; a stale save is a conflict
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Settings are what a tenant chose for itself.
type Settings struct {
	TimeZone string // IANA name, such as "Europe/Lisbon"; empty: UTC
	Locale   string // BCP 47 tag, such as "pt-PT"; empty: "en"
}

// Limits of what people may write, in characters.
const (
	MaxName   = 120
	maxReason = 500
)

// Check holds the invariants. Every save runs it.
func (t *Tenant) Check() error {
	switch n := utf8.RuneCountInString(t.Name); {
	case strings.TrimSpace(t.Name) == "" || n > MaxName || strings.ContainsFunc(t.Name, unicode.IsControl) || !utf8.ValidString(t.Name):
		return fault.New(fault.Invalid, "tenant.name", "A name has 1 to %d characters, all of them printable.", MaxName).On("/name")
	case t.Tier != "" && rankTier(t.Tier) < 0:
		return fault.New(fault.Invalid, "tenant.tier", "There is no plan %q.", t.Tier).On("/tier")
	case utf8.RuneCountInString(t.PausedReason) > maxReason:
		return tooLong("/reason", maxReason)
	}
	return t.Settings.check()
}

func (s Settings) check() error {
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
		return fault.New(fault.Invalid, "tenant.time_zone", "There is no time zone %q.", s.TimeZone).On("/timezone")
	}
	notTag := func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if len(s.Locale) > 35 || strings.ContainsFunc(s.Locale, notTag) { // RFC 5646, section 4.4.1
		return fault.New(fault.Invalid, "tenant.locale", "%q is not a language tag.", s.Locale).On("/locale")
	}
	return nil
}

// An Entry is what a parent may know of a direct child.
type Entry struct {
	ID    tenants.ID
	Name  string
	Kind  tenants.Kind
	State State
}

// A Place is a tenant that a person belongs to.
type Place struct {
	Entry   // with State as it counts: suspended if any ancestor is
	Parent  tenants.ID
	Path    []tenants.ID // from the root to this tenant itself
	Role    tenants.Role
	Closure Closure // of a suspended one
}

// Standing is how a tenant stands, with all that comes from above.
type Standing struct {
	Kind      tenants.Kind
	Tier      tenants.Tier // its own or that of the nearest ancestor that has one
	Suspended bool         // it is, or any ancestor
	Paused    bool         // it is, or any ancestor
	Authz     int64        // moves with its members and roles, and with the roles it has from above
	Role      tenants.Role // of the person asked about; empty if no member

	// For no member who is one of the tenant above, the grant that lets them in.
	Grant     AccessID
	GrantRole tenants.Role // the most it gives
	Home      tenants.Role // what they are in the tenant above
}

// A Closure is what the people of a suspended tenant are told. The reason is
// between a tenant and the one that suspended it: further down, people learn
// whom to ask and no more.
type Closure struct {
	Here   bool   // the tenant itself is suspended; else one above it
	Reason string // with Here
	Ask    string // the name of the tenant that suspended it; else of the one directly above
}

func (c Closure) fault() error {
	switch {
	case c.Here && c.Reason != "":
		return fault.New(fault.Forbidden, "tenant.suspended", "This tenant is suspended: %s. Ask %s.", strings.TrimRight(c.Reason, ". "), c.Ask)
	case c.Here:
		return fault.New(fault.Forbidden, "tenant.suspended", "This tenant is suspended. Ask %s.", c.Ask)
	}
	return fault.New(fault.Forbidden, "tenant.suspended", "This tenant stands still because one above it is suspended. Ask %s.", c.Ask)
}

// rankTier orders the plans; -1 is none.
func rankTier(t tenants.Tier) int { return slices.Index(tenants.Tiers(), t) }

func noTenant() error {
	return fault.New(fault.NotFound, "tenant.not_found", "There is no such tenant.")
}

func stale() error {
	return fault.New(fault.Conflict, "tenant.stale", "Someone else changed this tenant. Reload it and try again.")
}

// SuspendedAbove is the answer to a parent that would resume, or suspend for
// reasons of its own, what a tenant of that name higher up suspended.
func SuspendedAbove(name string) error {
	return fault.New(fault.Conflict, "tenant.suspended_above", "%s suspended this tenant, and only they can change that. Ask %s.", name, name)
}

func tooLong(pointer string, limit int) error {
	return fault.New(fault.Invalid, "text.too_long", "At most %d characters.", limit).On(pointer)
}
