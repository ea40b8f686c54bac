// Package exports gives a tenant everything it owns, as one archive.
//
// An archive holds a file of JSON lines for each kind of thing, the files that
// people uploaded, and a manifest with counts and digests; secrets are never
// in it. It is written as a stream into the blob store, where it appears whole
// or not at all, by whichever worker holds the lease on its row: one that dies
// is followed by another, which begins anew under another name.
//
// It covers one tenant. Those below are in it only as far as whoever asks owns
// them too: being above a tenant opens nothing in it.
//
// Start with Service; run.go writes archives, archive.go says what is in one.
package exports

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// ActExport is taking all of a tenant's data away.
const ActExport tenants.Action = "tenant.export"

// EventReady tells that an archive can be fetched; the subject is the export.
const EventReady = "export.ready"

// Keep is how long an archive can be fetched.
const Keep = 7 * 24 * time.Hour

// ID names an export, such as "exp_01jd…".
type ID string

// NewID returns a fresh name.
func NewID() ID { return ID(id.New("exp")) }

// Valid reports whether i is well-formed.
func (i ID) Valid() bool { return id.Is("exp", string(i)) }

// State is how far an export is.
type State string

// The states.
const (
	Running State = "running" // or waiting for a worker
	Ready   State = "ready"
	Failed  State = "failed"
	Expired State = "expired" // the archive is gone
)

// An Export is one archive, or the making of it.
type Export struct {
	ID          ID
	Job         string // the name that its work has among jobs
	State       State
	Children    bool
	Covers      []tenants.ID // the tenant itself first
	RequestedBy string
	Stage       string // what is being written, such as "posts"
	Done, Total int    // of the parts
	Rows, Bytes int64  // written so far; of a ready one, its size
	SHA256      string // of a ready one
	Attempt     int    // fences: what an older one says counts for nothing
	CreatedAt   time.Time
	FinishedAt  time.Time // zero: not yet
	ExpiresAt   time.Time // zero: there is no archive
}

// Told is what EventReady says.
type Told struct {
	Bytes     int64     `json:"bytes"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Percent is how far e is, of 100.
func (e *Export) Percent() int {
	switch {
	case e.State == Ready || e.State == Expired:
		return 100
	case e.Total == 0:
		return 0
	}
	return min(99, e.Done*100/e.Total)
}

// Folder begins the name of every archive among a tenant's blobs; the export,
// a slash and the number of the attempt follow.
const Folder = "exports/"

// key is where attempt n of an export is kept.
func key(tenant tenants.ID, e ID, n int) storage.Key {
	return storage.Key{Tenant: string(tenant), Name: Folder + string(e) + "/" + strconv.Itoa(n)}
}

// Service is the use cases of exports. It is safe for concurrent use.
type Service struct {
	store Store
	blobs storage.Blobs
	authz tenants.Authorizer
	now   func() time.Time
}

// New returns a Service. Every argument is required.
func New(store Store, blobs storage.Blobs, authz tenants.Authorizer, now func() time.Time) *Service {
	return &Service{store: store, blobs: blobs, authz: authz, now: now}
}

// Begin has an archive made of who's tenant and, with children, of the tenants
// below it that who owns as well. It returns fault.Conflict while another is
// being made, and fault.Forbidden for a key: archives are for people.
func (s *Service) Begin(ctx context.Context, who tenants.Scope, children bool) (*Export, error) {
	if err := s.authz.Allow(ctx, who, ActExport); err != nil {
		return nil, err
	}
	if err := who.InPerson(); err != nil {
		return nil, err
	}
	now := s.now()
	e := &Export{
		ID: NewID(), Job: id.New("job"), State: Running, Children: children, Covers: []tenants.ID{who.Tenant},
		RequestedBy: who.Actor(), CreatedAt: now,
	}
	if children {
		below, err := s.store.Owned(ctx, who.Tenant, who.User)
		if err != nil {
			return nil, err
		}
		e.Covers = append(e.Covers, below...)
	}
	if err := s.store.Create(ctx, who.Tenant, e, audit.By(who, "export.begin", string(e.ID), "tenants", strconv.Itoa(len(e.Covers)))); err != nil {
		return nil, err
	}
	return e, nil
}

// Get returns one export.
func (s *Service) Get(ctx context.Context, who tenants.Scope, name ID) (*Export, error) {
	if err := s.authz.Allow(ctx, who, ActExport); err != nil {
		return nil, err
	}
	return s.store.Export(ctx, who.Tenant, name)
}

// List returns a page of exports, newest first and before the one that is
// named, and whether there are more.
func (s *Service) List(ctx context.Context, who tenants.Scope, before ID, limit int) (page []Export, more bool, err error) {
	if err := s.authz.Allow(ctx, who, ActExport); err != nil {
		return nil, false, err
	}
	page, err = s.store.Exports(ctx, who.Tenant, before, limit+1)
	if len(page) > limit {
		return page[:limit], true, err
	}
	return page, false, err
}

// Fetchable says whether who may fetch the archive, and records that they are
// about to. It returns fault.Conflict for one that is not ready.
func (s *Service) Fetchable(ctx context.Context, who tenants.Scope, name ID) (*Export, error) {
	e, err := s.Get(ctx, who, name)
	if err != nil {
		return nil, err
	}
	if err := e.there(s.now()); err != nil {
		return nil, err
	}
	return e, s.store.Note(ctx, who.Tenant, audit.By(who, "export.fetch", string(name)))
}

// there refuses an export that has no archive.
func (e *Export) there(now time.Time) error {
	if e.State != Ready || !now.Before(e.ExpiresAt) {
		return fault.New(fault.Conflict, "export.not_ready", "There is no archive of this export: it is not ready, or it has expired.")
	}
	return nil
}

// Open reads the archive for somebody who may still export: who is resolved
// anew from a link that Fetchable allowed. The caller closes the reader.
func (s *Service) Open(ctx context.Context, who tenants.Scope, name ID) (*Export, io.ReadCloser, error) {
	e, err := s.Get(ctx, who, name)
	if err != nil {
		return nil, nil, err
	}
	if err := e.there(s.now()); err != nil {
		return nil, nil, err
	}
	r, err := s.blobs.Open(ctx, key(who.Tenant, e.ID, e.Attempt), 0, -1)
	return e, r, err
}

// ErrNotFound is the one answer for an export that is not there, whoever owns it.
func ErrNotFound() *fault.Error {
	return fault.New(fault.NotFound, "export.not_found", "There is no such export.")
}

// ErrLost is what a worker is told whose lease somebody else has.
func ErrLost() *fault.Error {
	return fault.New(fault.Conflict, "export.lost", "Somebody else is at this export.")
}
