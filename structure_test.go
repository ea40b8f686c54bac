package carillon_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is longer than this does more than one thing.
const (
	longestFunction = 50
	longestFile     = 300
)

// long is what may be longer, and how long: measurements in cmd/bench are told
// in the order in which they happen; the rest waits to be split by noun. It shrinks, and nothing
// joins it without a reason.
var long = map[string]int{
	"adapters/bundle/store.go":          340,
	"adapters/conformance/abilities.go": 360,
	"adapters/conformance/level1.go":    320,
	"adapters/pluginhost/runner.go":     340,
	"adapters/sandbox/wrap_linux.go":    340,
	"cmd/bench/bare.go barePage":        55,
	"cmd/bench/dispatch.go burst":       55,
	"cmd/bench/plugins.go":              320,
	"cmd/bench/plugins.go upgrades":     55,
	"cmd/bench/seed.go plant":           55,
	"cmd/carillon/realm.go":             340,
	"core/admin/signin.go":              320,
	"core/channels/attempt.go":          320,
	"core/identity/passkey.go":          320,
	"tenants/audit/verify.go":           320,
}

// Every function fits on a screen, and every file is about one noun. Tests and
// generated code are what they have to be.
func TestFilesAndFunctionsAreShort(t *testing.T) {
	seen := map[string]bool{}
	check := func(name string, lines, most int) {
		allowed, listed := long[name]
		seen[name] = seen[name] || listed && lines > most
		if lines > max(most, allowed) {
			t.Errorf("%s has %d lines; %d are enough", name, lines, max(most, allowed))
		}
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "node_modules") {
			if d != nil && d.IsDir() && err == nil {
				return fs.SkipDir
			}
			return err
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || forTests(filepath.ToSlash(filepath.Dir(path))) {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, source, parser.ParseComments)
		if err != nil || ast.IsGenerated(f) {
			return err
		}
		check(filepath.ToSlash(path), bytes.Count(source, []byte("\n")), longestFile)
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				check(filepath.ToSlash(path)+" "+fn.Name.Name, files.Position(fn.End()).Line-files.Position(fn.Pos()).Line+1, longestFunction)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range long {
		if !seen[name] {
			t.Errorf("%s is short enough by now: take it off the list", name)
		}
	}
}
