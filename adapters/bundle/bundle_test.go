package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/ports/fault"
)

var described = Description{ID: "org.example.script", Version: "1.0.0", Manifest: json.RawMessage(`{"id": "org.example.script"}`)}

// script is a plugin that an interpreter runs.
func script(t testing.TB) Project {
	t.Helper()
	dir := folder(t, map[string]string{
		ProjectFile: "run: {command: [python3, main.py]}\nfiles: [lib/**, '*.md']",
		"main.py":   "print(1)\n", "lib/a.py": "a = 1\n", "lib/deep/b.py": "b = 2\n", "README.md": "hello\n", "secret.env": "TOKEN=1\n",
	})
	p, err := Open(dir)
	must(t, err)
	return p
}

func pack(t testing.TB, p Project) []byte {
	t.Helper()
	var out bytes.Buffer
	_, err := p.Pack(&out, described)
	must(t, err)
	return out.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPack(t *testing.T) {
	one, two := pack(t, script(t)), pack(t, script(t))
	if !bytes.Equal(one, two) {
		t.Error("the same files, and not the same bundle")
	}
	c, err := Inspect(bytes.NewReader(one))
	must(t, err)
	var names []string
	for _, f := range c.Lock.Files {
		names = append(names, f.Path)
	}
	if got := strings.Join(names, " "); got != "README.md lib/a.py lib/deep/b.py main.py" {
		t.Errorf("packed %s", got)
	}
	if c.Lock.Name() != "org.example.script-1.0.0.carillon" || c.Lock.Platform != AnyPlatform || c.Signature != nil || c.Digest != Digest(c.Raw) {
		t.Errorf("%+v", c)
	}
}

func TestPackRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(p *Project)
		says  string
	}{
		"a link": {func(p *Project) { _ = os.Symlink("/etc/passwd", filepath.Join(p.Dir, "lib", "x.py")) }, "links"},
		"a program that is missing": {func(p *Project) {
			p.Command = []string{"./plugin"}
			p.Files = []string{"*.md"}
		}, "not among its files"},
		"no file at all": {func(p *Project) { p.Command, p.Files = []string{"python3", "-m", "x"}, nil }, "0 files"},
	} {
		t.Run(name, func(t *testing.T) {
			p := script(t)
			tc.spoil(&p)
			if _, err := p.Pack(io.Discard, described); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want something about %q", err, tc.says)
			}
		})
	}
}

// A program says which machine it is for.
func TestPackProgram(t *testing.T) {
	exe, err := os.Executable()
	must(t, err)
	raw, err := os.ReadFile(exe)
	must(t, err)
	dir := folder(t, map[string]string{ProjectFile: "run: {command: [./bin/plugin]}", "bin/x": ""})
	must(t, os.WriteFile(filepath.Join(dir, "bin/plugin"), raw, 0o755))
	p, err := Open(dir)
	must(t, err)
	l, err := p.Pack(io.Discard, described)
	must(t, err)
	if l.Platform != runtime.GOOS+"/"+runtime.GOARCH || l.Runs() != nil || len(l.Files) != 1 || l.Program() != l.Files[0].SHA256 {
		t.Errorf("%+v", l)
	}
	l.Platform = "plan9/mips"
	if err := l.Runs(); fault.Of(err).Reason != "bundle.other_platform" {
		t.Error(err)
	}
}

// entries are an archive taken apart.
type entries []struct {
	h    tar.Header
	body []byte
}

func apart(t testing.TB, raw []byte) (out entries) {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	must(t, err)
	in := tar.NewReader(zip)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		must(t, err)
		body, err := io.ReadAll(in)
		must(t, err)
		out = append(out, struct {
			h    tar.Header
			body []byte
		}{*h, body})
	}
}

func (e entries) together(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, x := range e {
		x.h.Size = int64(len(x.body))
		if x.h.Typeflag != tar.TypeReg {
			x.h.Size, x.body = 0, nil
		}
		must(t, w.WriteHeader(&x.h))
		_, err := w.Write(x.body)
		must(t, err)
	}
	must(t, w.Close())
	must(t, zip.Close())
	return out.Bytes()
}

func (e entries) relock(change func(*Lock)) {
	var l Lock
	_ = json.Unmarshal(e[0].body, &l)
	change(&l)
	e[0].body, _ = json.Marshal(l)
}

// What a stranger may have done to a bundle is refused, whatever it is, and
// nothing of it is kept.
func TestHostileBundles(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(entries) entries
		code  string
	}{
		"a changed byte":  {func(e entries) entries { e[4].body[0] ^= 1; return e }, "bundle.changed"},
		"a file too many": {func(e entries) entries { x := e[4]; x.h.Name = "z.py"; return append(e, x) }, "bundle.malformed"},
		"a file too few":  {func(e entries) entries { return e[:4] }, "bundle.malformed"},
		"another order":   {func(e entries) entries { e[1], e[2] = e[2], e[1]; return e }, "bundle.malformed"},
		"a member in another case": {func(e entries) entries {
			e[0].body = bytes.Replace(e[0].body, []byte(`"files":`), []byte(`"FILES":[],"files":`), 1)
			return e
		}, "bundle.malformed"},
		"a member twice": {func(e entries) entries {
			e[0].body = bytes.Replace(e[0].body, []byte(`"manifest":`), []byte(`"manifest":{},"manifest":`), 1)
			return e
		}, "bundle.malformed"},
		"no lock":           {func(e entries) entries { return e[1:] }, "bundle.malformed"},
		"a longer file":     {func(e entries) entries { e[4].body = append(e[4].body, 'x'); return e }, "bundle.malformed"},
		"a link for a file": {func(e entries) entries { e[4].h.Typeflag, e[4].h.Linkname = tar.TypeSymlink, "/etc/passwd"; return e }, "bundle.malformed"},
		"a hard link":       {func(e entries) entries { e[4].h.Typeflag, e[4].h.Linkname = tar.TypeLink, "README.md"; return e }, "bundle.malformed"},
		"a device":          {func(e entries) entries { e[4].h.Typeflag = tar.TypeChar; return e }, "bundle.malformed"},
		"a way up":          {func(e entries) entries { e.relock(func(l *Lock) { l.Files[3].Path = "../main.py" }); return e }, "bundle.malformed"},
		"the root":          {func(e entries) entries { e.relock(func(l *Lock) { l.Files[3].Path = "/main.py" }); return e }, "bundle.malformed"},
		"a backslash":       {func(e entries) entries { e.relock(func(l *Lock) { l.Files[3].Path = `..\main.py` }); return e }, "bundle.malformed"},
		"its own lock":      {func(e entries) entries { e.relock(func(l *Lock) { l.Files[0].Path = lockName }); return e }, "bundle.malformed"},
		"set-uid":           {func(e entries) entries { e.relock(func(l *Lock) { l.Files[3].Mode = "4755" }); return e }, "bundle.malformed"},
		"too large":         {func(e entries) entries { e.relock(func(l *Lock) { l.Files[3].Bytes = MaxUnpacked + 1 }); return e }, "bundle.malformed"},
		"too large together": {func(e entries) entries {
			e.relock(func(l *Lock) { l.Files[3].Bytes, l.Files[0].Bytes = 1<<27, 1<<27 })
			return e
		}, "bundle.malformed"},
		"twice":                {func(e entries) entries { e.relock(func(l *Lock) { l.Files[1] = l.Files[0] }); return e }, "bundle.malformed"},
		"a program elsewhere":  {func(e entries) entries { e.relock(func(l *Lock) { l.Command = []string{"/bin/sh"} }); return e }, "bundle.malformed"},
		"a program not in it":  {func(e entries) entries { e.relock(func(l *Lock) { l.Command = []string{"./x"} }); return e }, "bundle.malformed"},
		"a program not to run": {func(e entries) entries { e.relock(func(l *Lock) { l.Command = []string{"./main.py"} }); return e }, "bundle.malformed"},
		"another format":       {func(e entries) entries { e.relock(func(l *Lock) { l.Format = 9 }); return e }, "bundle.format"},
		"an unknown field":     {func(e entries) entries { e[0].body = append([]byte(`{"x":1,`), e[0].body[1:]...); return e }, "bundle.malformed"},
		"two locks in one":     {func(e entries) entries { e[0].body = append(e[0].body, e[0].body...); return e }, "bundle.malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := tc.spoil(apart(t, pack(t, script(t)))).together(t)
			if _, err := Inspect(bytes.NewReader(raw)); fault.Of(err).Reason != tc.code {
				t.Errorf("inspect: %v, want %s", err, tc.code)
			}
			s := store(t)
			if _, err := s.Add(t.Context(), bytes.NewReader(raw), whatever); fault.Of(err).Reason != tc.code {
				t.Errorf("add: %v, want %s", err, tc.code)
			}
			left, err := os.ReadDir(s.dir)
			must(t, err)
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestTruncatedAndTrailing(t *testing.T) {
	raw := pack(t, script(t))
	for _, n := range []int{0, 1, 10, len(raw) / 2, len(raw) - 1} {
		if _, err := Inspect(bytes.NewReader(raw[:n])); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := Inspect(bytes.NewReader(append(raw, 'x'))); !fault.Is(err, fault.Invalid) {
		t.Errorf("one byte more: %v", err)
	}
	broken := errors.New("the line went dead")
	if _, err := Inspect(io.MultiReader(bytes.NewReader(raw[:40]), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("a reader's own error came out as %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A small archive that unpacks to more than it says ends early.
func TestBomb(t *testing.T) {
	e := apart(t, pack(t, script(t)))
	e[4].body = make([]byte, 64<<20)
	if _, err := Inspect(bytes.NewReader(e.together(t))); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestSign(t *testing.T) {
	private, public, id, err := NewKey()
	must(t, err)
	key, err := ParsePrivateKey(private)
	must(t, err)
	known, err := catalog.ParseKey(string(public))
	must(t, err)
	raw := pack(t, script(t))
	var signed bytes.Buffer
	_, err = Sign(&signed, bytes.NewReader(raw), key)
	must(t, err)
	c, err := Inspect(bytes.NewReader(signed.Bytes()))
	must(t, err)
	plain, err := Inspect(bytes.NewReader(raw))
	must(t, err)
	if c.Signature == nil || c.Signature.Key != id || known.ID != id || c.Digest != plain.Digest {
		t.Fatalf("%+v", c.Signature)
	}
	must(t, c.Signature.Check(c.Digest))

	for name, spoil := range map[string]func(s *Signature){
		"another bundle":   func(*Signature) { c.Digest = strings.Repeat("0", 64) },
		"another key's id": func(s *Signature) { s.Key = "0000000000000000" },
		"a changed byte":   func(s *Signature) { s.Signature[3] ^= 1 },
		"another key": func(s *Signature) {
			_, p, _, _ := NewKey()
			k, _ := catalog.ParseKey(string(p))
			s.Public, s.Key = k.Public, k.ID
		},
		"no key": func(s *Signature) { s.Public = nil },
	} {
		c, err := Inspect(bytes.NewReader(signed.Bytes()))
		must(t, err)
		digest := c.Digest
		if name == "another bundle" {
			digest = strings.Repeat("0", 64)
		} else {
			spoil(c.Signature)
		}
		if err := c.Signature.Check(digest); fault.Of(err).Reason != "bundle.bad_signature" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysThatAreNone(t *testing.T) {
	private, public, _, err := NewKey()
	must(t, err)
	for name, text := range map[string][]byte{"nothing": nil, "the other half": private, "cut": public[:60]} {
		if _, err := catalog.ParseKey(string(text)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParsePrivateKey(public); err == nil {
		t.Error("a public key was taken for a private one")
	}
}

func FuzzInspect(f *testing.F) {
	raw := pack(f, script(f))
	e := apart(f, raw)
	f.Add(raw)
	f.Add(e.together(f))
	f.Add(e[1:].together(f))
	f.Add(raw[:len(raw)/2])
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := Inspect(bytes.NewReader(raw))
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%v is not the bundle's fault", err)
			}
			return
		}
		if c.Lock.check() != nil || Digest(c.Raw) != c.Digest {
			t.Fatalf("accepted %+v", c.Lock)
		}
		for _, file := range c.Lock.Files {
			if !filepath.IsLocal(file.Path) {
				t.Fatalf("accepted %q", file.Path)
			}
		}
	})
}

func FuzzParseLock(f *testing.F) {
	f.Add(apart(f, pack(f, script(f)))[0].body)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := ParseLock(raw)
		if err == nil && l.check() != nil {
			t.Fatalf("accepted %+v", l)
		}
	})
}

func FuzzParseProject(f *testing.F) {
	f.Add([]byte("run: {command: [python3, main.py]}"))
	f.Fuzz(func(t *testing.T, text []byte) { _, _, _ = parseProject(text) })
}
