// Package blob keeps bytes in a folder, in memory or in a bucket that speaks
// S3, whichever a URL names.
//
// A folder and a bucket differ in what a failed write leaves behind; here both
// leave what was there before, because a blob is written aside and only a
// whole one is moved into place. In a folder it is also forced to the disk
// before it counts as kept, since a row will say that it is there.
//
// Start with Open.
package blob

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob" // registers s3:// with blob.OpenBucket
	"gocloud.dev/gcerrors"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/storage"
)

// Store is a storage.Blobs.
type Store struct {
	bucket *blob.Bucket
	dir    string // of a folder, else empty
}

var _ storage.Blobs = (*Store)(nil)

// Open returns the store that rawURL names:
//
//	file:///var/lib/carillon/blobs            a folder, made if it is missing
//	s3://bucket?region=eu-central-1           a bucket at AWS
//	s3://bucket?endpoint=https://s3.host      a bucket elsewhere
//	mem://                                    memory, gone at Close
//
// Credentials for S3 come from the environment as the AWS SDK reads it, never
// from the URL. The caller closes the Store.
func Open(ctx context.Context, rawURL string) (*Store, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("blob store: this is not a URL")
	}
	switch u.Scheme {
	case "file":
		return openDir(u)
	case "mem":
		return &Store{bucket: memblob.OpenBucket(nil)}, nil
	case "s3":
		return openS3(ctx, u)
	}
	return nil, fmt.Errorf("blob store: %q is none of file, s3 and mem", u.Scheme)
}

func openDir(u *url.URL) (*Store, error) {
	dir := filepath.FromSlash(u.Path)
	if u.Host != "" || !filepath.IsAbs(dir) {
		return nil, errors.New("blob store: write file:/// and an absolute path")
	}
	// Temporary files lie beside their blob: a rename across file systems is
	// a copy, and a copy can be seen half-done.
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{CreateDir: true, DirFileMode: 0o700, NoTempDir: true})
	if err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	return &Store{bucket: bucket, dir: dir}, nil
}

// openS3 fills in what servers other than AWS need.
func openS3(ctx context.Context, u *url.URL) (*Store, error) {
	q := u.Query()
	if q.Get("endpoint") != "" {
		for name, value := range map[string]string{
			"use_path_style":               "true",
			"region":                       "us-east-1", // they ignore it, the signature needs one
			"request_checksum_calculation": "when_required",
			"response_checksum_validation": "when_required",
		} {
			if !q.Has(name) {
				q.Set(name, value)
			}
		}
	}
	at := *u
	at.RawQuery = q.Encode()
	bucket, err := blob.OpenBucket(ctx, at.String())
	if err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	return &Store{bucket: bucket}, nil
}

// Close releases the store.
func (s *Store) Close() error { return s.bucket.Close() }

// Put implements storage.Blobs.
func (s *Store) Put(ctx context.Context, key storage.Key, r io.Reader, put storage.PutOptions) (storage.Info, error) {
	if err := key.Check(); err != nil {
		return storage.Info{}, err
	}
	if put.Limit <= 0 || put.MIME == "" {
		return storage.Info{}, fault.New(fault.Internal, "blob.unbounded", "A file was stored without a limit or a type.")
	}
	if err := s.write(ctx, key, r, put); err != nil {
		return storage.Info{}, err
	}
	if err := s.sync(key); err != nil {
		return storage.Info{}, asFault(err)
	}
	return s.Stat(ctx, key)
}

// write copies r into place. Canceling the writer's context before Close is
// how gocloud.dev/blob is told to forget what was written.
func (s *Store) write(ctx context.Context, key storage.Key, r io.Reader, put storage.PutOptions) error {
	ctx, forget := context.WithCancel(ctx)
	defer forget()
	w, err := s.bucket.NewWriter(ctx, key.String(), &blob.WriterOptions{ContentType: put.MIME})
	if err != nil {
		return asFault(err)
	}
	in := &source{r: io.LimitReader(r, put.Limit+1)}
	_, err = io.Copy(w, in)
	switch {
	case in.err != nil:
		err = in.err
	case ctx.Err() != nil:
		err = ctx.Err()
	case in.n > put.Limit:
		err = storage.ErrTooLarge(put.Limit)
	case err == nil:
		return asFault(w.Close())
	default:
		err = asFault(err)
	}
	forget()
	_ = w.Close() // reports the cancellation
	return err
}

// source tells a failure to read from a failure to write.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF { // io.Reader promises io.EOF itself
		s.err = err
	}
	return n, err
}

// sync forces a blob in a folder, and its name, to the disk.
func (s *Store) sync(key storage.Key) error {
	if s.dir == "" {
		return nil
	}
	file := filepath.Join(s.dir, filepath.FromSlash(key.String()))
	return errors.Join(syncPath(file), syncPath(filepath.Dir(file)))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open implements storage.Blobs.
func (s *Store) Open(ctx context.Context, key storage.Key, offset, length int64) (io.ReadCloser, error) {
	info, err := s.Stat(ctx, key)
	if err != nil {
		return nil, err
	}
	if offset < 0 || offset > info.Bytes {
		return nil, storage.ErrRange()
	}
	if offset == info.Bytes || length == 0 {
		return io.NopCloser(eof{}), nil // no store is asked for nothing: S3 calls that an error
	}
	var r *blob.Reader
	err = whole(ctx, func() (err error) {
		r, err = s.bucket.NewRangeReader(ctx, key.String(), offset, length, nil)
		return err
	})
	if err != nil {
		return nil, asFault(err)
	}
	return r, nil
}

// whole repeats a read that met a folder's attributes file while another
// writer of the same key was at it: that one file is not moved into place.
func whole(ctx context.Context, read func() error) error {
	for wait := time.Millisecond; ; wait *= 2 {
		err := read()
		var torn *json.SyntaxError
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &torn) || wait > 100*time.Millisecond {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// Stat implements storage.Blobs.
func (s *Store) Stat(ctx context.Context, key storage.Key) (storage.Info, error) {
	if err := key.Check(); err != nil {
		return storage.Info{}, err
	}
	var a *blob.Attributes
	err := whole(ctx, func() (err error) {
		a, err = s.bucket.Attributes(ctx, key.String())
		return err
	})
	if err != nil {
		return storage.Info{}, asFault(err)
	}
	return storage.Info{Bytes: a.Size, MIME: a.ContentType, Modified: a.ModTime}, nil
}

// Delete implements storage.Blobs.
func (s *Store) Delete(ctx context.Context, key storage.Key) error {
	if err := key.Check(); err != nil {
		return err
	}
	err := s.bucket.Delete(ctx, key.String())
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return asFault(err)
}

// asFault gives a store's error its meaning.
func asFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return storage.ErrNotFound().Because(err)
	case gcerrors.Canceled:
		return fmt.Errorf("%w: %w", context.Canceled, err)
	case gcerrors.DeadlineExceeded:
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return fault.New(fault.Unavailable, "blob.unavailable", "The file store does not answer. Please try again.").Because(err)
}
