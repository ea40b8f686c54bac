package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/filestamp"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/storage"
)

// Store keeps unpacked bundles, each in a folder named after its digest, and
// the bundles themselves among the installation's blobs, where other machines
// find them. What is in a folder never changes: it is written aside, forced to
// the disk and moved into place whole. It is safe for concurrent use, by
// several processes too.
type Store struct {
	dir    string // …/plugins/sha256
	blobs  storage.Blobs
	tenant string // whom the blobs belong to
	seen   seen
}

// mime is what a bundle is kept as.
const mime = "application/vnd.carillon.bundle"

// aside begins the names of what is being written.
const aside = ".new-"

// forget is how long something that nothing refers to is left alone.
const forget = time.Hour

// OpenStore returns the store below state, which it makes if it is missing.
// tenant, the operator's, owns the blobs.
func OpenStore(state string, blobs storage.Blobs, tenant string) (*Store, error) {
	dir, err := filepath.Abs(filepath.Join(state, "plugins", "sha256"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &Store{dir: dir, blobs: blobs, tenant: tenant, seen: seen{files: map[string]filestamp.Stamp{}, margin: filestamp.Margin}}, nil
}

// Add takes a bundle in: its bytes among the blobs, its files unpacked and
// verified here. Adding one that is there changes nothing, but mends what was
// damaged. Nothing is kept of one that accept refuses. Errors: fault.Invalid,
// r's own, accept's own, and those of storage.
func (s *Store) Add(ctx context.Context, r io.Reader, accept func(Contents) error) (Contents, error) {
	file, err := os.CreateTemp(s.dir, aside)
	if err != nil {
		return Contents{}, err
	}
	defer func() { _, _ = file.Close(), os.Remove(file.Name()) }()
	if _, err := io.Copy(file, &source{r: r}); err != nil {
		return Contents{}, err
	}
	c, err := s.unpack(file, accept)
	if err != nil {
		return Contents{}, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return Contents{}, err
	}
	_, err = s.blobs.Put(ctx, s.key(c.Digest), file, storage.PutOptions{Limit: MaxArchive, MIME: mime})
	return c, err
}

func (s *Store) key(digest string) storage.Key {
	return storage.Key{Tenant: s.tenant, Name: "plugins/" + digest}
}

// unpack puts a bundle's files in place.
func (s *Store) unpack(file *os.File, accept func(Contents) error) (c Contents, err error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return c, err
	}
	dir, err := os.MkdirTemp(s.dir, aside)
	if err != nil {
		return c, err
	}
	defer func() { _ = removeAll(dir) }() // it is gone if all went well
	root, err := os.OpenRoot(dir)
	if err != nil {
		return c, err
	}
	defer root.Close()
	if c, err = unpack(file, root); err != nil {
		return c, err
	}
	if err := accept(c); err != nil {
		return c, err
	}
	if err := seal(dir); err != nil {
		return c, err
	}
	return c, s.place(dir, c)
}

// place moves a finished folder to where its digest says. One that is there
// already and sound stays.
func (s *Store) place(dir string, c Contents) error {
	at := s.at(c.Digest)
	err := os.Rename(dir, at)
	if err == nil {
		return syncDir(s.dir)
	}
	if _, there := os.Stat(at); there != nil {
		return err
	}
	if _, err := s.check(c.Digest); err == nil {
		return nil
	}
	if err := removeAll(at); err != nil {
		return err
	}
	if err := os.Rename(dir, at); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func (s *Store) at(digest string) string { return filepath.Join(s.dir, digest) }

// Dir returns where a bundle is unpacked, and its lock, after every file was
// verified. A bundle that is not here, or damaged, is fetched from the blobs.
// Errors: fault.NotFound if it is nowhere, fault.Invalid if what is there is
// another, and those of storage.
func (s *Store) Dir(ctx context.Context, digest string) (string, Lock, error) {
	if !digestPattern.MatchString(digest) {
		return "", Lock{}, bad("%.80q is no digest", digest)
	}
	if l, err := s.check(digest); err == nil {
		return s.at(digest), l, nil
	}
	if err := s.fetch(ctx, digest); err != nil {
		return "", Lock{}, err
	}
	l, err := s.check(digest)
	return s.at(digest), l, err
}

// fetch gets a bundle from the blobs.
func (s *Store) fetch(ctx context.Context, digest string) error {
	blob, err := s.blobs.Open(ctx, s.key(digest), 0, -1)
	if err != nil {
		return err
	}
	defer blob.Close()
	file, err := os.CreateTemp(s.dir, aside)
	if err != nil {
		return err
	}
	defer func() { _, _ = file.Close(), os.Remove(file.Name()) }()
	if _, err := io.Copy(file, &source{r: blob}); err != nil {
		return err
	}
	_, err = s.unpack(file, func(c Contents) error {
		if c.Digest != digest {
			return fault.New(fault.Invalid, "bundle.changed", "What is kept as bundle %.12s is another one.", digest)
		}
		return nil
	})
	return err
}

// Sweep removes bundles that keep does not name, and what was left half-written.
// It leaves alone what is younger than an hour: somebody may be adding it.
func (s *Store) Sweep(keep map[string]bool) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		ours := strings.HasPrefix(e.Name(), aside) || digestPattern.MatchString(e.Name())
		if err != nil || !ours || keep[e.Name()] || time.Since(info.ModTime()) < forget {
			continue
		}
		errs = append(errs, removeAll(filepath.Join(s.dir, e.Name())))
	}
	return errors.Join(errs...)
}

// Forget removes a bundle's blob. The folders of it go with the next Sweep.
func (s *Store) Forget(ctx context.Context, digest string) error {
	return s.blobs.Delete(ctx, s.key(digest))
}

// Export copies a bundle as it was handed on to w.
func (s *Store) Export(ctx context.Context, digest string, w io.Writer) error {
	blob, err := s.blobs.Open(ctx, s.key(digest), 0, -1)
	if err != nil {
		return err
	}
	defer blob.Close()
	_, err = io.Copy(w, blob)
	return err
}

// seal makes folders read-only and forces them to the disk, the deepest first.
func seal(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	for i := len(dirs) - 1; err == nil && i >= 0; i-- {
		if err = syncDir(dirs[i]); err == nil {
			err = os.Chmod(dirs[i], 0o555)
		}
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

// removeAll removes read-only folders as well.
func removeAll(dir string) error {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // on its way out
		}
		return nil
	})
	return os.RemoveAll(dir)
}
