package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/ports/fault"
)

// Where nothing unsigned is taken a folder is refused before anything in it runs.
func TestAFolderIsRefusedBeforeItRuns(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(t.TempDir(), "ran")
	must(t, os.WriteFile(filepath.Join(dir, "carillon.yaml"), []byte("run:\n  command: [sh, main.sh]\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "main.sh"), []byte("touch "+mark+"\n"), 0o600))
	at := counter{Service: catalog.New(catalog.Deps{})}
	if _, err := at.bundleAt(t.Context(), dir); !fault.Is(err, fault.Forbidden) || fault.Of(err).Reason != "plugin.unsigned" {
		t.Error(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("it ran")
	}
}
