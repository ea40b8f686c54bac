package events

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps one tenant's events and webhooks. Package eventstest holds its
// contract as a test suite.
type Store interface {
	// View runs fn on a consistent, read-only snapshot.
	View(ctx context.Context, tenant tenants.ID, fn func(Tx) error) error
	// Update runs fn in a transaction: all of it happens, or none of it. fn
	// must not call the outside world; a rollback cannot take that back.
	Update(ctx context.Context, tenant tenants.ID, fn func(Tx) error) error
}

// Tx is what events may do inside a transaction. It sees one tenant.
type Tx interface {
	audit.Recorder
	Log
	Endpoints
	Deliveries
}

// Log is the events of a tenant.
type Log interface {
	// Emit records an event, wakes its streams when the Tx commits, and asks
	// for FanOut if an endpoint may want it.
	Emit(ctx context.Context, d Draft) (ID, error)
	// Event answers NotFound for an event of another tenant, as for none.
	Event(ctx context.Context, id ID) (*Event, error)
	// Place finds a cursor. It answers NotFound for one it does not keep.
	Place(ctx context.Context, c Cursor) (Place, error)
	// Head is the newest settled place; Start if there is none.
	Head(ctx context.Context) (Place, error)
	// Events returns up to limit settled events after from, in order. A
	// settled event is one that nothing can come before any more.
	Events(ctx context.Context, from Place, types []Filter, limit int) (Page, error)
	// FirstSince is the place right before the oldest event at or after t.
	FirstSince(ctx context.Context, t time.Time) (Place, error)
}

// Endpoints is where a tenant's events are sent.
type Endpoints interface {
	// Endpoint answers NotFound for one of another tenant, as for none.
	Endpoint(ctx context.Context, id EndpointID) (*Endpoint, error)
	// Endpoints returns them all, oldest first.
	Endpoints(ctx context.Context) ([]Endpoint, error)
	// CountEndpoints says how many there are. Whoever else asks waits until this
	// transaction has ended: what it adds is counted then.
	CountEndpoints(ctx context.Context) (int, error)
	// SaveEndpoint checks and writes e. It answers Conflict if e is stale.
	SaveEndpoint(ctx context.Context, e *Endpoint) error
	// DeleteEndpoint removes it with its deliveries. Removing none is NotFound.
	DeleteEndpoint(ctx context.Context, id EndpointID) error
}

// Deliveries is what was sent where, and what came of it.
type Deliveries interface {
	// AddDelivery writes d and asks for its first Deliver, unless there is one
	// of the same endpoint, event and replay. added says which.
	AddDelivery(ctx context.Context, d *Delivery) (added bool, err error)
	// AddJob is AddDelivery for one that somebody asked for: its replay is the
	// name of the job, until the last try.
	AddJob(ctx context.Context, d *Delivery) error
	// Delivery answers NotFound for one of another tenant, as for none.
	Delivery(ctx context.Context, id DeliveryID) (*Delivery, error)
	// SaveDelivery writes what became of d, and asks for the next Deliver at
	// d.NextAt if d is still pending.
	SaveDelivery(ctx context.Context, d *Delivery) error
	// Deliveries returns an endpoint's log, newest first.
	Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error)
	// ReplayFrom asks for a call of ReplayPage.
	ReplayFrom(ctx context.Context, r Replay) error
}

// Sealer keeps secrets unreadable at rest. row binds a sealed secret to where
// it is kept, so that it opens nowhere else.
type Sealer interface {
	Seal(ctx context.Context, tenant tenants.ID, row string, plain []byte) ([]byte, error)
	Open(ctx context.Context, tenant tenants.ID, row string, sealed []byte) ([]byte, error)
}

// Sender reaches endpoints.
type Sender interface {
	// Check says without any network whether url may be called at all. It
	// answers Invalid.
	Check(url string) error
	// Send posts m once, following no redirect. It answers an Answer for
	// every HTTP status, and a fault if there was none: Invalid for an
	// address that may not be called, Unavailable for one that does not answer.
	Send(ctx context.Context, m Message) (Answer, error)
}

// A Message is one signed request to an endpoint.
type Message struct {
	URL     string
	Headers map[string]string
	Body    []byte
}

// Answer is what an endpoint said.
type Answer struct {
	Status     int
	Excerpt    string        // the start of its body, at most MaxExcerpt bytes of UTF-8
	RetryAfter time.Duration // 0 if it did not say
}
