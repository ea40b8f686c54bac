package carillon_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// statements are the methods that take the text of a statement or a part of
// one, and which argument that is. Functions that pass a parameter on to one of
// them join them.
var statements = map[string]int{
	"NewRaw": 0, "Where": 0, "WhereOr": 0, "ColumnExpr": 0, "OrderExpr": 0, "TableExpr": 0, "ModelTableExpr": 0, "GroupExpr": 0, "Having": 0,
	"Set": 0, "Join": 0, "JoinOn": 0, "Returning": 0, "Queue": 0, "Query": 1, "QueryRow": 1, "Exec": 1, "QueryContext": 1, "ExecContext": 1,
	"Safe": 0,
}

// computed are the parts of statements that are not written down as they are,
// each with the reason why nobody outside has a say in them.
var computed = map[string]string{
	"sealed.go Older: ctx":                    "a column or table of the sealed things that the program lists, see sealed.go",
	"sealed.go Replace: c.set":                "a column or table of the sealed things that the program lists, see sealed.go",
	"sealed.go older: c.box":                  "a column or table of the sealed things that the program lists, see sealed.go",
	"sealed.go older: c.from":                 "a column or table of the sealed things that the program lists, see sealed.go",
	"sealed.go older: c.place":                "a column or table of the sealed things that the program lists, see sealed.go",
	"sealed.go older: c.row":                  "a column or table of the sealed things that the program lists, see sealed.go",
	"batched.go CopyFrom: table":              "River's own tables, named in its source and quoted",
	"batched.go CopyFrom: columns":            "River's own columns, named in its source and quoted",
	"export_rows.go Page: ctx":                "a table and its key by the catalog, quoted; what it compares with are arguments",
	"export_rows.go Page: k.table":            "likewise",
	"export_rows.go Page: after":              "likewise: how many columns there are",
	"export_rows.go Page: limit":              "likewise",
	"migrate.go setUpRoles: o.AppPassword":    "the installation's own; a role's password can be no argument, so it is quoted",
	"migrate.go setUpRoles: o.SystemPassword": "the installation's own; a role's password can be no argument, so it is quoted",
	"post_lists.go Posts: f":                  "says which conditions there are; what it compares with are arguments",
	"post_lists.go Calendar: f":               "says which conditions there are; what it compares with are arguments",
	"work.go telling: tx.later.tell":          "how many rows there are; what is in them are arguments",
}

// A statement is written in the source. What somebody sent is an argument of it
// and never a part of its text.
func TestStatementsAreConstants(t *testing.T) {
	l := readSQL(t, "adapters/postgres")
	used := map[string]bool{}
	for again := true; again; {
		again = false
		for _, fn := range l.functions {
			again = l.passesOn(fn) || again
		}
	}
	for _, fn := range l.functions {
		for _, part := range l.parts(fn) {
			used[part] = true
			if computed[part] == "" {
				t.Errorf("%s is a part of a statement, and is computed", part)
			}
		}
	}
	for part := range computed {
		if !used[part] {
			t.Errorf("%s is a part of no statement: strike it off", part)
		}
	}
}

// sqlLint is a package as it is looked at.
type sqlLint struct {
	fset      *token.FileSet
	constant  map[string]bool // names of the package's own constants and variables
	functions []*sqlFunction
	takes     map[string][]int // see statements; methods begin with a dot
}

type sqlFunction struct {
	file   string
	decl   *ast.FuncDecl
	params map[string]int
	locals map[string][]ast.Expr // what is assigned to each
}

func readSQL(t *testing.T, dir string) *sqlLint {
	t.Helper()
	l := &sqlLint{fset: token.NewFileSet(), constant: map[string]bool{}, takes: map[string][]int{}}
	for name, at := range statements {
		l.takes["."+name] = []int{at}
	}
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(l.fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			l.declare(filepath.Base(file), d)
		}
	}
	return l
}

func (l *sqlLint) declare(file string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok {
				for _, n := range v.Names {
					l.constant[n.Name] = true
				}
			}
		}
	case *ast.FuncDecl:
		if d.Recv == nil {
			l.constant[d.Name.Name] = true // a function is no text
		}
		fn := &sqlFunction{file: file, decl: d, params: map[string]int{}, locals: map[string][]ast.Expr{}}
		n := 0
		for _, field := range d.Type.Params.List {
			for _, name := range field.Names {
				fn.params[name.Name] = n
				n++
			}
		}
		if d.Body != nil {
			ast.Inspect(d.Body, fn.assigned)
		}
		l.functions = append(l.functions, fn)
	}
}

// assigned notes what a local name is given.
func (fn *sqlFunction) assigned(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			if id, ok := left.(*ast.Ident); ok && id.Name != "_" {
				from := n.Rhs[0]
				if len(n.Rhs) == len(n.Lhs) {
					from = n.Rhs[i]
				}
				fn.locals[id.Name] = append(fn.locals[id.Name], from)
			}
		}
	case *ast.ValueSpec:
		for i, name := range n.Names {
			fn.locals[name.Name] = append(fn.locals[name.Name], nil)
			if i < len(n.Values) {
				fn.locals[name.Name] = append(fn.locals[name.Name], n.Values[i])
			}
		}
	case *ast.RangeStmt:
		for _, e := range []ast.Expr{n.Key, n.Value} {
			if id, ok := e.(*ast.Ident); ok {
				fn.locals[id.Name] = append(fn.locals[id.Name], n.X)
			}
		}
	}
	return true
}

// texts visits each expression that is the text of a statement in fn.
func (l *sqlLint) texts(fn *sqlFunction, visit func(ast.Expr)) {
	if fn.decl.Body == nil {
		return
	}
	ast.Inspect(fn.decl.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := ""
		switch f := call.Fun.(type) {
		case *ast.SelectorExpr:
			if x, ok := f.X.(*ast.Ident); ok && (x.Name == "strings" || x.Name == "slices" || x.Name == "errors") {
				return true
			}
			name = "." + f.Sel.Name
		case *ast.Ident:
			name = f.Name
		}
		for _, at := range l.takes[name] {
			if at < len(call.Args) {
				visit(call.Args[at])
			}
		}
		return true
	})
}

// name is what calls of fn look like: a method is not the function of that name.
func (fn *sqlFunction) name() string {
	if fn.decl.Recv != nil {
		return "." + fn.decl.Name.Name
	}
	return fn.decl.Name.Name
}

// passesOn reports whether fn was found to take the text of a statement.
func (l *sqlLint) passesOn(fn *sqlFunction) (found bool) {
	l.texts(fn, func(e ast.Expr) {
		ast.Inspect(e, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				name := fn.name()
				if at, is := fn.params[id.Name]; is && !slices.Contains(l.takes[name], at) {
					l.takes[name] = append(l.takes[name], at)
					found = true
				}
			}
			return true
		})
	})
	return found
}

// parts are what is computed in the statements of fn.
func (l *sqlLint) parts(fn *sqlFunction) (all []string) {
	l.texts(fn, func(e ast.Expr) {
		for _, odd := range l.odd(fn, e, map[string]bool{}) {
			var out bytes.Buffer
			_ = printer.Fprint(&out, l.fset, odd)
			all = append(all, fn.file+" "+fn.decl.Name.Name+": "+out.String())
		}
	})
	return all
}

// odd are the leaves of an expression that are no constants.
func (l *sqlLint) odd(fn *sqlFunction, e ast.Expr, seen map[string]bool) (all []ast.Expr) {
	each := func(list ...ast.Expr) (all []ast.Expr) {
		for _, one := range list {
			all = append(all, l.odd(fn, one, seen)...)
		}
		return all
	}
	switch e := e.(type) {
	case nil, *ast.BasicLit, *ast.FuncLit:
		return nil
	case *ast.ParenExpr:
		return each(e.X)
	case *ast.BinaryExpr:
		return each(e.X, e.Y)
	case *ast.CompositeLit:
		return each(e.Elts...)
	case *ast.KeyValueExpr:
		return each(e.Value)
	case *ast.IndexExpr:
		return each(e.X)
	case *ast.CallExpr:
		return each(e.Args...)
	case *ast.Ident:
		if from, ok := fn.locals[e.Name]; ok {
			if seen[e.Name] {
				return nil
			}
			seen[e.Name] = true
			return each(from...)
		}
		at, param := fn.params[e.Name]
		if param && slices.Contains(l.takes[fn.name()], at) || !param && (l.constant[e.Name] || e.Name == "nil") {
			return nil
		}
	}
	return []ast.Expr{e}
}

func TestComputedStatementsAreSeen(t *testing.T) {
	for source, want := range map[string]int{
		`tx.NewRaw("select ?", name)`:                          0,
		`tx.NewRaw(known+" limit 1")`:                          0,
		`tx.NewRaw("select "+name)`:                            1,
		`tx.NewRaw(fmt.Sprintf("select %s", name))`:            1,
		`q := "select "; q += name; tx.Exec(ctx, q)`:           1,
		`q := "select "; if true { q += " 1" }; tx.NewRaw(q)`:  0,
		`tx.Where("a = " + r.Name)`:                            1,
		`for _, n := range names { tx.NewSelect().Where(n) }`:  1,
		`var b strings.Builder; tx.Query(ctx, b.String(), "")`: 0, // what is written to b is not followed: nobody uses one
		`tx.Exec(ctx, strings.Join(names, " and "))`:           1,
	} {
		l := &sqlLint{fset: token.NewFileSet(), constant: map[string]bool{"known": true}, takes: map[string][]int{".NewRaw": {0}, ".Where": {0}, ".Exec": {1}, ".Query": {1}}}
		f, err := parser.ParseFile(l.fset, "x.go", "package x; func f(ctx, unused, name, names any) { "+source+" }", 0)
		if err != nil {
			t.Fatal(source, err)
		}
		l.declare("x.go", f.Decls[0])
		if got := l.parts(l.functions[0]); len(got) != want {
			t.Errorf("%s: %q, want %d", source, got, want)
		}
	}
}
