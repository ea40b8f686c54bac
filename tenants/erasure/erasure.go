// Package erasure ends tenants.
//
// An owner asks for it and names the tenant; for some days it is closed and
// nothing of it is published, and any owner can still call it off. Then its
// keys go first: from then on what is sealed is noise, whatever happens to the
// rest. Files follow, then rows, table by table in small batches, then the
// tenant itself. A worker that dies is followed by another, which finds less to
// do. What remains is an entry in the books of the tenant above and of the
// operator, with where the tenant's own book ended, and nobody's name.
//
// Tenants below go with it, or it is refused. People keep their accounts.
//
// Start with Service; run.go does it.
package erasure

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// ActErase is ending a tenant.
const ActErase tenants.Action = "tenant.erase"

// Cooling is how long an erasure waits unless the installation says otherwise.
const Cooling = 7 * 24 * time.Hour

// ID names an erasure, such as "era_01jd…".
type ID string

// State is how far an erasure is.
type State string

// The states.
const (
	Waiting  State = "waiting" // it can be called off
	Running  State = "running"
	Done     State = "done"
	Canceled State = "canceled"
)

// An Erasure is the end of one tenant and all below it.
type Erasure struct {
	ID      ID
	About   tenants.ID
	Above   tenants.ID
	Covers  []tenants.ID // leaves first; while it waits, empty
	State   State
	AskedBy tenants.UserID
	AskedAt time.Time
	DueAt   time.Time // from when on it cannot be called off
	Lease   time.Time // until when whoever is at it may be silent; fences, for no other has the same
	Stage   string    // what is being removed
	Rows    int64     // removed so far
	Files   int64     // likewise
	EndedAt time.Time
}

// Percent is how far e is, of 100: by stages, which is a rough guide.
func (e *Erasure) Percent() int {
	switch {
	case e.State == Done:
		return 100
	case e.State != Running:
		return 0
	}
	return map[string]int{"": 1, "keys": 5, "files": 20, "rows": 60, "names": 95}[e.Stage]
}

// A Wish is what an owner asks for.
type Wish struct {
	Name     string // the tenant's, as it is written
	Children bool   // those below go with it
}

// Service is the use cases of erasure. It is safe for concurrent use.
type Service struct {
	store   Store
	blobs   storage.Blobs
	authz   tenants.Authorizer
	cooling time.Duration
	now     func() time.Time
}

// New returns a Service. Every argument is required; cooling may be zero.
func New(store Store, blobs storage.Blobs, authz tenants.Authorizer, cooling time.Duration, now func() time.Time) *Service {
	return &Service{store: store, blobs: blobs, authz: authz, cooling: cooling, now: now}
}

// Ask has who's tenant closed at once, and erased when the time has come. It
// returns fault.Invalid for a name that is not the tenant's, and
// fault.Conflict, naming some, for tenants below unless they are to go too.
func (s *Service) Ask(ctx context.Context, who tenants.Scope, w Wish) (*Erasure, error) {
	if err := s.authz.Allow(ctx, who, ActErase); err != nil {
		return nil, err
	}
	if err := who.InPerson(); err != nil {
		return nil, err
	}
	if who.Kind == tenants.Operator {
		return nil, fault.New(fault.Conflict, "erasure.operator", "The operator's tenant is the installation itself.")
	}
	now := s.now()
	e := &Erasure{ID: ID(id.New("era")), About: who.Tenant, State: Waiting, AskedBy: who.User, AskedAt: now, DueAt: now.Add(s.cooling)}
	return e, s.store.Ask(ctx, e, w, audit.By(who, "tenant.erase", string(who.Tenant), "due", e.DueAt.UTC().Format(time.RFC3339)))
}

// Of is the erasure of a tenant that user owns, or fault.NotFound.
func (s *Service) Of(ctx context.Context, user tenants.UserID, tenant tenants.ID) (*Erasure, error) {
	if !tenant.Valid() || user == "" {
		return nil, ErrNotFound()
	}
	return s.store.Of(ctx, user, tenant)
}

// CallOff opens a tenant again that user owns. It returns fault.NotFound if
// there is no such erasure, and fault.Conflict once it has begun.
func (s *Service) CallOff(ctx context.Context, user tenants.UserID, tenant tenants.ID) error {
	e, err := s.Of(ctx, user, tenant)
	if err != nil {
		return err
	}
	if e.State != Waiting || !s.now().Before(e.DueAt) {
		return fault.New(fault.Conflict, "erasure.begun", "It has begun, and cannot be taken back.")
	}
	return s.store.CallOff(ctx, e, audit.Of(string(user), "tenant.keep", string(tenant)))
}

// ErrNotFound is the one answer for an erasure that is not there, or not theirs.
func ErrNotFound() *fault.Error {
	return fault.New(fault.NotFound, "erasure.not_found", "There is no erasure of such a tenant.")
}

// ErrLost is what a worker is told whose lease somebody else has.
func ErrLost() *fault.Error {
	return fault.New(fault.Conflict, "erasure.lost", "Somebody else is at this erasure.")
}

// ErrName is the answer to a name that is not the tenant's.
func ErrName() *fault.Error {
	return fault.New(fault.Invalid, "erasure.name", "This is not the tenant's name. Write it as it is.").On("/name")
}

// ErrChildren names tenants that would go too.
func ErrChildren(names string) *fault.Error {
	return fault.New(fault.Conflict, "erasure.children", "There are tenants below: %s. Erase them first, or say that they go with it.", names).On("/include_children")
}
