// Package storagetest is the contract of package storage as a test suite, and
// the smallest store that meets it. Start with Run.
package storagetest

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/storage"
)

// Memory is a storage.Blobs for tests of other packages. Its zero value is
// ready to use.
type Memory struct {
	mu    sync.Mutex
	blobs map[storage.Key]blob
}

type blob struct {
	bytes []byte
	info  storage.Info
}

// Len counts the blobs.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.blobs)
}

// Put implements storage.Blobs.
func (m *Memory) Put(ctx context.Context, key storage.Key, r io.Reader, put storage.PutOptions) (storage.Info, error) {
	if err := key.Check(); err != nil {
		return storage.Info{}, err
	}
	all, err := io.ReadAll(io.LimitReader(r, put.Limit+1))
	switch {
	case err != nil:
		return storage.Info{}, err
	case ctx.Err() != nil:
		return storage.Info{}, ctx.Err()
	case int64(len(all)) > put.Limit:
		return storage.Info{}, storage.ErrTooLarge(put.Limit)
	}
	info := storage.Info{Bytes: int64(len(all)), MIME: put.MIME, Modified: time.Now()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blobs == nil {
		m.blobs = map[storage.Key]blob{}
	}
	m.blobs[key] = blob{all, info}
	return info, nil
}

// Open implements storage.Blobs.
func (m *Memory) Open(ctx context.Context, key storage.Key, offset, length int64) (io.ReadCloser, error) {
	b, err := m.get(ctx, key)
	if err != nil {
		return nil, err
	}
	if offset < 0 || offset > b.info.Bytes {
		return nil, storage.ErrRange()
	}
	rest := b.bytes[offset:]
	if length >= 0 && length < int64(len(rest)) {
		rest = rest[:length]
	}
	return io.NopCloser(bytes.NewReader(rest)), nil
}

// Stat implements storage.Blobs.
func (m *Memory) Stat(ctx context.Context, key storage.Key) (storage.Info, error) {
	b, err := m.get(ctx, key)
	return b.info, err
}

// Delete implements storage.Blobs.
func (m *Memory) Delete(ctx context.Context, key storage.Key) error {
	if err := key.Check(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, key)
	return ctx.Err()
}

func (m *Memory) get(ctx context.Context, key storage.Key) (blob, error) {
	if err := key.Check(); err != nil {
		return blob{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[key]
	if !ok {
		return blob{}, storage.ErrNotFound()
	}
	return b, ctx.Err()
}
