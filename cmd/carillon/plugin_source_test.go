package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/bundle"
)

func TestTheSourceIsFoundFromWithinIt(t *testing.T) {
	if got := above(filepath.Join(sourceDir(t), "cmd", "carillon")); got != sourceDir(t) {
		t.Errorf("%q, want %q", got, sourceDir(t))
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "go.mod"), []byte("module example.org/other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := above(other); got != "" {
		t.Errorf("another module is taken for Carillon's: %s", got)
	}
	t.Chdir(other)
	for _, dir := range []string{other, sourceDir(t)} {
		if !strings.Contains(against(dir), dir) {
			t.Errorf("%q does not name %s", against(dir), dir)
		}
	}
	if said := against(""); !strings.Contains(said, "--replace") {
		t.Error(said)
	}
}

// What is packed is what the source says, not what was built last.
func TestPackBuildsFirst(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("../../plugins/declarative/testdata/forum.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"plugin.yaml": string(text), "carillon.yaml": "run:\n  build: [sh, -c, touch built]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := bundle.Open(dir); err != nil || len(p.Build) == 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	if err := build(t.Context(), new(bytes.Buffer), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "built")); err != nil {
		t.Error(err)
	}
}
