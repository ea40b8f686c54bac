// Package jobs says how far work is that outlasts a request.
//
// A job is a name for work in the queue, given to whoever asked for it in the
// transaction that queued it. What the queue says is what a job says: nothing
// is kept twice. Start with Service.
package jobs

import (
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// What a member may be allowed to do here.
const (
	ActRead   tenants.Action = "job.read"
	ActCancel tenants.Action = "job.cancel"
)

// EventUpdated tells that a job has ended, one way or another.
const EventUpdated = "job.updated"

// Told is what EventUpdated says.
type Told struct {
	Type    string `json:"type"`
	Subject string `json:"subject"`
	Status  Status `json:"status"`
}

// ID names a job, such as "job_01jd…".
type ID string

// NewID returns a fresh job name.
func NewID() ID { return ID(id.New("job")) }

// Status is how far a job is.
type Status string

// The statuses. Waiting includes waiting for another try.
const (
	Waiting   Status = "queued"
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Canceled  Status = "canceled"
)

// endable are the types of work that may end in the middle. What is not among
// them has a state of its own that somebody would go on from.
var endable = []string{"metrics.refresh", "webhook.replay"}

// A Job is work that somebody asked for.
type Job struct {
	ID         ID
	Type       string // what is done, such as "webhook.replay"
	Subject    string // to what, such as "whk_01jd…"
	Status     Status
	Tries      int
	CreatedAt  time.Time
	FinishedAt time.Time // zero: not yet
}

// Store finds jobs. A job is forgotten some time after it has finished.
type Store interface {
	// Job returns fault.NotFound for a job of another tenant, as for none.
	Job(ctx context.Context, tenant tenants.ID, id ID) (*Job, error)
	// Cancel ends a job that waits, which EventUpdated tells in the same
	// transaction, and asks a running one to end. One that has
	// finished stays as it is. It records e with it, and returns
	// fault.NotFound as Job does.
	Cancel(ctx context.Context, tenant tenants.ID, id ID, e audit.Entry) error
}

// Service is the use cases of jobs. It is safe for concurrent use.
type Service struct {
	store Store
	authz tenants.Authorizer
}

// New returns a Service. Every argument is required.
func New(store Store, authz tenants.Authorizer) *Service { return &Service{store: store, authz: authz} }

// Get returns one job.
func (s *Service) Get(ctx context.Context, who tenants.Scope, name ID) (*Job, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	return s.store.Job(ctx, who.Tenant, name)
}

// Cancel ends a job: at once if it waits, soon if it is running. What it did is
// not undone. It returns the job, and fault.Conflict for one that has finished
// or is of a type that cannot end in the middle.
func (s *Service) Cancel(ctx context.Context, who tenants.Scope, name ID) (*Job, error) {
	if err := s.authz.Allow(ctx, who, ActCancel); err != nil {
		return nil, err
	}
	j, err := s.store.Job(ctx, who.Tenant, name)
	switch {
	case err != nil:
		return nil, err
	case j.Status == Canceled:
		return j, nil
	case !j.FinishedAt.IsZero():
		return nil, fault.New(fault.Conflict, "job.finished", "This job has finished.")
	case !slices.Contains(endable, j.Type):
		return nil, fault.New(fault.Conflict, "job.not_endable", "This work cannot be stopped in the middle.")
	}
	if err := s.store.Cancel(ctx, who.Tenant, name, audit.By(who, "job.cancel", string(name), "type", j.Type)); err != nil {
		return nil, err
	}
	return s.store.Job(ctx, who.Tenant, name)
}

// ErrNotFound is the one answer for a job that is not there, whoever owns it.
func ErrNotFound() error {
	return fault.New(fault.NotFound, "job.not_found", "There is no such job.")
}
