// Package storage is the port to the places where bytes are kept: a folder, a
// bucket.
//
// A key begins with the tenant it belongs to, and a store can only be asked by
// key: there is no listing, so nothing here can be walked from one tenant into
// another. A blob appears whole or not at all. Package storagetest holds the
// contract as a test suite. Start with Blobs.
package storage

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

// Blobs keeps bytes under keys. It is safe for concurrent use.
//
// Besides the codes named below every method returns fault.Invalid for a
// malformed key, fault.Unavailable when the store cannot be reached or is
// full, and fault.Canceled when ctx ends first.
type Blobs interface {
	// Put keeps what r holds and replaces what was there. The blob becomes
	// visible at once and whole: if r fails, ctx ends or the limit is passed,
	// what was there before remains. It returns fault.Quota with reason
	// "blob.too_large" past put.Limit, and r's own error as it is.
	Put(ctx context.Context, key Key, r io.Reader, put PutOptions) (Info, error)
	// Open reads length bytes from offset; a negative length means to the end.
	// A range that goes past the end is cut there. It returns fault.NotFound,
	// and fault.Invalid with reason "blob.bad_range" if offset is negative or
	// past the end. The caller closes the reader.
	Open(ctx context.Context, key Key, offset, length int64) (io.ReadCloser, error)
	// Stat describes a blob or returns fault.NotFound.
	Stat(ctx context.Context, key Key) (Info, error)
	// Delete removes a blob. Removing what is not there succeeds, so that a
	// clean-up can be repeated.
	Delete(ctx context.Context, key Key) error
}

// PutOptions say how to keep a blob.
type PutOptions struct {
	Limit int64  // most bytes to take; required, above zero
	MIME  string // media type to keep with the blob; required
}

// Info describes a blob.
type Info struct {
	Bytes    int64
	MIME     string
	Modified time.Time // by the store's clock
}

// Key names a blob: the tenant it belongs to and a path of that tenant's.
type Key struct {
	Tenant string // "ten_01jd…"
	Name   string // slash-separated segments of a-z, 0-9, "_" and "-"
}

// MaxName is the longest Key.Name, in bytes.
const MaxName = 200

// String is the key as the store sees it, tenant first.
func (k Key) String() string { return k.Tenant + "/" + k.Name }

// Check refuses a key that could reach outside its tenant or that some store
// would read differently from another: only lower case and no dots, no empty
// segment. It returns fault.Invalid.
func (k Key) Check() error {
	if !id.Is("ten", k.Tenant) || len(k.Name) > MaxName {
		return errKey()
	}
	for segment := range strings.SplitSeq(k.Name, "/") {
		if !plain(segment) {
			return errKey()
		}
	}
	return nil
}

func plain(segment string) bool {
	for i := range len(segment) {
		c := segment[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return segment != ""
}

func errKey() error {
	return fault.New(fault.Invalid, "blob.bad_key", "This is not the name of a stored file.")
}

// ErrNotFound is the one answer for a blob that is not there.
func ErrNotFound() *fault.Error {
	return fault.New(fault.NotFound, "blob.not_found", "There is no such file.")
}

// ErrTooLarge is the answer to a Put that passes its limit.
func ErrTooLarge(limit int64) *fault.Error {
	return fault.New(fault.Quota, "blob.too_large", "The file is larger than %d bytes.", limit)
}

// ErrRange is the answer to an Open that begins outside the blob.
func ErrRange() *fault.Error {
	return fault.New(fault.Invalid, "blob.bad_range", "The file does not reach that far.")
}
