package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The two entries that come first in an archive.
const (
	lockName      = "bundle.json"
	signatureName = "bundle.sig"
)

// A Description is what a plugin says it is.
type Description struct {
	ID, Version string
	Manifest    json.RawMessage // of ID and Version, as JSON
}

// Pack writes the project's files to w as an unsigned bundle. The same files
// make the same lock, and with the same version of Go the same archive. What
// is not a plain file, and what lies outside the folder, is refused.
func (p Project) Pack(w io.Writer, d Description) (Lock, error) {
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return Lock{}, err
	}
	defer root.Close()
	l := Lock{Format: Format, ID: d.ID, Version: d.Version, Command: p.Command, Platform: AnyPlatform, Manifest: compact(d.Manifest)}
	names, err := p.list(root)
	if err != nil {
		return Lock{}, err
	}
	for _, name := range names {
		f, platform, err := measure(root, name)
		if err != nil {
			return Lock{}, err
		}
		if platform != "" && l.Platform != AnyPlatform && l.Platform != platform {
			return Lock{}, fmt.Errorf("%s is for %s, and another file for %s: pack a bundle for each", name, platform, l.Platform)
		}
		l.Platform = cmp.Or(platform, l.Platform)
		l.Files = append(l.Files, f)
	}
	raw, err := json.Marshal(l)
	if err != nil {
		return Lock{}, err
	}
	if _, err := ParseLock(raw); err != nil {
		return Lock{}, err
	}
	return l, write(w, raw, nil, l.Files, func(f File) (io.ReadCloser, error) { return root.Open(f.Path) })
}

func compact(raw []byte) json.RawMessage {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return raw // ParseLock says so
	}
	return out.Bytes()
}

// List is what Pack takes: the files that the project's patterns match, or
// without any the project's own: the program, the arguments that are files, or
// plugin.yaml.
func (p Project) List() ([]string, error) {
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return p.list(root)
}

func (p Project) list(root *os.Root) ([]string, error) {
	found := map[string]bool{}
	for _, word := range p.own() {
		if info, err := root.Lstat(word); err == nil && !info.IsDir() {
			found[filepath.ToSlash(filepath.Clean(word))] = true
		}
	}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if slices.ContainsFunc(p.Files, func(pattern string) bool { return matches(pattern, name) }) {
			found[name] = true
		}
		if len(found) > MaxFiles {
			return fmt.Errorf("files: more than %d match", MaxFiles)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(found))
	for name := range found {
		out = append(out, name)
	}
	slices.Sort(out)
	return out, nil
}

// own are the words that may be files of the project.
func (p Project) own() []string {
	if p.Declarative() {
		return []string{DeclarativeFile}
	}
	var out []string
	for i, word := range p.Command {
		if filepath.IsLocal(word) && (i > 0 || strings.Contains(word, "/")) {
			out = append(out, word)
		}
	}
	return out
}

// matches reports whether name is what pattern, one of Project.Files, means.
func matches(pattern, name string) bool {
	pattern = strings.TrimPrefix(pattern, "./")
	if dir, ok := strings.CutSuffix(pattern, "**"); ok {
		return strings.HasPrefix(name, dir)
	}
	ok, _ := path.Match(pattern, name) // Open has seen that it is well-formed
	return ok
}

// measure describes one file, and the platform that it is a program of.
func measure(root *os.Root, name string) (File, string, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return File{}, "", err
	}
	if !info.Mode().IsRegular() {
		return File{}, "", fmt.Errorf("%s is no plain file: a bundle takes no links", name)
	}
	in, err := root.Open(name)
	if err != nil {
		return File{}, "", err
	}
	defer in.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(in, MaxUnpacked+1))
	if err != nil {
		return File{}, "", err
	}
	f := File{Path: name, SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n, Mode: modePlain}
	if info.Mode()&0o111 != 0 {
		f.Mode = modeProgram
	}
	return f, platformOf(in), nil
}

// machines are the processors by Go's names.
var machines = map[elf.Machine]string{
	elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_386: "386", elf.EM_ARM: "arm", elf.EM_RISCV: "riscv64",
	elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x",
}

// platformOf is what a program was built for, empty if it is none.
func platformOf(r io.ReaderAt) string {
	f, err := elf.NewFile(r)
	if err != nil {
		return ""
	}
	return "linux/" + cmp.Or(machines[f.Machine], strings.ToLower(f.Machine.String()[3:]))
}

// write makes an archive out of a lock and what it lists.
func write(w io.Writer, lock, signature []byte, files []File, open func(File) (io.ReadCloser, error)) error {
	zip, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	out := tar.NewWriter(zip)
	if err := entry(out, lockName, 0o644, int64(len(lock)), bytes.NewReader(lock)); err != nil {
		return err
	}
	if signature != nil {
		if err := entry(out, signatureName, 0o644, int64(len(signature)), bytes.NewReader(signature)); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := writeFile(out, f, open); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return zip.Close()
}

func writeFile(out *tar.Writer, f File, open func(File) (io.ReadCloser, error)) error {
	in, err := open(f)
	if err != nil {
		return err
	}
	defer in.Close()
	h := sha256.New()
	if err := entry(out, f.Path, int64(modeOf(f)), f.Bytes, io.TeeReader(in, h)); err != nil {
		return fmt.Errorf("%s: %w (did it change meanwhile?)", f.Path, err)
	}
	if hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%s changed while it was packed", f.Path)
	}
	return nil
}

func entry(out *tar.Writer, name string, mode, size int64, r io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: size, Format: tar.FormatPAX}
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.Copy(out, io.LimitReader(r, size))
	if err != nil {
		return err
	}
	return out.Flush() // which minds if there was less
}

func modeOf(f File) fs.FileMode {
	if f.Mode == modeProgram {
		return 0o755
	}
	return 0o644
}
