package channels

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps channels. channelstest holds its contract.
type Store interface {
	// View and Update run fn in one transaction of one tenant.
	View(ctx context.Context, t tenants.ID, fn func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, t tenants.ID, fn func(ctx context.Context, tx Tx) error) error
	// Look reads in one go what a call on a channel starts from: the channel,
	// its grant, nil if it has none, and which of its platform's allowances are
	// closed for the tenant now, the longest first.
	Look(ctx context.Context, t tenants.ID, id ID) (*Channel, *Grant, []Refusal, error)
	System
}

// System is what has to reach across tenants.
type System interface {
	// Lineage returns t and every tenant above it, nearest first.
	Lineage(ctx context.Context, t tenants.ID) ([]tenants.ID, error)
	// ByState finds the connection that waits for a state. It returns
	// fault.NotFound if there is none.
	ByState(ctx context.Context, hash []byte) (tenants.ID, ConnectionID, error)
	// DueGrants lists up to limit grants that are to be renewed now and that
	// nobody is renewing, longest overdue first.
	DueGrants(ctx context.Context, limit int) ([]Due, error)
	// PurgeConnections deletes attempts that ended before a time.
	PurgeConnections(ctx context.Context, before time.Time) (int, error)
	// PurgeQuotas forgets allowances whose window and closure ended a time ago.
	PurgeQuotas(ctx context.Context, ago time.Duration) (int, error)
	// Untold lists up to limit tenants with a channel on x's platform that is
	// not disconnected, for which ChannelTx.NoteSunset has not noted x.
	Untold(ctx context.Context, x Sunset, limit int) ([]tenants.ID, error)
	// SpendApp takes from allowances of ScopeApp, see QuotaTx.Spend.
	SpendApp(ctx context.Context, platform string, claims []Claim) (*Refusal, error)
	// GiveBackApp undoes a SpendApp of just now, see QuotaTx.GiveBack.
	GiveBackApp(ctx context.Context, platform string, claims []Claim) error
	// ParkApp closes an allowance of ScopeApp, see QuotaTx.Park.
	ParkApp(ctx context.Context, platform string, c Claim, d time.Duration) error
	// ParkedApps lists every closed allowance of ScopeApp of platform.
	ParkedApps(ctx context.Context, platform string) ([]Refusal, error)
}

// Due is a grant to renew.
type Due struct {
	Tenant tenants.ID
	Grant  GrantID
}

// Tx is one transaction of one tenant. Everything returns fault.NotFound for
// what is not there.
type Tx interface {
	audit.Recorder
	ChannelTx
	GrantTx
	SignInTx
	QuotaTx
	// Emit records an event in this transaction.
	Emit(ctx context.Context, event, subject string, data any) error
}

// ChannelTx keeps channels.
type ChannelTx interface {
	Channel(ctx context.Context, id ID) (*Channel, error)
	// ByAccount finds the channel of an account on home, see Channel.Home.
	ByAccount(ctx context.Context, platform, home, account string) (*Channel, error)
	// Channels lists up to q.Limit channels after q.After, oldest first.
	Channels(ctx context.Context, q Query) ([]Channel, error)
	// SaveChannel inserts version 0 and replaces any other. It returns
	// fault.Conflict if the stored version is not c.Version or if the account
	// of its home is connected already under another ID.
	SaveChannel(ctx context.Context, c *Channel) error
	// NoteSunset notes that the tenant is told of x. It reports whether that
	// is news.
	NoteSunset(ctx context.Context, x Sunset) (bool, error)
}

// Query narrows a list. The zero Query is the first 20 channels.
type Query struct {
	After    ID // the last ID of the page before
	Limit    int
	Platform string // empty: any
	State    State  // empty: any
	Grant    GrantID
}

// GrantTx keeps grants.
type GrantTx interface {
	Grant(ctx context.Context, id GrantID) (*Grant, error)
	// AddGrant keeps a new grant, at generation 1.
	AddGrant(ctx context.Context, g *Grant) error
	// DropGrants deletes grants that no channel refers to, with all they held.
	DropGrants(ctx context.Context) error
	// Lease lets one process renew the grant for ttl. It is refused (ok is
	// false) while another lease runs or if the grant is no longer at
	// generation. The fence rises with every lease.
	Lease(ctx context.Context, id GrantID, generation int64, ttl time.Duration) (fence int64, ok bool, err error)
	// Renew stores a renewed grant as generation g.Generation and ends the
	// lease. It is refused (false) unless fence is the latest lease and the
	// stored generation is g.Generation - 1. An empty Sealed is refused with
	// fault.Internal.
	Renew(ctx context.Context, g *Grant, fence int64) (bool, error)
	// Postpone ends the lease without a new credential and sets when to try
	// again; the zero time means never. It is refused (false) like Renew.
	Postpone(ctx context.Context, g *Grant, fence int64, again time.Time, problem string) (bool, error)
	// Renewals is the grant's journal, newest first, at most 100 rows.
	Renewals(ctx context.Context, id GrantID) ([]Renewal, error)
}

// SignInTx keeps attempts to sign in and the apps they use.
type SignInTx interface {
	Connection(ctx context.Context, id ConnectionID) (*Connection, error)
	// SaveConnection is like SaveChannel.
	SaveConnection(ctx context.Context, c *Connection) error
	// App returns this tenant's own app, not one of a tenant above it.
	App(ctx context.Context, platform, instance string) (*App, error)
	// SaveApp is like SaveChannel.
	SaveApp(ctx context.Context, a *App) error
}

// QuotaTx keeps the allowances of one tenant and its accounts.
type QuotaTx interface {
	// Spend takes each claim from its allowance, all or none (the transaction
	// must be given up on a refusal). Within any span of Window no more than
	// Limit is given out, across all processes.
	Spend(ctx context.Context, platform string, claims []Claim) (*Refusal, error)
	// GiveBack undoes a Spend of just now. It never leaves less than nothing.
	GiveBack(ctx context.Context, platform string, claims []Claim) error
	// Park closes the allowance of a claim for d from now.
	Park(ctx context.Context, platform string, c Claim, d time.Duration) error
}

// A Claim is a wish to use an allowance. With Cost 0 it only asks whether the
// allowance is closed.
type Claim struct {
	Name    string // a quota's ID or a kind of call
	Scope   social.QuotaScope
	Subject string // whose allowance: an app, nothing for the tenant, an account's ID
	Limit   int
	Window  time.Duration
	Cost    int
}

// A Refusal says which allowance is used up, and until when.
type Refusal struct {
	Name       string
	Scope      social.QuotaScope
	Subject    string
	RetryAfter time.Duration // greater than zero
}
