package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A mutant is one change of the program.
type mutant struct {
	N    int    // its number in instrumented source
	Name string // where and what, such as "core/admin/edge.go:79 check who.allow()"
	Kind string // "authorise", "check", "refusal", "condition", "query", "route", "policy", "wall"
	Pkg  string // the package that is changed
	SQL  string // a wall: what is done to the test's database
}

// A change is what instrumenting writes into a copy of a file: text at an
// offset, in place of del bytes. span is how much it encloses: of two at one
// place, what encloses more is outside.
type change struct {
	at, del, span int
	closes        bool
	text          string
}

// An inventory is every mutant there is, and how each file is to be changed.
type inventory struct {
	mutants []mutant
	next    int                 // the number of the next one
	files   map[string][]change // by path
	sources map[string][]byte
	more    map[string]string // files that are written anew
}

// authorised are the packages where most conditions that refuse say what a
// platform cannot do: of them only who may is taken away.
var authorised = []string{"core/publishing", "core/media"}

// guarded are the packages below root where a condition that refuses stands for
// something that must not happen: every context but those, and what keeps people
// out in front of them.
func guarded(root string) ([]string, error) {
	dirs := []string{"tenants", "adapters/httpapi", "adapters/jwt", "adapters/gateway", "adapters/casbin"}
	for _, parent := range []string{"core", "tenants"} {
		found, err := os.ReadDir(filepath.Join(root, parent))
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			if dir := parent + "/" + d.Name(); d.IsDir() && !strings.HasSuffix(dir, "test") && !slices.Contains(authorised, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs, nil
}

// edges are the files of adapters/httpapi that keep somebody out.
var edges = []string{
	"guard.go", "realm.go", "cookies.go", "stream.go", "cursor.go", "hosts.go", "precondition.go", "idempotency.go", "limits.go", "body.go",
	"envelope.go", "framing.go", "factors.go", "permit.go",
}

// survey reads the source below root.
func survey(root string) (*inventory, error) {
	in := &inventory{files: map[string][]change{}, sources: map[string][]byte{}, more: map[string]string{"adapters/postgres/twins.go": twins}}
	dirs, err := guarded(root)
	if err != nil {
		return nil, err
	}
	for _, dir := range slices.Concat(dirs, authorised) {
		if err := in.each(root, dir, (*finder).checks); err != nil {
			return nil, err
		}
	}
	if err := in.each(root, "adapters/postgres", (*finder).queries); err != nil {
		return nil, err
	}
	if err := in.each(root, "adapters/httpapi/api", (*finder).routes); err != nil {
		return nil, err
	}
	if err := in.policies(root); err != nil {
		return nil, err
	}
	return in, in.walls(root)
}

func (in *inventory) each(root, dir string, find func(*finder)) error {
	files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s: no files", dir)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || dir == "adapters/httpapi" && !slices.Contains(edges, filepath.Base(file)) {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		path := filepath.ToSlash(filepath.Join(dir, filepath.Base(file)))
		f := &finder{inventory: in, path: path, pkg: dir, set: set, file: parsed, source: source}
		if find(f); f.found > 0 {
			in.sources[path] = source
			if f.asks {
				f.insert(parsed.Name.End(), `; import "`+module+`/cmd/mutants/point"`)
			}
		}
	}
	return nil
}

const module = "github.com/carillonhq/carillon"

// A finder looks for mutants in one file.
type finder struct {
	*inventory
	path, pkg string
	set       *token.FileSet
	file      *ast.File
	source    []byte
	found     int
	asks      bool // some text names package point
}

func (f *finder) offset(p token.Pos) int { return f.set.Position(p).Offset }

func (f *finder) text(n ast.Node) string {
	return string(f.source[f.offset(n.Pos()):f.offset(n.End())])
}

// add makes a mutant of what stands at n, and returns its number.
func (f *finder) add(kind string, n ast.Node, what string) int {
	f.found++
	number := f.next
	f.next++
	what = strings.Join(strings.Fields(what), " ")
	f.mutants = append(f.mutants, mutant{
		N: number, Kind: kind, Pkg: f.pkg, Name: fmt.Sprintf("%s:%d %s %.120s", f.path, f.set.Position(n.Pos()).Line, kind, what),
	})
	return number
}

func (f *finder) insert(at token.Pos, text string) {
	f.files[f.path] = append(f.files[f.path], change{at: f.offset(at), text: text})
}

// wrap puts n between two texts.
func (f *finder) wrap(n ast.Node, before, after string) {
	f.asks = true
	from, to := f.offset(n.Pos()), f.offset(n.End())
	f.files[f.path] = append(f.files[f.path],
		change{at: from, span: to - from, text: before}, change{at: to, span: to - from, closes: true, text: after})
}

// apply writes changes into source.
func apply(source []byte, changes []change) []byte {
	slices.SortStableFunc(changes, func(a, b change) int {
		switch {
		case a.at != b.at:
			return cmp.Compare(a.at, b.at)
		case a.closes != b.closes:
			return map[bool]int{true: -1, false: 1}[a.closes] // what ends here, then what begins
		case a.closes:
			return cmp.Compare(a.span, b.span) // the inner ends first
		}
		return cmp.Compare(b.span, a.span) // the outer begins first
	})
	var out []byte
	last := 0
	for _, c := range changes {
		out = append(append(out, source[last:c.at]...), c.text...)
		last = c.at + c.del
	}
	return append(out, source[last:]...)
}

// refuses are the calls that return an error where something must not be. What
// else returns one does something, and to drop its error proves nothing.
var refuses = regexp.MustCompile(`^(Allow|allow|person|inPerson|SteppedUp|StillSignedIn|[cC]heck\w*|may\w*|room|count|prove\w+|only[A-Z]\w*|keeps?A\w+|fewOpen|seat|` +
	`Entitled|scoped|enabled|unchanged|untouched|closed|fresh|holds|distinct|elect|knownQuery|sound|lower|admit|take|TakeRecoveryCode|repairs|refused|complete)$`)

// checks finds what refuses: authorise lines, checks, guards and the conditions
// of predicates.
func (f *finder) checks() {
	who := slices.Contains(authorised, f.pkg)
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			if f.check(n, who) || who {
				break
			}
			if n.Else == nil && f.denies(n.Body.List) {
				f.guard(n.Cond)
			}
		case *ast.SwitchStmt:
			if n.Tag == nil && !who {
				f.cases(n)
			}
		case *ast.FuncDecl:
			if n.Body != nil && !who {
				f.predicate(n.Type, n.Body)
			}
		case *ast.FuncLit:
			if !who {
				f.predicate(n.Type, n.Body)
			}
		}
		return true
	})
}

// check drops the error of `if err := refuse(…); err != nil {`.
func (f *finder) check(n *ast.IfStmt, who bool) bool {
	assign, ok := n.Init.(*ast.AssignStmt)
	if !ok || len(assign.Lhs) != 1 || f.text(assign.Lhs[0]) != "err" || f.text(n.Cond) != "err != nil" {
		return false
	}
	call, ok := assign.Rhs[0].(*ast.CallExpr)
	name := ""
	if ok {
		name = callee(call)
	}
	kind := "check"
	if name == "Allow" || name == "allow" {
		kind = "authorise"
	}
	if !refuses.MatchString(name) || who && kind != "authorise" {
		return false
	}
	f.wrap(call, fmt.Sprintf("point.Err(%d, ", f.add(kind, call, f.text(call))), ")")
	return true
}

func callee(call *ast.CallExpr) string {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		return fn.Name
	case *ast.SelectorExpr:
		return fn.Sel.Name
	}
	return ""
}
