package catalog

import (
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Level is how far a plugin's code is trusted.
type Level string

// The levels, from the top.
const (
	BuiltIn   Level = "builtin"   // in this program
	Verified  Level = "verified"  // signed by a key that this installation trusts
	Community Level = "community" // signed by another key; the operator accepted it
	Local     Level = "local"     // signed by nobody
)

// State is whether a plugin runs.
type State string

// The states. A plugin that was removed leaves its name behind, because
// channels of it may.
const (
	Enabled  State = "enabled"
	Disabled State = "disabled"
	Removed  State = "removed"
)

// Channel is which versions a plugin takes by itself, as far as they ask for
// nothing new.
type Channel string

// The channels.
const (
	Pinned Channel = "pinned" // none: each waits for approval
	Stable Channel = "stable" // newer ones, but for pre-releases
	Latest Channel = "latest" // newer ones
)

// A Plugin is one line of the catalog.
type Plugin struct {
	ID       string // the manifest's
	Name     string // "plg_01jd…", what events are about
	Level    Level  // of the active version; of the pending one if none is active
	Channel  Channel
	State    State
	Active   string   // digest of the version that runs; empty: none does, or it is builtin
	Pending  string   // digest of the version that waits for approval
	Previous string   // digest of the version that ran before
	Signer   string   // id of the key that signed the active version and was accepted, so that its next ones need no approval; empty: none
	Hosts    []string // that it may reach, approved
	Scopes   []string // that it may ask people for, approved
	Grants   Grants

	CreatedAt time.Time
	UpdatedAt time.Time
	Row       int // bumped by every save; a stale save is a conflict
}

// A Version is one bundle of a plugin.
type Version struct {
	Plugin   string
	Digest   string
	Version  string // semantic
	Level    Level
	Key      string // id of the key it was signed with; empty: none
	Platform string
	// Command is how it is run; empty if Carillon itself serves it from its
	// file, nil if it came in before that was kept.
	Command  []string
	Manifest social.Manifest
	AddedBy  string
	AddedAt  time.Time
	Ran      bool // it ran once, so somebody or a rule let it
}

// Grants are who may use a plugin, besides their own choice.
type Grants struct {
	// Tiers are the plans that include it.
	Tiers []tenants.Tier
	// OptIn keeps it from a tenant until that tenant, or one above it, enables
	// it. Otherwise it is there until somebody disables it.
	OptIn bool
	// Tenants is the operator's word about a tenant and all below it, whatever
	// their plan. The nearest word counts.
	Tenants map[tenants.ID]bool
}

// maxWords is how many tenants one plugin's grants can name.
const maxWords = 10_000

// Check holds a plugin's invariants. Every Store runs it before a save.
func (p *Plugin) Check() error {
	switch {
	case p.ID == "" || !id.Is("plg", p.Name):
		return inconsistent("it has no name")
	case !slices.Contains([]Level{BuiltIn, Verified, Community, Local}, p.Level):
		return inconsistent("its level is none")
	case !slices.Contains([]State{Enabled, Disabled, Removed}, p.State):
		return inconsistent("its state is none")
	case !slices.Contains([]Channel{Pinned, Stable, Latest}, p.Channel):
		return fault.New(fault.Invalid, "plugin.bad_channel", "A channel is pinned, stable or latest.").On("/channel")
	case p.Pending != "" && p.Pending == p.Active:
		return inconsistent("it waits for what it runs")
	case p.Level == BuiltIn && p.Active+p.Pending != "":
		return inconsistent("a builtin has no bundle")
	case len(p.Grants.Tenants) > maxWords:
		return fault.New(fault.Invalid, "plugin.too_many_tenants", "At most %d tenants can be named.", maxWords).On("/tenants")
	}
	for _, t := range p.Grants.Tiers {
		if !slices.Contains(tenants.Tiers(), t) {
			return fault.New(fault.Invalid, "plugin.bad_tier", "There is no plan %.40q.", t).On("/tiers")
		}
	}
	for t := range p.Grants.Tenants {
		if !t.Valid() {
			return fault.New(fault.Invalid, "plugin.bad_tenant", "%.40q is no tenant.", t).On("/tenants")
		}
	}
	return nil
}

func inconsistent(what string) error {
	return fault.New(fault.Internal, "plugin.inconsistent", "This cannot be kept of a plugin: %s.", what)
}

// newPlugin is a plugin that nobody has said anything about yet.
func newPlugin(name string, level Level, now time.Time) *Plugin {
	return &Plugin{
		ID: name, Name: id.At("plg", now), Level: level, Channel: Stable, State: Enabled,
		Grants: Grants{Tiers: tenants.Tiers()}, CreatedAt: now,
	}
}

// Runs reports whether some version of the plugin is to run.
func (p *Plugin) Runs() bool { return p.State == Enabled && (p.Level == BuiltIn || p.Active != "") }

// receive takes a new version in: it runs, or it waits. active is the version
// that runs, nil if none does.
func (p *Plugin) receive(v *Version, active *Version) (runs bool) {
	if p.State == Removed {
		p.State = Enabled
	}
	if p.Active == v.Digest { // the same again, perhaps signed by now
		if rank(v.Level) > rank(p.Level) {
			p.Level, p.Signer = v.Level, v.Key
		}
		return false
	}
	if p.waits(*v, active) {
		p.Pending = v.Digest
		if active == nil {
			p.Level = v.Level
		}
		return false
	}
	p.activate(v)
	return true
}

// signedAgain is v with the level and key of the same bundle that is here
// already: anybody can take a signature off a bundle and put their own on it. A
// key that this installation trusts raises it; nothing lowers it.
func (v Version) signedAgain(have *Version) Version {
	if have != nil && (v.Level != Verified || have.Level == Verified) {
		v.Level, v.Key = have.Level, have.Key
	}
	return v
}

// waits reports whether a version is for the operator to decide about.
func (p *Plugin) waits(v Version, active *Version) bool {
	if active == nil {
		return v.Level == Community
	}
	release := !strings.Contains(v.Version, "-")
	takes := p.Channel == Latest || p.Channel == Stable && release
	newer := compareVersions(v.Version, active.Version) > 0 || v.Level == Local && v.Version == active.Version
	return !takes || !newer || len(p.diff(v, active)) > 0
}

// activate makes a version the one that runs, with all that it asks for.
func (p *Plugin) activate(v *Version) {
	v.Ran = true
	if p.Active != v.Digest {
		p.Previous = p.Active
	}
	p.Active, p.Level, p.Signer = v.Digest, v.Level, v.Key
	if p.Pending == v.Digest {
		p.Pending = ""
	}
	p.Hosts = union(p.Hosts, v.Manifest.Egress)
	p.Scopes = union(p.Scopes, scopesOf(v.Manifest))
}

// remove leaves nothing of a plugin but its name and what was said about it.
func (p *Plugin) remove() {
	p.State, p.Active, p.Pending, p.Previous, p.Signer = Removed, "", "", "", ""
	p.Hosts, p.Scopes = nil, nil
}

func union(have, more []string) []string {
	out := slices.Concat(have, more)
	slices.Sort(out)
	return slices.Compact(out)
}
