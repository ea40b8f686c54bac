package media

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
)

// Limits of one file. An upload is refused past the first four before any of
// it is decoded.
const (
	MaxBytes  = 25 << 20   // of an upload
	MaxPixels = 50_000_000 // width times height
	MaxSide   = 12_000     // pixels
	MaxName   = 255        // bytes of the original name
	MaxAlt    = 10_000     // characters; platforms take less, their rules say how much
	// MaxStored is the most a clean copy may hold: a PNG of noise grows when
	// it is written anew.
	MaxStored = 64 << 20
)

// ID names a file within a tenant, such as "med_01jd…".
type ID string

// NewID returns a fresh name that sorts by now.
func NewID(now time.Time) ID { return ID(id.At("med", now)) }

// Valid reports whether m is a well-formed name.
func (m ID) Valid() bool { return id.Is("med", string(m)) }

// State is where a file is in its life.
type State string

// A file is seen by people only while it is Ready.
const (
	Uploading State = "uploading" // the row is there, the bytes may not be
	Ready     State = "ready"
	Discarded State = "discarded" // the bytes go, then the row
)

// Media is a file that a tenant keeps.
type Media struct {
	ID            ID
	Kind          social.MediaKind
	MIME          string // of what is kept, not of what was sent
	Bytes         int64
	SHA256        string // of what is kept, hexadecimal
	Width, Height int    // pixels, upright
	Alt           string // what the picture shows, for people who cannot see it
	Name          string // what the file was called, for people; never a path
	State         State
	CreatedBy     string // tenants.Scope.Actor
	CreatedAt     time.Time
	Version       int // bumped by every save; a stale save is a conflict
}

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// CheckAlt is the one rule for what a picture is described with, here and in
// posts. It returns nil or fault.Invalid on "/alt".
func CheckAlt(alt string) *fault.Error {
	if utf8.RuneCountInString(alt) > MaxAlt || !utf8.ValidString(alt) {
		return fault.New(fault.Invalid, "media.alt_too_long", "Describe the picture in at most %d characters.", MaxAlt).On("/alt")
	}
	if strings.ContainsFunc(alt, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) }) {
		return fault.New(fault.Invalid, "media.alt_control", "Leave out control characters.").On("/alt")
	}
	return nil
}

// Check holds the invariants. Every Store runs it before a save.
func (m *Media) Check() error {
	if err := CheckAlt(m.Alt); err != nil {
		return err
	}
	switch {
	case !m.ID.Valid():
		return fault.New(fault.Internal, "media.bad_id", "A file has no proper name.")
	case len(m.Name) > MaxName || !utf8.ValidString(m.Name):
		return fault.New(fault.Invalid, "media.bad_name", "Give the file a shorter name.").On("/query/name")
	case m.Bytes <= 0 || m.Width <= 0 || m.Height <= 0 || !hexSum.MatchString(m.SHA256):
		return fault.New(fault.Internal, "media.unmeasured", "A file was not measured.")
	}
	return nil
}

func (m *Media) attachment(url string) social.Media {
	return social.Media{
		ID: string(m.ID), Kind: m.Kind, MIME: m.MIME, Bytes: m.Bytes, SHA256: m.SHA256,
		Width: m.Width, Height: m.Height, Alt: m.Alt, URL: url,
	}
}

// Folder begins the name of every file among a tenant's blobs; its ID follows.
const Folder = "media/"

// Key is where the bytes of a file are kept.
func Key(tenant tenants.ID, id ID) storage.Key {
	return storage.Key{Tenant: string(tenant), Name: Folder + string(id)}
}

// Page asks for a part of a list.
type Page struct {
	Before ID  // continue below this one; empty starts at the newest
	Limit  int // 1 to MaxPage
}

// MaxPage is the longest page.
const MaxPage = 100

// Check refuses a page that cannot be served.
func (p Page) Check() error {
	switch {
	case p.Limit < 1 || p.Limit > MaxPage:
		return fault.New(fault.Invalid, "page.bad_limit", "Ask for 1 to %d at a time.", MaxPage).On("/query/limit")
	case p.Before != "" && !p.Before.Valid():
		return fault.New(fault.Invalid, "page.bad_cursor", "This page is not known.").On("/query/cursor")
	}
	return nil
}

func pointer(i int) string { return "/" + strconv.Itoa(i) }
