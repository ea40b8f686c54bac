package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// Check verifies every file of an unpacked bundle. It is what has to hold
// before each start. What this Store has read already and nobody wrote to since
// is not read again. Errors: fault.NotFound, fault.Invalid.
func (s *Store) Check(digest string) error {
	_, err := s.check(digest)
	return err
}

func (s *Store) check(digest string) (Lock, error) {
	root, err := os.OpenRoot(s.at(digest))
	if err != nil {
		return Lock{}, fault.New(fault.NotFound, "bundle.not_found", "Bundle %.12s is not on this machine.", digest).Because(err)
	}
	defer root.Close()
	raw, err := root.ReadFile(lockName)
	if err != nil || Digest(raw) != digest {
		return Lock{}, changed(lockName)
	}
	l, err := ParseLock(raw)
	if err != nil {
		return Lock{}, err
	}
	for _, f := range l.Files {
		if err := s.same(root, digest, f); err != nil {
			return Lock{}, err
		}
	}
	return l, only(root, l)
}

// same holds a file to its line of the lock.
func (s *Store) same(root *os.Root, digest string, f File) error {
	info, err := root.Lstat(filepath.FromSlash(f.Path))
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.Bytes || info.Mode().Perm()&0o111 != modeOf(f)&0o111 {
		return changed(f.Path)
	}
	name := digest + "/" + f.Path
	if s.seen.unchanged(name, info) {
		return nil
	}
	in, err := root.Open(filepath.FromSlash(f.Path))
	if err != nil {
		return changed(f.Path)
	}
	defer in.Close()
	began := time.Now()
	if info, err = in.Stat(); err != nil {
		return changed(f.Path)
	}
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return changed(f.Path)
	}
	s.seen.note(name, info, began)
	return nil
}

// only refuses files that the lock does not know: an interpreter would load
// them like any other.
func only(root *os.Root, l Lock) error {
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == lockName || name == signatureName {
			return err
		}
		if _, ok := l.file(name); !ok {
			return changed(name)
		}
		return nil
	})
}
