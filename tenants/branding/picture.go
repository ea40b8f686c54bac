package branding

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/domains"
)

// A PictureKind is a place that a brand has for a picture.
type PictureKind string

// The places.
const (
	Logo    PictureKind = "logo"
	Favicon PictureKind = "favicon"
)

// bounds is how large a picture of a kind may be.
type bounds struct {
	bytes  int64
	side   int // the longest, in pixels
	square bool
}

var fits = map[PictureKind]bounds{
	Logo:    {bytes: 1 << 20, side: 2048},
	Favicon: {bytes: 256 << 10, side: 512, square: true},
}

// MaxPicture is the most bytes of any picture, as it is sent.
const MaxPicture = 1 << 20

// A Picture is one that a brand has. Its address is made of its content and of
// whose it is: the same picture of two tenants has two, and nobody can tell by
// one that they have whether another tenant uses it.
type Picture struct {
	ID      string `json:"id"` // names the bytes, such as "pic_01jd…"; never used again
	Address string `json:"address"`
	MIME    string `json:"mime"`
	Bytes   int64  `json:"bytes"`
	Width   int    `json:"width"`
	Height  int    `json:"height"`
}

// A Copy is a clean copy of an uploaded picture that waits to be read, once.
type Copy struct {
	io.ReadCloser
	MIME          string
	Bytes         int64
	SHA256        string // hexadecimal
	Width, Height int
}

// Images makes a clean copy of an uploaded picture. It returns fault.Invalid on
// "/file" for anything but a sound picture, and r's own error as it is.
type Images interface {
	Clean(ctx context.Context, r io.Reader) (*Copy, error)
}

// Folder begins the name of every picture among a tenant's blobs; its ID
// follows. Who exports or erases a tenant finds them there.
const Folder = "brand/"

// Key is where the bytes of a picture are.
func Key(tenant tenants.ID, picture string) storage.Key {
	return storage.Key{Tenant: string(tenant), Name: Folder + picture}
}

func addressOf(tenant tenants.ID, sum string) string {
	of := sha256.Sum256([]byte(string(tenant) + "\x00" + sum))
	return hex.EncodeToString(of[:20])
}

// tidyAfter is when the bytes of an upload go that came to nothing.
const tidyAfter = time.Hour

// SetPicture puts a picture in its place, and removes the one that was there.
// It returns fault.Invalid on "/file" for what is no PNG, JPEG or WebP, or is
// too large; then nothing is kept.
func (s *Service) SetPicture(ctx context.Context, who tenants.Scope, kind PictureKind, r io.Reader) (own Brand, counts Resolved, err error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return own, counts, err
	}
	if err := domains.Entitled(who); err != nil {
		return own, counts, err
	}
	limit, ok := fits[kind]
	if !ok {
		return own, counts, NoPicture()
	}
	c, err := s.Images.Clean(ctx, &atMost{r, limit.bytes})
	if err != nil {
		return own, counts, err
	}
	defer c.Close() // a temporary copy, read to its end or given up
	if err := limit.check(c); err != nil {
		return own, counts, err
	}
	if own, counts, err = s.read(ctx, who.Tenant); err != nil {
		return own, counts, err
	}
	pic := &Picture{ID: id.New("pic"), Address: addressOf(who.Tenant, c.SHA256), MIME: c.MIME, Bytes: c.Bytes, Width: c.Width, Height: c.Height}
	if was := *own.picture(kind); was != nil && was.Address == pic.Address {
		return own, counts, nil
	}
	if err := s.Store.Tidy(ctx, who.Tenant, pic.ID, tidyAfter); err != nil {
		return own, counts, err
	}
	if _, err := s.Blobs.Put(ctx, Key(who.Tenant, pic.ID), c, storage.PutOptions{Limit: c.Bytes, MIME: c.MIME}); err != nil {
		return own, counts, err
	}
	return s.place(ctx, who, own, kind, pic)
}

// RemovePicture takes a picture away. Then that of the nearest above counts.
func (s *Service) RemovePicture(ctx context.Context, who tenants.Scope, kind PictureKind) error {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil { // also on a plan that has none any more
		return err
	}
	if _, ok := fits[kind]; !ok {
		return NoPicture()
	}
	own, _, err := s.read(ctx, who.Tenant)
	if err != nil {
		return err
	}
	if *own.picture(kind) == nil {
		return NoPicture()
	}
	_, _, err = s.place(ctx, who, own, kind, nil)
	return err
}

// place saves a brand with another picture, and has the one before removed.
func (s *Service) place(ctx context.Context, who tenants.Scope, own Brand, kind PictureKind, pic *Picture) (Brand, Resolved, error) {
	was := *own.picture(kind)
	*own.picture(kind) = pic
	own.UpdatedAt = s.Now()
	var gone []string
	if was != nil {
		gone = []string{was.ID}
	}
	action, detail := "brand.set_picture", ""
	if pic == nil {
		action = "brand.remove_picture"
	} else {
		detail = pic.Address
	}
	e := audit.By(who, action, string(who.Tenant), "picture", string(kind), "address", detail)
	if err := s.Store.Save(ctx, who.Tenant, &own, gone, e); err != nil {
		return own, Resolved{}, err
	}
	return s.read(ctx, who.Tenant)
}

// Tidy removes the bytes of a picture that its tenant's brand does not show.
// Workers run it.
func (s *Service) Tidy(ctx context.Context, tenant tenants.ID, picture string) error {
	own, _, err := s.read(ctx, tenant)
	if err != nil {
		return err
	}
	for _, pic := range []*Picture{own.Logo, own.Favicon} {
		if pic != nil && pic.ID == picture {
			return nil
		}
	}
	return s.Blobs.Delete(ctx, Key(tenant, picture))
}

// Picture opens a picture for pages and letters at the host of a tenant, which
// shows those of its own and of the tenants above and below it; the
// installation's host, for which tenant is empty, shows any. For all others it
// returns fault.NotFound. The caller closes the reader.
func (s *Service) Picture(ctx context.Context, host tenants.ID, address string) (*Picture, io.ReadCloser, error) {
	tenant, pic, err := s.Store.Picture(ctx, host, address)
	if err != nil {
		return nil, nil, err
	}
	r, err := s.Blobs.Open(ctx, Key(tenant, pic.ID), 0, -1)
	if fault.Is(err, fault.NotFound) { // it was replaced just now
		return nil, nil, NoPicture()
	}
	return pic, r, err
}

func (b *Brand) picture(kind PictureKind) **Picture {
	if kind == Favicon {
		return &b.Favicon
	}
	return &b.Logo
}

func (b bounds) check(c *Copy) error {
	switch {
	case c.MIME != "image/png" && c.MIME != "image/jpeg":
		return fault.New(fault.Invalid, "brand.picture_kind", "Send a PNG, JPEG or WebP picture.").On("/file")
	case max(c.Width, c.Height) > b.side:
		return fault.New(fault.Invalid, "brand.picture_side", "At most %d pixels wide and high.", b.side).On("/file")
	case b.square && c.Width != c.Height:
		return fault.New(fault.Invalid, "brand.picture_square", "Send a picture as high as it is wide.").On("/file")
	}
	return nil
}

// NoPicture is the one answer for a picture that is not there, whoever's it is.
func NoPicture() error {
	return fault.New(fault.NotFound, "brand.no_picture", "There is no such picture.")
}

// atMost fails, rather than ends, past its limit.
type atMost struct {
	r    io.Reader
	left int64
}

func (a *atMost) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if a.left -= int64(n); a.left < 0 {
		return 0, fault.New(fault.Invalid, "brand.picture_size", "This picture is too large: a logo has at most 1 MiB, a favicon 256 KiB.").On("/file")
	}
	return n, err
}
