package bundle

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"

	"github.com/carillonhq/carillon/ports/fault"
)

// Contents is what a bundle says it is, its files found to be what it says.
type Contents struct {
	Lock      Lock
	Raw       []byte // the lock as it stands in the bundle
	Digest    string // of Raw
	Signature *Signature
}

// Inspect reads a bundle through and keeps nothing. Errors: fault.Invalid, or
// r's own.
func Inspect(r io.Reader) (Contents, error) { return read(r, nil) }

// unpack writes a bundle's files below root as well, and the lock beside them.
func unpack(r io.Reader, root *os.Root) (Contents, error) {
	c, err := read(r, func(f File, in io.Reader) error { return create(root, f.Path, modeOf(f)&^0o222, in) })
	if err != nil {
		return Contents{}, err
	}
	for name, raw := range map[string][]byte{lockName: c.Raw, signatureName: c.Signature.encode()} {
		if raw == nil {
			continue
		}
		if err := root.WriteFile(name, raw, 0o444); err != nil {
			return Contents{}, err
		}
	}
	return c, nil
}

// source tells the archive's own faults from those of where it comes from.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if s.n += int64(n); s.n > MaxArchive && err == nil {
		err = fault.New(fault.Invalid, "bundle.too_large", "A bundle has at most %d bytes.", MaxArchive)
	}
	if err != nil && err != io.EOF { //nolint:errorlint // as the interface has it
		s.err = err
	}
	return n, err
}

// read checks a bundle from front to back and hands each file to keep, which
// reads it to the end.
func read(r io.Reader, keep func(File, io.Reader) error) (Contents, error) {
	from := &source{r: r}
	c, err := readArchive(bufio.NewReader(from), keep)
	var known *fault.Error
	switch {
	case err == nil:
		return c, nil
	case from.err != nil:
		return Contents{}, from.err
	case errors.As(err, &known):
		return Contents{}, err
	case errors.Is(err, errKeep):
		return Contents{}, err
	}
	return Contents{}, bad("%v", err)
}

// errKeep marks what went wrong on this side.
var errKeep = errors.New("the bundle could not be kept")

func readArchive(r *bufio.Reader, keep func(File, io.Reader) error) (c Contents, err error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return c, err
	}
	zip.Multistream(false)
	in := tar.NewReader(zip)
	if c.Raw, err = small(in, lockName, maxLock); err != nil {
		return c, err
	}
	if c.Lock, err = ParseLock(c.Raw); err != nil {
		return c, err
	}
	c.Digest = Digest(c.Raw)
	next, err := in.Next()
	if err == nil && next.Name == signatureName {
		if c.Signature, err = readSignature(in, next); err != nil {
			return c, err
		}
		next, err = in.Next()
	}
	for _, f := range c.Lock.Files {
		if err != nil {
			return c, missing(err, f)
		}
		if err := one(in, next, f, keep); err != nil {
			return c, err
		}
		next, err = in.Next()
	}
	if !errors.Is(err, io.EOF) {
		return c, bad("there is more in it than its lock says")
	}
	return c, ended(zip, r)
}

func missing(err error, f File) error {
	if errors.Is(err, io.EOF) {
		return bad("%.80q is not in it", f.Path)
	}
	return err
}

// ended wants nothing but zeros after the last file, and nothing after those.
func ended(zip io.Reader, r *bufio.Reader) error {
	var rest [512]byte
	for range 64 { // tar writers fill up to a whole record
		n, err := zip.Read(rest[:])
		for _, b := range rest[:n] {
			if b != 0 {
				return bad("there is something after its end")
			}
		}
		if err == io.EOF {
			if _, err := r.ReadByte(); err != io.EOF {
				return bad("there is something after its end")
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
	return bad("there is something after its end")
}

// one reads one file and holds it to what the lock says.
func one(in io.Reader, h *tar.Header, f File, keep func(File, io.Reader) error) error {
	if h.Typeflag != tar.TypeReg || h.Name != f.Path || h.Size != f.Bytes {
		return bad("%.80q is not the file %.80q that its lock lists", h.Name, f.Path)
	}
	sum := sha256.New()
	body := io.TeeReader(in, sum)
	if keep == nil {
		keep = func(_ File, in io.Reader) error {
			_, err := io.Copy(io.Discard, in)
			return err
		}
	}
	if err := keep(f, body); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return changed(f.Path)
	}
	return nil
}

// changed is a file that is not what the lock says.
func changed(path string) error {
	return fault.New(fault.Invalid, "bundle.changed", "%.80q is not what the bundle's lock says: it was changed, or damaged.", path)
}

// small reads the next entry, which has to be name.
func small(in *tar.Reader, name string, limit int64) ([]byte, error) {
	h, err := in.Next()
	if err != nil {
		return nil, err
	}
	if h.Name != name || h.Typeflag != tar.TypeReg || h.Size > limit {
		return nil, bad("it does not begin with %s", name)
	}
	return io.ReadAll(io.LimitReader(in, limit))
}

func readSignature(in io.Reader, h *tar.Header) (*Signature, error) {
	if h.Typeflag != tar.TypeReg || h.Size > maxSignature {
		return nil, bad("its signature is none")
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxSignature))
	if err != nil {
		return nil, err
	}
	var s Signature
	if err := canonical(raw, &s); err != nil {
		return nil, bad("its signature is none: %v", err)
	}
	return &s, nil
}

// create writes one new file below root, and what folders it needs.
func create(root *os.Root, name string, mode os.FileMode, in io.Reader) error {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return errors.Join(errKeep, err)
		}
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return errors.Join(errKeep, err)
	}
	defer out.Close()
	if _, err := io.Copy(writer{out}, in); err != nil {
		return err
	}
	if err := errors.Join(out.Chmod(mode), out.Sync(), out.Close()); err != nil {
		return errors.Join(errKeep, err)
	}
	return nil
}

// writer marks errors of writing.
type writer struct{ w io.Writer }

func (w writer) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		err = errors.Join(errKeep, err)
	}
	return n, err
}
