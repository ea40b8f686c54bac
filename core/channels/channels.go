// Package channels decides which accounts a tenant can post to, and lends
// their credentials for one call at a time.
//
// A person connects an account (Start, Continue, Callback, Choose); what the
// platform grants is sealed and named a Grant; each account that was chosen
// becomes a Channel. Two rules shape the package. A refresh token may work
// once, so a grant is renewed by one process at a time: the holder of a lease
// in the database, whose result counts only if nobody stored a newer one. And
// a channel is taken off line only by a typed refusal of the platform, never
// by a timeout, a missing field or an odd status.
//
// Start with Service; connect.go signs in, use.go is what publishing calls,
// renew.go keeps grants alive and store.go says what must be kept.
package channels

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/tenants"
)

// What a member may be allowed to do here. ActPublish and ActMetrics are
// shared with the contexts that publish and measure.
const (
	ActRead    tenants.Action = "channel.read"
	ActConnect tenants.Action = "channel.connect"
	ActManage  tenants.Action = "channel.manage"
	ActPublish tenants.Action = "post.publish"
	ActMetrics tenants.Action = "metrics.read"
)

// Events that this package emits. Each carries an EventData.
const (
	EventConnected      = "channel.connected"
	EventUpdated        = "channel.updated" // it was renamed, paused or goes on
	EventNeedsReconnect = "channel.needs_reconnect"
	EventDisconnected   = "channel.disconnected"
)

// EventData is the body of every channel event.
type EventData struct {
	Platform string `json:"platform"`
	State    State  `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Paused   bool   `json:"paused,omitempty"`
}

// Members reads a person's standing again, because what was true when a
// sign-in began may not be true when the platform sends them back.
type Members interface {
	// Resolve says who user is in tenant now. It returns fault.NotFound or
	// fault.Forbidden if that is nobody.
	Resolve(ctx context.Context, user tenants.UserID, tenant tenants.ID) (tenants.Scope, error)
}

// Deps is what a Service works with. Every field but Access is required.
type Deps struct {
	Store   Store
	Plugins Plugins
	OAuth   OAuth
	Sealer  Sealer
	Members Members
	Authz   tenants.Authorizer
	Now     func() time.Time
	// Access, unlike the rest, may be nil: then every platform is for everybody.
	Access Access
}

// Access says which platforms a tenant may not use. What it closes is held
// back by publishing; here it is not shown, and not signed in to.
type Access interface {
	// Closed returns the platforms that t may not use, each with the fault
	// that says why.
	Closed(ctx context.Context, t tenants.ID) (map[string]error, error)
}

// closed returns why t may not use a platform; nil if it may.
func (s *Service) closed(ctx context.Context, t tenants.ID, platform string) error {
	if s.Access == nil {
		return nil
	}
	closed, err := s.Access.Closed(ctx, t)
	if err != nil {
		return err
	}
	return closed[platform]
}

// Config is what the operator sets.
type Config struct {
	// CallbackURL is where platforms send people back, such as
	// "https://social.example.com/api/v1/connections/callback".
	CallbackURL string
	// Origins lists where a sign-in may return to besides CallbackURL's own
	// origin, such as "https://app.example.com".
	Origins []string
	// AppName and Website introduce this installation to instances that
	// register clients on demand.
	AppName, Website string
	// PseudonymKey is 32 secret bytes that turn a tenant into the name a
	// plugin knows it by.
	PseudonymKey []byte
	// AllowLocal accepts loopback instances, over plain HTTP. For practice
	// networks and simulators only.
	AllowLocal bool
}

// Service is the use cases of channels. It is safe for concurrent use.
type Service struct {
	Deps
	cfg  Config
	apps appCache
	off  parkCache
}

// New returns a Service.
func New(deps Deps, cfg Config) *Service {
	return &Service{Deps: deps, cfg: cfg}
}
