package postgres_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whoever looks across tenants names a reason from system.go, and every reason
// there is explained.
func TestEverySystemPathIsListed(t *testing.T) {
	listed := systemPaths(t)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "door.go" {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || !slices.Contains([]string{"system", "systemIn", "ask"}, sel.Sel.Name) {
				return true
			}
			if id, ok := call.Args[1].(*ast.Ident); !ok || !listed[id.Name] && !passedOn(id) {
				t.Errorf("%s: the system door opens for reasons in system.go only", fset.Position(call.Pos()))
			}
			return true
		})
	}
}

// passedOn reports whether id is a parameter of type systemPath, whose callers
// name the reason.
func passedOn(id *ast.Ident) bool {
	if id.Obj == nil {
		return false
	}
	field, ok := id.Obj.Decl.(*ast.Field)
	if !ok {
		return false
	}
	typ, ok := field.Type.(*ast.Ident)
	return ok && typ.Name == "systemPath"
}

func systemPaths(t *testing.T) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "system.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if len(strings.Fields(spec.Doc.Text())) < 4 {
			t.Errorf("system.go: %s does not say why", spec.Names[0])
		}
		listed[spec.Names[0].Name] = true
		return true
	})
	if len(listed) == 0 {
		t.Fatal("no system paths found")
	}
	return listed
}
