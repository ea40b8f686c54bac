package bundle

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/filestamp"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/ports/storage/storagetest"
)

func store(t testing.TB) *Store {
	t.Helper()
	s, err := OpenStore(t.TempDir(), &storagetest.Memory{}, id.New("ten"))
	must(t, err)
	t.Cleanup(func() { _ = removeAll(s.dir) })
	return s
}

// beside is another machine's store with the same blobs.
func beside(t testing.TB, s *Store) *Store {
	t.Helper()
	other, err := OpenStore(t.TempDir(), s.blobs, s.tenant)
	must(t, err)
	t.Cleanup(func() { _ = removeAll(other.dir) })
	return other
}

func whatever(Contents) error { return nil }

// Nothing is kept of what is refused, also not of one whose files are fine.
func TestARefusedBundleLeavesNothing(t *testing.T) {
	s, no := store(t), errors.New("no")
	if _, err := s.Add(t.Context(), bytes.NewReader(pack(t, script(t))), func(Contents) error { return no }); !errors.Is(err, no) {
		t.Error(err)
	}
	left, err := os.ReadDir(s.dir)
	must(t, err)
	if blobs, ok := s.blobs.(*storagetest.Memory); !ok || blobs.Len() != 0 || len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

func add(t testing.TB, s *Store) Contents {
	t.Helper()
	c, err := s.Add(t.Context(), bytes.NewReader(pack(t, script(t))), whatever)
	must(t, err)
	return c
}

func TestStore(t *testing.T) {
	s := store(t)
	c := add(t, s)
	dir, lock, err := s.Dir(t.Context(), c.Digest)
	must(t, err)
	raw, err := os.ReadFile(filepath.Join(dir, "lib/deep/b.py"))
	must(t, err)
	info, err := os.Stat(filepath.Join(dir, "main.py"))
	must(t, err)
	if string(raw) != "b = 2\n" || info.Mode() != 0o444 || lock.ID != "org.example.script" || filepath.Base(dir) != c.Digest {
		t.Errorf("%q, %v, %+v", raw, info.Mode(), lock)
	}
	var out bytes.Buffer
	must(t, s.Export(t.Context(), c.Digest, &out))
	if again, err := Inspect(&out); err != nil || again.Digest != c.Digest {
		t.Errorf("exported %+v, %v", again, err)
	}
}

// Each kind of damage is noticed at a start, and mended from the blobs.
func TestDamage(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"a changed byte":    func(dir string) error { return rewrite(dir, "main.py", "print(2)\n") },
		"a missing file":    func(dir string) error { return os.Remove(filepath.Join(dir, "main.py")) },
		"a file too many":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "sitecustomize.py"), nil, 0o600) },
		"a changed lock":    func(dir string) error { return rewrite(dir, lockName, "{}") },
		"one made to run":   func(dir string) error { return os.Chmod(filepath.Join(dir, "main.py"), 0o755) },
		"a link for a file": func(dir string) error { return link(filepath.Join(dir, "main.py")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := store(t)
			c := add(t, s)
			s.seen.margin = 0
			must(t, s.Check(c.Digest))
			dir := s.at(c.Digest)
			must(t, os.Chmod(dir, 0o755))
			must(t, spoil(dir))
			if err := s.Check(c.Digest); !fault.Is(err, fault.Invalid) {
				t.Fatalf("not noticed: %v", err)
			}
			_, _, err := s.Dir(t.Context(), c.Digest)
			must(t, err)
			must(t, s.Check(c.Digest))
		})
	}
}

// Before each start everything is looked at, and what nobody wrote to since it
// was read is not read again.
func TestWhatWasReadIsNotReadAgain(t *testing.T) {
	s := store(t)
	c := add(t, s)
	at := filepath.Join(s.at(c.Digest), "main.py")
	name := c.Digest + "/main.py"
	look := func() os.FileInfo {
		t.Helper()
		info, err := os.Lstat(at)
		must(t, err)
		return info
	}
	must(t, os.Chmod(at, 0o644))
	must(t, s.Check(c.Digest))
	if s.seen.unchanged(name, look()) {
		t.Error("one that was written a moment ago is trusted")
	}
	s.seen.margin = 0
	must(t, s.Check(c.Digest))
	before := look()
	if !s.seen.unchanged(name, before) {
		t.Error("it is read again")
	}
	if beside(t, s).seen.unchanged(name, before) {
		t.Error("what another one saw is trusted")
	}
	// The same size and the same time of writing: the clock of the file system
	// has to have ticked, which it does in a moment.
	for range 1_000_000 {
		must(t, os.WriteFile(at, []byte("print(2)\n"), 0o600))
		must(t, os.Chtimes(at, time.Time{}, before.ModTime()))
		if !filestamp.Of(before).Same(look()) || runtime.GOOS != "linux" {
			break
		}
	}
	if runtime.GOOS != "linux" {
		must(t, os.Chtimes(at, time.Time{}, time.Now().Add(time.Hour)))
	}
	if err := s.Check(c.Digest); !fault.Is(err, fault.Invalid) {
		t.Errorf("a change that hides is not noticed: %v", err)
	}
}

func rewrite(dir, name, text string) error {
	at := filepath.Join(dir, name)
	return errors.Join(os.Remove(at), os.WriteFile(at, []byte(text), 0o444))
}

func link(at string) error { return errors.Join(os.Rename(at, at+"x"), os.Symlink(at+"x", at)) }

func TestAnotherMachineFetches(t *testing.T) {
	s := store(t)
	c := add(t, s)
	other := beside(t, s)
	if err := other.Check(c.Digest); !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	_, lock, err := other.Dir(t.Context(), c.Digest)
	if err != nil || lock.Version != "1.0.0" {
		t.Errorf("%+v, %v", lock, err)
	}
	must(t, s.Forget(t.Context(), c.Digest))
	if _, _, err := beside(t, s).Dir(t.Context(), c.Digest); !fault.Is(err, fault.NotFound) {
		t.Errorf("of what is gone: %v", err)
	}
}

// Whoever can write blobs can still not run what they like.
func TestAnotherBundleUnderThatName(t *testing.T) {
	s := store(t)
	c := add(t, s)
	p := script(t)
	must(t, os.WriteFile(filepath.Join(p.Dir, "main.py"), []byte("evil()\n"), 0o644))
	raw := pack(t, p)
	_, err := s.blobs.Put(t.Context(), s.key(c.Digest), bytes.NewReader(raw), storage.PutOptions{Limit: MaxArchive, MIME: mime})
	must(t, err)
	if _, _, err := beside(t, s).Dir(t.Context(), c.Digest); fault.Of(err).Reason != "bundle.changed" {
		t.Errorf("%v", err)
	}
}

func TestTwoAddsAtOnce(t *testing.T) {
	s := store(t)
	raw := pack(t, script(t))
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = s.Add(t.Context(), bytes.NewReader(raw), whatever) })
	}
	wg.Wait()
	must(t, errors.Join(errs...))
	left, err := os.ReadDir(s.dir)
	must(t, err)
	if len(left) != 1 || s.Check(left[0].Name()) != nil {
		t.Errorf("%v", left)
	}
}

func TestAnAbortedUploadLeavesNothing(t *testing.T) {
	s := store(t)
	raw := pack(t, script(t))
	gone := errors.New("gone")
	if _, err := s.Add(t.Context(), io.MultiReader(bytes.NewReader(raw[:len(raw)/2]), failing{gone}), whatever); !errors.Is(err, gone) {
		t.Error(err)
	}
	left, err := os.ReadDir(s.dir)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("%v", left)
	}
}

func TestSweep(t *testing.T) {
	s := store(t)
	c := add(t, s)
	long := time.Now().Add(-2 * forget)
	half := filepath.Join(s.dir, aside+"x")
	must(t, os.Mkdir(half, 0o755))
	must(t, os.Chtimes(half, long, long))
	must(t, s.Sweep(nil))
	if err := s.Check(c.Digest); err != nil {
		t.Errorf("a young one: %v", err)
	}
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("half-written: %v", err)
	}
	must(t, os.Chtimes(s.at(c.Digest), long, long))
	must(t, s.Sweep(map[string]bool{c.Digest: true}))
	must(t, s.Check(c.Digest))
	must(t, s.Sweep(nil))
	if err := s.Check(c.Digest); !fault.Is(err, fault.NotFound) {
		t.Errorf("still there: %v", err)
	}
}
