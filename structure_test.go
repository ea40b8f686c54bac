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

// Every function fits on a screen, and every file is about one noun. Tests and
// generated code are what they have to be.
func TestFilesAndFunctionsAreShort(t *testing.T) {
	check := func(name string, lines, most int) {
		if lines > most {
			t.Errorf("%s has %d lines; %d are enough", name, lines, most)
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
}
