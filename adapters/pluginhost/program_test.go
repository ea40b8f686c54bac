package pluginhost_test

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
)

// program puts a copy of the test binary, or a script, at a path of its own.
func program(t *testing.T, content []byte) (path, digest string) {
	t.Helper()
	path = filepath.Join(shortDir(t), "plugin")
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return path, hex.EncodeToString(sum[:])
}

func self(t *testing.T) (path string, content []byte) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if content, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func TestAProgramOfItsOwn(t *testing.T) {
	t.Parallel()
	path, content := self(t)
	for name, body := range map[string][]byte{
		"binary": content,
		"script": []byte("#!/bin/sh\nexec " + path + "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			file, digest := program(t, body)
			h := host(t, "good", "test.good", func(c *pluginhost.Config, s *pluginhost.Spec) {
				c.Sandbox.ReadOnly = []string{path} // which the script executes
				s.Binary, s.Digest, s.Env = file, digest, []string{"FIXTURE=good"}
			})
			if _, err := publish(open(t, h, "test.good"), "now", false); err != nil {
				t.Error(err)
			}
			if got := h.Status()[0].Digest; got != digest {
				t.Errorf("ran %s, want %s", got, digest)
			}
		})
	}
}

func TestAnInterpreterRunsAScriptOfItsFolder(t *testing.T) {
	t.Parallel()
	path, _ := self(t)
	dir := shortDir(t)
	if err := os.WriteFile(filepath.Join(dir, "main.sh"), []byte("test \"$1\" = word || exit 3\nexec "+path+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // under root a plugin is another user
		t.Fatal(err)
	}
	h := host(t, "good", "test.good", func(c *pluginhost.Config, s *pluginhost.Spec) {
		c.Sandbox.ReadOnly = []string{path}
		s.Binary, s.Args, s.Dir, s.Env = "sh", []string{"main.sh", "word"}, dir, []string{"FIXTURE=good"}
	})
	if _, err := publish(open(t, h, "test.good"), "now", false); err != nil {
		t.Error(err)
	}
}

// TestWhatRunsIsWhatWasChecked puts another program at the path after the
// check. The one that was opened runs on, also after a crash.
func TestWhatRunsIsWhatWasChecked(t *testing.T) {
	t.Parallel()
	_, content := self(t)
	file, digest := program(t, content)
	h := host(t, "good", "test.good", func(_ *pluginhost.Config, s *pluginhost.Spec) {
		s.Binary, s.Digest, s.Env = file, digest, []string{"FIXTURE=good"}
	})
	p := open(t, h, "test.good")
	other, _ := program(t, []byte("#!/bin/sh\nexit 9\n"))
	if err := os.Rename(other, file); err != nil {
		t.Fatal(err)
	}
	pid := running(t, h)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "another process serves", func() bool {
		_, err := publish(p, "now", false)
		return err == nil && h.Status()[0].PID != pid
	})
	if got := h.Status()[0].Digest; got != digest {
		t.Errorf("ran %s, want %s", got, digest)
	}
}

func TestAProgramChangedInPlaceIsHashedAgain(t *testing.T) {
	t.Parallel()
	file, _ := program(t, []byte("#!/bin/sh\nexit 1\n"))
	h := host(t, "good", "test.good", func(_ *pluginhost.Config, s *pluginhost.Spec) { s.Binary = file })
	_, _ = h.Platform(t.Context(), "test.good") // it does not start
	before := h.Status()[0].Digest
	if err := os.WriteFile(file, []byte("#!/bin/sh\nexit 22\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, _ = h.Platform(t.Context(), "test.good")
	if after := h.Status()[0].Digest; after == before {
		t.Error("the old digest stands for the new program")
	}
}

func TestTheSocketDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	base := shortDir(t)
	cfg := pluginhost.Config{Args: asFixture, Log: slog.New(slog.DiscardHandler), Dir: filepath.Join(base, "run")}
	if err := os.Mkdir(cfg.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h, err := pluginhost.New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(cfg.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(cfg.Dir, link); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"a link": link, "a file": "/dev/null", "too long": filepath.Join(base, strings.Repeat("x", 60))} {
		if _, err := pluginhost.New(pluginhost.Config{Args: asFixture, Log: cfg.Log, Dir: dir}, nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestASilentPluginIsProbed(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "test.good", func(c *pluginhost.Config, _ *pluginhost.Spec) {
		c.Timeouts.Idle, c.Timeouts.Probe = 50*time.Millisecond, 300*time.Millisecond
	})
	open(t, h, "test.good")
	pid := running(t, h)
	freeze(t, pid)
	eventually(t, time.Minute, "the frozen process is killed", func() bool { return gone(pid) })
}

// The host's own program is the file that was handed over, for as long as it
// is what it was.
func TestTheHostsProgramIsHeldToItsDigest(t *testing.T) {
	t.Parallel()
	_, content := self(t)
	path, digest := program(t, content)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	h := host(t, "good", "test.good", func(c *pluginhost.Config, s *pluginhost.Spec) {
		c.Binary, c.Program, c.Digest = path, file, digest
	})
	if _, err := publish(open(t, h, "test.good"), "now", false); err != nil {
		t.Error(err)
	}

	path, _ = program(t, append(content, '!'))
	h = host(t, "good", "test.good", func(c *pluginhost.Config, s *pluginhost.Spec) { c.Binary, c.Digest = path, digest })
	if _, err := h.Platform(t.Context(), "test.good"); err == nil || !strings.Contains(h.Status()[0].LastError, "has digest") {
		t.Errorf("%v; %+v", err, h.Status()[0])
	}
}
