// Package kms keeps the keys that wrap data keys: in a file, or with HashiCorp
// Vault. A vault.Ring, made from the environment, is the third such keeper.
//
// Start with File and Transit; ports/kms has the contract.
package kms

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/carillonhq/carillon/adapters/filestamp"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/kms"
)

// File is a keeper whose keys are in a file, as vault.ParseRing reads it: a key
// that is added there counts without a restart. It is safe for concurrent use.
type File struct {
	path string

	mu    sync.Mutex
	stamp filestamp.Stamp
	read  time.Time
	ring  *vault.Ring
}

var _ kms.Keeper = (*File)(nil)

// OpenFile reads the keys in a file that nobody but its owner may read.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	return f, f.load()
}

// Ring is the keys there are now. If the file went or is being written, it is
// those that were there last.
func (f *File) Ring() *vault.Ring {
	f.mu.Lock()
	defer f.mu.Unlock()
	if info, err := os.Stat(f.path); err != nil || f.stamp.Same(info) && f.stamp.Older(f.read, filestamp.Margin) {
		return f.ring
	}
	_ = f.load() // the next call tries again
	return f.ring
}

func (f *File) load() error {
	began := time.Now()
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s: others may read or write it (%#o); run: chmod 600 %s", f.path, mode, f.path)
	}
	text, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return err
	}
	ring, err := vault.ParseRing(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.ring, f.stamp, f.read = ring, filestamp.Of(info), began
	return nil
}

// Wrap implements kms.Keeper.
func (f *File) Wrap(ctx context.Context, key, bound []byte) (kms.Wrapped, error) {
	return f.Ring().Wrap(ctx, key, bound)
}

// Unwrap implements kms.Keeper.
func (f *File) Unwrap(ctx context.Context, w kms.Wrapped, bound []byte) ([]byte, error) {
	return f.Ring().Unwrap(ctx, w, bound)
}

// Keys implements kms.Keeper.
func (f *File) Keys(ctx context.Context) (kms.Keys, error) { return f.Ring().Keys(ctx) }
