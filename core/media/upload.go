package media

import (
	"context"
	"io"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// SweepAfter is the age from which a file that is not ready counts as left
// behind: longer than any upload may take.
const SweepAfter = time.Hour

// cleanUp bounds the work that must happen even though the caller has gone.
const cleanUp = 10 * time.Second

// UploadRequest is a file on its way in.
type UploadRequest struct {
	Name         string // what it is called where it comes from
	DeclaredMIME string // what the sender says it is; empty if it does not say
	Alt          string
	Reader       io.Reader // read once, never held in memory whole
}

// Upload takes a picture in and returns it ready to attach. The type is read
// off the content; a name or a declared type decides nothing, but a sender
// that declares something other than an image is refused before a byte is
// read. It returns fault.Invalid on "/file" for everything that is not a sound
// PNG, JPEG, WebP or GIF within the limits; nothing is kept then.
func (s *Service) Upload(ctx context.Context, who tenants.Scope, req UploadRequest) (*Media, error) {
	if err := s.authz.Allow(ctx, who, ActUpload); err != nil {
		return nil, err
	}
	if !plausible(req.DeclaredMIME) {
		return nil, ErrUnsupported()
	}
	picture, err := s.images.Clean(ctx, req.Reader)
	if err != nil {
		return nil, err
	}
	defer picture.Close() // a temporary copy, read to its end or given up

	now := s.now()
	m := &Media{
		ID: NewID(now), Kind: social.Image, MIME: picture.MIME, Bytes: picture.Bytes, SHA256: picture.SHA256,
		Width: picture.Width, Height: picture.Height, Alt: req.Alt, Name: baseName(req.Name),
		State: Uploading, CreatedBy: who.Actor(), CreatedAt: now,
	}
	if err := s.save(ctx, who.Tenant, m); err != nil {
		return nil, err
	}
	if err := s.keep(ctx, who, m, picture); err != nil {
		s.abandon(ctx, who.Tenant, m)
		return nil, err
	}
	return m, nil
}

func (s *Service) save(ctx context.Context, tenant tenants.ID, m *Media) error {
	return s.store.Update(ctx, tenant, func(tx Tx) error { return tx.Save(ctx, m) })
}

// keep stores the bytes and then says so.
func (s *Service) keep(ctx context.Context, who tenants.Scope, m *Media, r io.Reader) error {
	put := storage.PutOptions{Limit: MaxStored, MIME: m.MIME}
	info, err := s.blobs.Put(ctx, Key(who.Tenant, m.ID), r, put)
	if err != nil {
		return err
	}
	if info.Bytes != m.Bytes {
		return fault.New(fault.Unavailable, "media.incomplete", "The file did not arrive whole. Please try again.")
	}
	return s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		m.State = Ready
		if err := tx.Save(ctx, m); err != nil {
			return err
		}
		if err := tx.Announce(ctx, m); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "media.upload", string(m.ID), "sha256", m.SHA256))
	})
}

// Delete removes a file. It is refused with fault.Conflict while a draft or a
// post that has yet to go out shows it, and names up to MaxUses of them. With
// force, drafts lose it instead; one that shows nothing else, and a post that
// is planned, keep it, and then nobody loses it.
func (s *Service) Delete(ctx context.Context, who tenants.Scope, id ID, force bool) error {
	if err := s.authz.Allow(ctx, who, ActManage); err != nil {
		return err
	}
	err := s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if err := withdraw(ctx, tx, id, force); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "media.delete", string(id)))
	})
	if err != nil {
		return err
	}
	return s.discard(ctx, who.Tenant, id)
}

// MaxUses is how many posts a refusal names.
const MaxUses = 20

// withdraw takes a file that nobody needs out of sight; its bytes go later.
func withdraw(ctx context.Context, tx Tx, id ID, force bool) error {
	if force {
		if err := tx.Detach(ctx, id); err != nil {
			return err
		}
	}
	m, err := tx.Lock(ctx, id)
	if err != nil {
		return err
	}
	if m.State != Ready {
		return ErrNotFound()
	}
	used, err := tx.Uses(ctx, id, MaxUses)
	if err != nil {
		return err
	}
	if len(used) > 0 {
		return fault.New(fault.Conflict, "media.in_use", "A draft, or a post that has yet to go out, shows this file.").Knowing(fault.Facts{Posts: used})
	}
	m.State = Discarded
	return tx.Save(ctx, m)
}

// Sweep finishes the uploads and deletions of one tenant that a crash cut
// short, and says how many there were. It is safe to run at any time, on any
// number of nodes.
func (s *Service) Sweep(ctx context.Context, who tenants.Scope) (int, error) {
	if err := s.authz.Allow(ctx, who, ActManage); err != nil {
		return 0, err
	}
	var left []*Media
	now := s.now()
	err := s.store.View(ctx, who.Tenant, func(tx Tx) (err error) {
		left, err = tx.Stale(ctx, now.Add(-SweepAfter), MaxPage)
		return err
	})
	if err != nil {
		return 0, err
	}
	for i, m := range left {
		if err := s.sweep(ctx, who.Tenant, m); err != nil {
			return i, err
		}
	}
	return len(left), nil
}

// sweep takes a file out of sight before its bytes go, so that an upload that
// was only very slow conflicts instead of pointing at nothing.
func (s *Service) sweep(ctx context.Context, tenant tenants.ID, m *Media) error {
	lost := m.State == Uploading
	m.State = Discarded
	err := s.store.Update(ctx, tenant, func(tx Tx) error {
		if err := tx.Save(ctx, m); err != nil || !lost {
			return err
		}
		return tx.Lament(ctx, m.ID)
	})
	if err != nil {
		if fault.Is(err, fault.Conflict) {
			return nil // someone else is at it
		}
		return err
	}
	return s.discard(ctx, tenant, m.ID)
}

// discard removes the bytes, then the row that knows of them.
func (s *Service) discard(ctx context.Context, tenant tenants.ID, id ID) error {
	if err := s.blobs.Delete(ctx, Key(tenant, id)); err != nil {
		return err
	}
	return s.store.Update(ctx, tenant, func(tx Tx) error { return tx.Drop(ctx, id) })
}

// abandon takes back an upload that failed, even if the reason is that the
// caller has gone. If it fails too, Sweep finds the row.
func (s *Service) abandon(ctx context.Context, tenant tenants.ID, m *Media) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	if s.blobs.Delete(ctx, Key(tenant, m.ID)) != nil {
		return
	}
	_ = s.store.Update(ctx, tenant, func(tx Tx) error {
		if err := tx.Drop(ctx, m.ID); err != nil {
			return err
		}
		return tx.Lament(ctx, m.ID)
	})
}

// ErrUnsupported is the answer to a file that is not one of the four kinds of
// picture, whatever its name says.
func ErrUnsupported() *fault.Error {
	return fault.New(fault.Invalid, "media.unsupported", "Upload a PNG, JPEG, WebP or GIF picture.").On("/file")
}

// plausible refuses what the sender itself calls something else. Browsers say
// octet-stream when they do not know.
func plausible(declared string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(declared), ";")
	switch strings.TrimSpace(kind) {
	case "", "application/octet-stream", "image/png", "image/jpeg", "image/jpg", "image/webp", "image/gif":
		return true
	}
	return false
}

// baseName keeps the last part of a name, without what a terminal or a header
// would act on, and cuts it between characters.
func baseName(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, ""), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, name)
	if name == "." || name == "/" {
		return ""
	}
	for len(name) > MaxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}
