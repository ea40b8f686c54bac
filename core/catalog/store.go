package catalog

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps the catalog. catalogtest holds its contract. The catalog is the
// operator's: everything but choices is kept in that tenant, and Update in any
// other changes nothing that counts.
type Store interface {
	// View and Update run fn in one transaction of one tenant. Updates of the
	// operator's tenant take turns, and every process hears of them.
	View(ctx context.Context, t tenants.ID, fn func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, t tenants.ID, fn func(ctx context.Context, tx Tx) error) error
	System
}

// System is what has to reach across tenants.
type System interface {
	// Instance is the catalog as every process has to run it.
	Instance(ctx context.Context) ([]Line, error)
	// Closed says which plugins t may not use, and why. What the catalog has
	// no line for is a builtin that nobody said anything about: it is open.
	Closed(ctx context.Context, t tenants.ID) (map[string]Reason, error)
}

// A Line is a plugin with the version that runs.
type Line struct {
	Plugin Plugin // without Grants.Tenants
	Active *Version
}

// Reason is why a tenant may not use a plugin.
type Reason string

// The reasons, widest first: the widest is the one that is told.
const (
	Open           Reason = ""
	ClosedForAll   Reason = "platform.disabled"     // it does not run
	ClosedByPlan   Reason = "platform.not_included" // neither the plan nor the operator's word includes it
	ClosedByChoice Reason = "platform.switched_off" // somebody here or above does not want it
)

// Tx is one transaction of one tenant. Everything returns ErrNotFound for what
// is not there.
type Tx interface {
	audit.Recorder

	// Plugin returns a line, also that of a plugin that was removed.
	Plugin(ctx context.Context, id string) (*Plugin, error)
	// Plugins lists every line by id.
	Plugins(ctx context.Context) ([]Plugin, error)
	// SavePlugin inserts Row 0 and replaces any other, with its grants. It
	// returns ErrStale if the stored Row is not p.Row.
	SavePlugin(ctx context.Context, p *Plugin) error

	// Version returns one version of a plugin.
	Version(ctx context.Context, plugin, digest string) (*Version, error)
	// Versions lists them, the last added first.
	Versions(ctx context.Context, plugin string) ([]Version, error)
	// SaveVersion keeps a version, in place of one with the same digest. That it
	// ran is never forgotten.
	SaveVersion(ctx context.Context, v *Version) error
	// DropVersion forgets one; forgetting what is not there succeeds.
	DropVersion(ctx context.Context, plugin, digest string) error

	// Keys lists the trusted keys by id.
	Keys(ctx context.Context) ([]Key, error)
	// SaveKey keeps a key, in place of one with the same id.
	SaveKey(ctx context.Context, k Key) error
	DropKey(ctx context.Context, id string) error

	// Choices are this tenant's own.
	Choices(ctx context.Context) (map[string]Choice, error)
	SaveChoice(ctx context.Context, plugin string, c Choice) error

	// Emit records an event in this transaction.
	Emit(ctx context.Context, event, subject string, data any) error
}

// A Choice is what a tenant says of a plugin for itself and all below it.
// Somebody who says no is not overruled from below.
type Choice struct {
	On bool
	By string // the actor
	At time.Time
}

// A Key is one that this installation trusts: what it signed is Verified.
type Key struct {
	ID      string
	Name    string // whose it is, for people
	Public  []byte // 32 bytes
	AddedBy string
	AddedAt time.Time
}
