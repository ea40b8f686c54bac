// Package catalog decides which plugins an installation runs, in which version,
// and which of its tenants may use them.
//
// Three questions are kept apart. Whether the code is to be trusted: a bundle
// comes in as verified, community or local, and what it asks for beyond what
// was approved (a host, a scope, another sign-in) waits for the operator, with
// the difference shown. Whether it runs: the operator enables it, and every
// process follows within a second. And who may use it: the operator says by
// plan and by tenant, a tenant's admin within that. What is switched off loses
// nothing: its channels stay, and what was planned for them waits.
//
// Start with Service. add.go takes bundles in, plugin.go has the transitions,
// diff.go says what an upgrade asks for, access.go who may use what, and
// deploy.go makes one process run what the catalog says.
package catalog

import (
	"context"
	"io"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// What a member may be allowed to do here. ActManage is for the operator's own
// tenant alone. ActEnable is about the tenant that it is asked in: in the
// operator's, that is everybody.
const (
	ActRead   tenants.Action = "plugin.read"
	ActManage tenants.Action = "plugin.manage"
	ActEnable tenants.Action = "plugin.enable"
)

// Events that this package emits, about a Plugin.Name. Each carries an
// EventData. They are the operator's; a tenant's own choice is an event of its
// own, about itself.
const (
	EventAdded    = "plugin.added"    // a version came in
	EventPending  = "plugin.pending"  // … and waits for approval
	EventUpgraded = "plugin.upgraded" // another version runs, newer or older
	EventEnabled  = "plugin.enabled"
	EventDisabled = "plugin.disabled"
	EventUpdated  = "plugin.updated" // settings, grants or channel
	EventRemoved  = "plugin.removed"
)

// EventData is the body of every event of a plugin.
type EventData struct {
	Plugin  string `json:"plugin"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
	Level   Level  `json:"level,omitempty"`
	Actor   string `json:"actor"`
}

// A Bundle is what came in, verified: its files are what its lock says, and its
// signature, if it has one, belongs to it.
type Bundle struct {
	Digest   string
	Platform string   // "linux/amd64", or "any"
	Command  []string // how it is run; empty if Carillon itself serves it from its file
	Manifest social.Manifest
	Signer   Signer // of nobody: unsigned
}

// A Signer is who vouches for a bundle.
type Signer struct {
	Key    string // id of Public
	Public []byte
}

// Bundles keeps bundles by their digest, for every process of the installation.
type Bundles interface {
	// Add reads a bundle, verifies it and keeps it. It returns fault.Invalid
	// for one that is not sound or whose signature is not its own, and what
	// went wrong with r.
	Add(ctx context.Context, r io.Reader) (Bundle, error)
	// Runs returns fault.Invalid if no machine like this one can run it.
	Runs(b Bundle) error
	// Forget deletes a bundle.
	Forget(ctx context.Context, digest string) error
}

// Rules holds values to a JSON Schema.
type Rules interface {
	Settings(schema []byte, values map[string]any, pointer string) []fault.Violation
}

// Apps keeps how this installation is known to a platform: what an operator
// sets for a plugin.
type Apps interface {
	// App returns what is set, without secrets, and the names of those that are
	// set. Nothing set is no error.
	App(ctx context.Context, who tenants.Scope, plugin string) (plain map[string]string, secrets []string, err error)
	// SetApp replaces what is set. A secret that is empty is deleted; one that
	// is not among secrets stays.
	SetApp(ctx context.Context, who tenants.Scope, plugin string, plain, secrets map[string]string) error
}

// A Builtin is a plugin of this program. It is always there, in the version
// that the program has.
type Builtin struct{ Manifest social.Manifest }

// Deps is what a Service works with. Every field is required.
type Deps struct {
	Store   Store
	Bundles Bundles
	Apps    Apps
	Rules   Rules
	Authz   tenants.Authorizer
	// Builtins are this program's own, in the order they are listed.
	Builtins []Builtin
	// Runtime is how this process's plugins are doing.
	Runtime func() map[string]Health
	// AllowLocal accepts bundles that nobody signed.
	AllowLocal bool
	Now        func() time.Time
}

// Health is how a plugin is doing in one process.
type Health struct {
	State   string // "idle", "running", "quarantined" or "failed"
	Version string // that runs; empty if it never ran
	Error   string // the last one
	Sandbox string // the effective level: "full", "partial", "none"; empty if it is not known
}

// Service is the use cases of the catalog. It is safe for concurrent use.
type Service struct{ Deps }

// New returns a Service.
func New(deps Deps) *Service { return &Service{deps} }

// builtin returns the builtin plugin with that id.
func (s *Service) builtin(id string) (Builtin, bool) {
	for _, b := range s.Builtins {
		if b.Manifest.ID == id {
			return b, true
		}
	}
	return Builtin{}, false
}

// ErrNotFound is the one answer for a plugin that is not there, or that the
// tenant does not get to see.
func ErrNotFound() *fault.Error {
	return fault.New(fault.NotFound, "plugin.not_found", "There is no such plugin.")
}

// ErrStale is the answer to a save that someone else came before.
func ErrStale() *fault.Error {
	return fault.New(fault.Conflict, "plugin.stale", "Someone else changed this in the meantime.")
}
