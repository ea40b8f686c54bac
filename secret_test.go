package carillon_test

import (
	"go/ast"
	"testing"
)

// A secret.Secret hides itself wherever fmt may ask it. A field that is not
// exported it may not: the type that holds one says how it is printed.
func TestHeldSecretsAreNotPrinted(t *testing.T) {
	held, formatted := map[string]string{}, map[string]bool{}
	for file, f := range sources(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if s, ok := n.Type.(*ast.StructType); ok && holdsSecret(s) {
					held[f.Name.Name+"."+n.Name.Name] = file
				}
			case *ast.FuncDecl:
				if n.Recv != nil && n.Name.Name == "Format" {
					formatted[f.Name.Name+"."+receiver(n.Recv.List[0].Type)] = true
				}
			}
			return true
		})
	}
	if len(held) == 0 {
		t.Error("none was found: is this test looking for the right thing?")
	}
	for name, file := range held {
		if !formatted[name] {
			t.Errorf("%s: %s holds a secret in a field that is not exported; give it a Format method, or export the field", file, name)
		}
	}
}

func holdsSecret(s *ast.StructType) bool {
	for _, field := range s.Fields.List {
		typ := field.Type
		if star, ok := typ.(*ast.StarExpr); ok {
			typ = star.X
		}
		sel, ok := typ.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Secret" {
			continue
		}
		if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != "secret" {
			continue
		}
		for _, name := range field.Names {
			if !name.IsExported() {
				return true
			}
		}
	}
	return false
}

func receiver(typ ast.Expr) string {
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}
