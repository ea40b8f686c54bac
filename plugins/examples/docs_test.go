package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/ports/social"
)

// block is the first code block of a language in a document.
func block(t *testing.T, document, language string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../docs/plugins", document))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(raw), "\n```"+language+"\n")
	code, _, closed := strings.Cut(rest, "\n```\n")
	if !ok || !closed {
		t.Fatalf("%s: no block of %s", document, language)
	}
	return code + "\n"
}

// asWritten is a folder with the files given, and a command of the document
// run in it.
func asWritten(t *testing.T, dir, document string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-ec", block(t, document, "sh")) //nolint:gosec // our own documentation
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", document, err, out)
	}
}

func TestTheDocumentForTypeScript(t *testing.T) {
	spec := inTypeScript(t)
	dir := t.TempDir()
	files := map[string]string{"src/main.ts": block(t, "typescript.md", "ts")}
	for _, name := range []string{"package.json", "tsconfig.json"} {
		raw, err := os.ReadFile(filepath.Join(spec.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(raw)
	}
	if err := os.Symlink(filepath.Join(spec.Dir, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	asWritten(t, dir, "typescript.md", files)
	publishes(t, dir, spec)
}

func TestTheDocumentForPython(t *testing.T) {
	spec := inPython(t)
	sdk, err := filepath.Abs("../sdk-py/src")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PYTHONPATH", sdk) // installed
	dir := t.TempDir()
	asWritten(t, dir, "python.md", map[string]string{"main.py": block(t, "python.md", "python")})
	publishes(t, dir, spec)
}

// publishes holds the plugin in dir, run as spec, to what its document says.
func publishes(t *testing.T, dir string, spec pluginhost.Spec) {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // a plugin is another user
		t.Fatal(err)
	}
	spec.ID, spec.Dir, spec.Start = "example.chirp", dir, 20*time.Second
	p, h := start(t, spec), chirp(t)
	req := committing(h, "key-doc", "As the document says.")
	req.Commit = false
	step, err := p.Publish(t.Context(), req)
	if err != nil || step.Next == nil || !step.Next.Commit {
		t.Fatalf("%+v, %v", step, err)
	}
	req.Commit = true
	h.Server.Trouble("drop the reply after accepting")
	_, err = p.Publish(t.Context(), req)
	if f := social.FaultOf(err, true); err == nil || f.Kind != social.Ambiguous || f.Key != "network.lost" {
		t.Fatal(err)
	}
	h.Wait(time.Minute)
	found, err := p.Find(t.Context(), social.FindRequest{Call: req.Call, Account: req.Account, Content: req.Content})
	if err != nil || found.Verdict != social.Found || found.Receipt.Ref.ID != h.Server.Objects()[0].ID {
		t.Errorf("%+v, %v", found, err)
	}
	req.Call.Idempotency = "key-doc-2"
	step, err = p.Publish(t.Context(), req)
	if err != nil || step.Receipt == nil || step.Receipt.Status != social.Live {
		t.Errorf("%+v, %v", step, err)
	}
}
