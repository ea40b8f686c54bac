package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// What a bundle may hold. A bundle is somebody else's file, and it is read by
// the process that serves everybody.
const (
	MaxArchive  = 64 << 20  // bytes as handed on
	MaxUnpacked = 256 << 20 // bytes of all its files
	MaxFiles    = 4096
	maxPath     = 200
	maxLock     = 1 << 20
)

// Format is the version of the lock that this program writes and reads.
const Format = 1

// AnyPlatform is the Lock.Platform of a bundle that runs wherever its
// interpreter does.
const AnyPlatform = "any"

// A Lock says what a bundle is, down to every byte. Its own bytes are what a
// digest and a signature are of.
type Lock struct {
	Format   int      `json:"format"`
	ID       string   `json:"id"`                // the manifest's
	Version  string   `json:"version"`           // the manifest's
	Command  []string `json:"command,omitempty"` // as Project.Command; none if the plugin is declarative
	Platform string   `json:"platform"`          // "linux/amd64", or "any"
	Files    []File   `json:"files"`             // by path, ascending
	// Manifest is what the plugin said of itself when it was packed, as JSON.
	Manifest json.RawMessage `json:"manifest"`
}

// A File is one of a bundle's.
type File struct {
	Path   string `json:"path"` // with slashes, below the bundle's folder
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	Mode   string `json:"mode"` // "0644", or "0755" for a program
}

// The modes that a file can have.
const (
	modePlain   = "0644"
	modeProgram = "0755"
)

var (
	platformPattern = regexp.MustCompile(`^(any|[a-z0-9]+/[a-z0-9]+)$`)
	digestPattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseLock reads a lock, strictly: only what Pack would write, byte for byte,
// because what two readers could read differently is approved by one and run by
// the other. Errors: fault.Invalid.
func ParseLock(raw []byte) (Lock, error) {
	var l Lock
	if err := canonical(raw, &l); err != nil {
		return Lock{}, bad("%s is not one: %v", lockName, err)
	}
	return l, l.check()
}

// canonical reads raw into the value that into points to, if that value is all it
// says and it is written as this program writes it: no member twice, in another
// case, in another order or unknown, and nothing after the end.
func canonical(raw []byte, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return err
	}
	written, err := json.Marshal(into)
	if err == nil && !bytes.Equal(written, raw) {
		err = errors.New("it is not written as this program writes it")
	}
	return err
}

func (l Lock) check() error {
	switch {
	case l.Format != Format:
		return fault.New(fault.Invalid, "bundle.format", "This bundle has format %d; this program reads %d.", l.Format, Format)
	case !social.IsID(l.ID):
		return bad("%.80q is no plugin's id", l.ID)
	case !social.IsVersion(l.Version):
		return bad("%.80q is no version", l.Version)
	case !platformPattern.MatchString(l.Platform):
		return bad("%.80q is no platform", l.Platform)
	case len(l.Files) == 0 || len(l.Files) > MaxFiles:
		return bad("it has %d files, not 1 to %d", len(l.Files), MaxFiles)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(l.Manifest, &object) != nil || object == nil {
		return bad("its manifest is no object")
	}
	if err := l.checkFiles(); err != nil {
		return err
	}
	return l.checkCommand()
}

func (l Lock) checkFiles() error {
	total, before := int64(0), ""
	for _, f := range l.Files {
		switch {
		case !cleanPath(f.Path) || f.Path == lockName || f.Path == signatureName:
			return bad("%.80q cannot be a file of it", f.Path)
		case f.Path <= before:
			return bad("%.80q is out of order, or there twice", f.Path)
		case !digestPattern.MatchString(f.SHA256):
			return bad("%.80q has no digest", f.Path)
		case f.Mode != modePlain && f.Mode != modeProgram:
			return bad("%.80q has mode %.10q", f.Path, f.Mode)
		case f.Bytes < 0 || f.Bytes > MaxUnpacked:
			return bad("%.80q has %d bytes", f.Path, f.Bytes)
		}
		if total += f.Bytes; total > MaxUnpacked {
			return bad("it has more than %d bytes unpacked", MaxUnpacked)
		}
		before = f.Path
	}
	return nil
}

// checkCommand wants what runs to be in the bundle.
func (l Lock) checkCommand() error {
	if len(l.Command) == 0 {
		if _, ok := l.file(DeclarativeFile); !ok {
			return bad("it has neither a command nor a %s", DeclarativeFile)
		}
		return nil
	}
	if err := checkCommand(l.Command); err != nil {
		return bad("its command: %v", err)
	}
	if !strings.Contains(l.Command[0], "/") {
		return nil
	}
	f, ok := l.file(filepath.ToSlash(filepath.Clean(l.Command[0])))
	if !ok || f.Mode != modeProgram {
		return bad("its program %.80q is not among its files, or may not be run", l.Command[0])
	}
	return nil
}

func (l Lock) file(path string) (File, bool) {
	i, ok := slices.BinarySearchFunc(l.Files, path, func(f File, p string) int { return strings.Compare(f.Path, p) })
	if !ok {
		return File{}, false
	}
	return l.Files[i], true
}

// Runs reports whether this machine can run the bundle: fault.Invalid if it
// was packed for another.
func (l Lock) Runs() error {
	if here := runtime.GOOS + "/" + runtime.GOARCH; l.Platform != AnyPlatform && l.Platform != here {
		return fault.New(fault.Invalid, "bundle.other_platform", "This bundle is for %s; this is %s.", l.Platform, here)
	}
	return nil
}

// Spec says how the plugin is run from where its bundle was unpacked.
func (l Lock) Spec(dir string) Spec { return specOf(dir, l.Command) }

// Program is the digest of the program, empty if an interpreter or this
// program runs it.
func (l Lock) Program() string {
	if len(l.Command) == 0 {
		return ""
	}
	f, _ := l.file(filepath.ToSlash(filepath.Clean(l.Command[0])))
	return f.SHA256
}

// Name is what the bundle's file is called.
func (l Lock) Name() string { return l.ID + "-" + l.Version + ".carillon" }

// Digest names a bundle by the bytes of its lock: hexadecimal SHA-256.
func Digest(lock []byte) string {
	sum := sha256.Sum256(lock)
	return hex.EncodeToString(sum[:])
}

// cleanPath wants a path that is the same file everywhere, and below.
func cleanPath(p string) bool {
	if p == "" || len(p) > maxPath || !utf8.ValidString(p) || strings.ContainsAny(p, "\\:\x7f") {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return strings.IndexFunc(p, func(r rune) bool { return r < ' ' }) < 0
}

// bad is a bundle that is none.
func bad(format string, args ...any) error {
	return fault.New(fault.Invalid, "bundle.malformed", "This is no sound bundle: %s.", fmt.Sprintf(format, args...))
}
