package carillon_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/core/events"
)

// Every type that can be subscribed to is sent by something, and explained: a
// type that nothing emits is a promise.
func TestEveryEventIsEmittedAndExplained(t *testing.T) {
	emitted := saidInCode(t, "core", "tenants", "adapters/postgres")
	texts := map[string]string{}
	for _, file := range []string{"docs/events.md", "adapters/httpapi/openapi.yaml"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(raw)
	}
	for _, e := range events.Types() {
		if !emitted[string(e)] {
			t.Errorf("%s can be subscribed to, and nothing emits it", e)
		}
		for file, text := range texts {
			if !strings.Contains(text, "`"+string(e)+"`") {
				t.Errorf("%s says nothing of %s", file, e)
			}
		}
	}
}

// saidInCode is every string that code below dirs uses, itself or by the name
// of a constant. Declaring a constant, or listing what there is, is no use.
func saidInCode(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	var files []*ast.File
	constants := map[string]string{} // package.Name → value
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || forTests(filepath.ToSlash(filepath.Dir(file))) {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err == nil {
				files = append(files, f)
				declared(f, constants)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	said := map[string]bool{}
	for _, f := range files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "Types" && f.Name.Name == "events" {
				continue
			}
			if gen, ok := d.(*ast.GenDecl); ok && gen.Tok == token.CONST {
				continue
			}
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BasicLit:
					s, _ := strconv.Unquote(n.Value)
					said[s] = true
				case *ast.SelectorExpr:
					if pkg, ok := n.X.(*ast.Ident); ok {
						said[constants[pkg.Name+"."+n.Sel.Name]] = true
					}
				case *ast.Ident:
					said[constants[f.Name.Name+"."+n.Name]] = true
				}
				return true
			})
		}
	}
	return said
}

// declared adds the string constants of f.
func declared(f *ast.File, to map[string]string) {
	for _, d := range f.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, s := range gen.Specs {
			spec := s.(*ast.ValueSpec)
			for i, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					value, _ := strconv.Unquote(lit.Value)
					to[f.Name.Name+"."+spec.Names[i].Name] = value
				}
			}
		}
	}
}
