// Package media decides what files a tenant may keep and hand to platforms.
//
// Nobody's bytes are kept as they came. An upload is an attack until a process
// that owns nothing has decoded it and written the pixels out again; what is
// stored is that copy, without metadata and upright. A row is written before
// the blob and says "uploading", so a crash leaves a row that Sweep finds and
// never bytes that nobody knows of.
//
// Start with Service; file.go holds the entity, store.go what it needs kept.
package media

import (
	"context"
	"io"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// What a member may be allowed to do here.
const (
	ActRead   tenants.Action = "media.read"
	ActUpload tenants.Action = "media.upload"
	ActManage tenants.Action = "media.manage"
)

// LinkLife is how long a link from Attach works: a platform's slowest upload.
const LinkLife = 15 * time.Minute

// Images makes a clean copy of an uploaded picture.
type Images interface {
	// Clean reads r to its end and returns the picture upright and without
	// metadata. It returns fault.Invalid on "/file" for anything but a sound
	// PNG, JPEG, WebP or GIF within the limits, fault.Unavailable if there is
	// no capacity, and r's own error as it is. The caller closes the Picture.
	Clean(ctx context.Context, r io.Reader) (*Picture, error)
}

// A Picture is a clean copy that waits to be read, once.
type Picture struct {
	io.ReadCloser
	MIME          string
	Bytes         int64
	SHA256        string // hexadecimal
	Width, Height int
}

// Links makes the addresses under which plugins fetch files.
type Links interface {
	// URL answers GET and HEAD for the file until ttl has passed.
	URL(tenant tenants.ID, id ID, ttl time.Duration) string
}

// Service is the use cases of media. It is safe for concurrent use.
type Service struct {
	store  Store
	blobs  storage.Blobs
	images Images
	links  Links
	authz  tenants.Authorizer
	now    func() time.Time
}

// New returns a Service. Every argument is required.
func New(store Store, blobs storage.Blobs, images Images, links Links, authz tenants.Authorizer, now func() time.Time) *Service {
	return &Service{store: store, blobs: blobs, images: images, links: links, authz: authz, now: now}
}

// Get returns one file.
func (s *Service) Get(ctx context.Context, who tenants.Scope, id ID) (*Media, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	return s.ready(ctx, who.Tenant, id)
}

// List returns a page of ready files, newest first, and the ID to pass as
// page.Before for the next one; empty at the end.
func (s *Service) List(ctx context.Context, who tenants.Scope, page Page) ([]*Media, ID, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, "", err
	}
	if err := page.Check(); err != nil {
		return nil, "", err
	}
	var files []*Media
	err := s.store.View(ctx, who.Tenant, func(tx Tx) (err error) {
		files, err = tx.Page(ctx, page.Before, page.Limit+1)
		return err
	})
	if err != nil || len(files) <= page.Limit {
		return files, "", err
	}
	files = files[:page.Limit]
	return files, files[page.Limit-1].ID, nil
}

// SetAlt changes the description of a file. version is the one the person
// saw; another one is a fault.Conflict.
func (s *Service) SetAlt(ctx context.Context, who tenants.Scope, id ID, alt string, version int) (*Media, error) {
	if err := s.authz.Allow(ctx, who, ActUpload); err != nil {
		return nil, err
	}
	var m *Media
	err := s.store.Update(ctx, who.Tenant, func(tx Tx) (err error) {
		if m, err = find(ctx, tx, id); err != nil {
			return err
		}
		if m.Version != version {
			return ErrStale()
		}
		m.Alt = alt
		if err := tx.Save(ctx, m); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "media.update", string(id)))
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Attach answers with what a plugin needs to fetch the files, in the order
// asked, with links that work for LinkLife. A file that is missing or not
// ready is fault.NotFound on "/<its index>".
func (s *Service) Attach(ctx context.Context, who tenants.Scope, ids []ID) ([]social.Media, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, nil
	}
	var files []*Media
	err := s.store.View(ctx, who.Tenant, func(tx Tx) (err error) {
		files, err = tx.Some(ctx, ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.attach(who.Tenant, ids, files)
}

func (s *Service) attach(tenant tenants.ID, ids []ID, files []*Media) ([]social.Media, error) {
	byID := make(map[ID]*Media, len(files))
	for _, m := range files {
		byID[m.ID] = m
	}
	out := make([]social.Media, len(ids))
	for i, id := range ids {
		m := byID[id]
		if m == nil || m.State != Ready {
			return nil, ErrNotFound().On(pointer(i))
		}
		out[i] = m.attachment(s.links.URL(tenant, id, LinkLife))
	}
	return out, nil
}

// Open reads length bytes of a file's content from offset; a negative length
// means to the end. The caller closes the reader.
func (s *Service) Open(ctx context.Context, who tenants.Scope, id ID, offset, length int64) (io.ReadCloser, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	if _, err := s.ready(ctx, who.Tenant, id); err != nil {
		return nil, err
	}
	return s.blobs.Open(ctx, Key(who.Tenant, id), offset, length)
}

func (s *Service) ready(ctx context.Context, tenant tenants.ID, id ID) (*Media, error) {
	var m *Media
	err := s.store.View(ctx, tenant, func(tx Tx) (err error) {
		m, err = find(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// find returns a file that people may see: one on its way in or out is not
// there.
func find(ctx context.Context, tx Tx, id ID) (*Media, error) {
	m, err := tx.Media(ctx, id)
	if err != nil {
		return nil, err
	}
	if m.State != Ready {
		return nil, ErrNotFound()
	}
	return m, nil
}

// ErrNotFound is the one answer for a file that is not there, whoever owns it.
func ErrNotFound() *fault.Error {
	return fault.New(fault.NotFound, "media.not_found", "There is no such file.")
}

// ErrStale is the answer to a change that was based on an older version.
func ErrStale() *fault.Error {
	return fault.New(fault.Conflict, "media.stale", "Someone else changed this file.")
}
