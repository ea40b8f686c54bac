package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/pluginhost"
)

// The program beside this one is run only if it is of the same build: what is
// missing, older or changed is left alone, and this one does it all.
func TestProgramOfPlugins(t *testing.T) {
	dir := t.TempDir()
	self := filepath.Join(dir, "carillon")
	beside := filepath.Join(dir, pluginsName)
	sum := sha256.Sum256([]byte("the plugins"))
	digest := hex.EncodeToString(sum[:])
	must(t, os.WriteFile(self, nil, 0o600))
	link := filepath.Join(t.TempDir(), "carillon")
	must(t, os.Symlink(self, link))

	for name, tc := range map[string]struct {
		self, content, digest, says string
		found                       bool
	}{
		"the same build":  {self, "the plugins", digest, beside, true},
		"by a link":       {link, "the plugins", digest, beside, true},
		"another build":   {self, "other plugins", digest, "another build", false},
		"not there":       {self, "", digest, "there is no", false},
		"built by itself": {self, "the plugins", "", "built without", false},
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(beside)
			if tc.content != "" {
				must(t, os.WriteFile(beside, []byte(tc.content), 0o600))
			}
			p, how := programBeside(tc.self, tc.digest)
			if !strings.Contains(how, tc.says) || tc.found != (p.file != nil) || !tc.found && p != (pluginProgram{}) {
				t.Errorf("%+v, %q", p, how)
			}
			if p.file != nil {
				must(t, p.file.Close())
			}
		})
	}
}

// Both programs are the same plugins, and each host runs the one that it found
// when it was opened, whatever an upgrade puts there.
func TestEitherProgramIsEveryPlugin(t *testing.T) {
	dir, err := os.MkdirTemp("", "p") // t.TempDir is for this user's eyes only
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, pluginsName)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s", "-o", path, "../carillon-plugins").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, tc := range map[string]struct{ runs, digest string }{
		"carillon alone": {"/proc/self/exe", ""},
		pluginsName:      {path, digestOf(t, path)},
	} {
		t.Run(name, func(t *testing.T) {
			want := digestOf(t, tc.runs)
			p, how := programBeside(filepath.Join(dir, "carillon"), tc.digest)
			sockets, err := os.MkdirTemp("", "s")
			must(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(sockets) })
			specs := append(specs(config{PigeonURL: "http://127.0.0.1:1", PigeonSettle: "1s"}), declarativeSpec(t))
			host, err := pluginhost.New(p.run(pluginhost.Config{Dir: sockets, Log: slog.New(slog.DiscardHandler)}), specs)
			must(t, err)
			t.Cleanup(func() { _ = host.Close(context.Background()) })
			if p.file != nil {
				must(t, os.Rename(path, path+".old"))
			}
			if n := len(host.List(t.Context())) + len(host.Vendors(t.Context())); n != len(specs) {
				t.Errorf("%d of %d plugins start", n, len(specs))
			}
			for _, s := range host.Status() {
				if s.Digest != want {
					t.Errorf("%s runs %s, want %s of %s: %s", s.ID, s.Digest, want, how, s.LastError)
				}
			}
		})
	}
}

func declarativeSpec(t *testing.T) pluginhost.Spec {
	t.Helper()
	raw, err := os.ReadFile("../../plugins/telegram/plugin.yaml")
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "plugin.yaml"), bytes.ReplaceAll(raw, []byte("org.telegram"), []byte("org.example.club")), 0o644))
	return pluginhost.Spec{ID: "org.example.club", Name: "declarative", Args: []string{filepath.Join(dir, "plugin.yaml")}, Dir: dir}
}

func digestOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
