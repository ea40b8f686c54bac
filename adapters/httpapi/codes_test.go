package httpapi

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/ports/fault"
)

var update = flag.Bool("update", false, "rewrite codes.tsv from the source tree")

// Every reason in the source tree is in the registry, with its page, and
// nothing else is.
func TestEveryReasonIsRegistered(t *testing.T) {
	want := reasons(t, "../..")
	var file strings.Builder
	for _, slug := range slices.Sorted(maps.Keys(want)) {
		fmt.Fprintf(&file, "%s\t%s\t%s\n", slug, want[slug].Class, want[slug].Title)
	}
	if *update {
		if err := os.WriteFile("codes.tsv", []byte(file.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(readCodes(file.String()), codes); diff != "" {
		t.Errorf("codes.tsv is not what the source says; run go test ./adapters/httpapi -run Registered -update\n%s", diff)
	}
}

// A reason that is neither a slug nor a class is in no registry: clients could
// not tell it apart, and its page is nowhere.
func TestEveryFaultHasASlugForAReason(t *testing.T) {
	seen := 0
	inspect(t, "../..", func(fset *token.FileSet, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 3 {
			return
		}
		made, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || made.Sel.Name != "New" && made.Sel.Name != "Fail" {
			return
		}
		if from, ok := made.X.(*ast.Ident); !ok || from.Name != "fault" && from.Name != "social" {
			return
		}
		seen++
		if slug := text(call.Args[1]); slug != "" && !slugLike.MatchString(slug) && !slices.Contains(fault.Codes(), fault.Code(slug)) {
			t.Errorf("%s: the reason %q is no slug such as post.stale", fset.Position(call.Pos()), slug)
		}
	})
	if seen < 100 {
		t.Errorf("only %d faults found", seen)
	}
}

// What the contract and its examples call a code is one.
func TestEveryCodeInTheContractIsRegistered(t *testing.T) {
	found := regexp.MustCompile(`(?:\b[45]\d\d |slug, such as .|\\?"(?:code|reason)\\?": ?\\?")([a-z_]+\.[a-z_]+)`).FindAllStringSubmatch(string(contractJSON), -1)
	for _, match := range found {
		if _, ok := codes[match[1]]; !ok {
			t.Errorf("the contract speaks of %s, which does not exist", match[0])
		}
	}
	if len(found) < 10 {
		t.Errorf("only %d codes found", len(found))
	}
}

func TestEveryExactStatusIsARegisteredReason(t *testing.T) {
	for slug := range exact {
		if _, ok := codes[slug]; !ok {
			t.Errorf("%s has a status of its own and no page", slug)
		}
	}
	for _, c := range fault.Codes() {
		if status[c] == 0 || classes[c].Advice == "" {
			t.Errorf("%s has no status or no advice", c)
		}
	}
}

var (
	slugLike = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$`)
	verb     = regexp.MustCompile(`%[-+# 0]*[0-9.]*[a-zA-Z]`)
)

// reasons reads every reason off the source: a string that looks like a slug,
// followed by a sentence, in a call or a literal; and what is set as Reason.
func reasons(t *testing.T, root string) map[string]code {
	found := map[string]code{}
	inspect(t, root, func(_ *token.FileSet, n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			pairs(found, n.Args)
		case *ast.AssignStmt: // c.Reason, c.Remedy = "slug", "A sentence."
			pairs(found, n.Rhs)
		case *ast.CompositeLit:
			pairs(found, n.Elts)
			keyed(found, n.Elts)
		}
	})
	if len(found) == 0 {
		t.Fatal("no reasons")
	}
	return found
}

// inspect shows see every node of the program's own source: no tests, no fakes,
// nothing generated.
func inspect(t *testing.T, root string, see func(*token.FileSet, ast.Node)) {
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name == "testdata" || name == "node_modules" || (strings.HasPrefix(name, ".") && len(name) > 2) || strings.HasSuffix(name, "test") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".gen.go") || strings.HasSuffix(name, ".pb.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool { see(fset, n); return true })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pairs finds a slug followed by a sentence.
func pairs(found map[string]code, list []ast.Expr) {
	for i := 0; i+1 < len(list); i++ {
		slug, sentence := text(list[i]), text(list[i+1])
		if slugLike.MatchString(slug) && (strings.HasSuffix(sentence, ".") || sentence == "%s") {
			add(found, slug, classIn(list), sentence)
		}
	}
}

// keyed finds Reason: "slug", Message: "A sentence.".
func keyed(found map[string]code, list []ast.Expr) {
	values := map[string]string{}
	for _, e := range list {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if k, ok := kv.Key.(*ast.Ident); ok {
				values[k.Name] = text(kv.Value)
			}
		}
	}
	if slugLike.MatchString(values["Reason"]) {
		add(found, values["Reason"], classIn(list), values["Message"])
	}
}

// add keeps the sentence of a slug, if it is the same wherever the slug is. Of
// several classes it keeps what is not invalid, which may be said for want of one.
func add(found map[string]code, slug string, class fault.Code, sentence string) {
	title := strings.TrimSpace(strings.ReplaceAll(sentence, "%%", "%"))
	if title == "" || verb.MatchString(sentence) {
		title = spelled(slug)
	}
	if had, ok := found[slug]; ok {
		if had.Title != title {
			title = spelled(slug)
		}
		if class == fault.Invalid || had.Class != fault.Invalid && had.Class < class {
			class = had.Class
		}
	}
	found[slug] = code{slug, class, title}
}

// spelled is a slug as a title, for what says something else each time:
// "request.too_large" is "Request: too large."
func spelled(slug string) string {
	noun, reason, _ := strings.Cut(slug, ".")
	title := strings.ToUpper(noun[:1]) + noun[1:] + ": " + strings.ReplaceAll(reason, ".", ": ")
	return strings.ReplaceAll(title, "_", " ") + "."
}

// classIn is the fault code among the arguments: fault.X, or the class of social.X.
func classIn(list []ast.Expr) fault.Code {
	for _, e := range list {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			e = kv.Value
		}
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		switch x, _ := sel.X.(*ast.Ident); {
		case x == nil:
		case x.Name == "fault":
			for _, c := range fault.Codes() {
				if strings.EqualFold(strings.ReplaceAll(string(c), "_", ""), sel.Sel.Name) {
					return c
				}
			}
		case x.Name == "social":
			if c, ok := classOfKind[sel.Sel.Name]; ok {
				return c
			}
		}
	}
	return fault.Invalid
}

var classOfKind = map[string]fault.Code{
	"AuthExpired": fault.Unauthenticated, "AuthRevoked": fault.Unauthenticated, "Permission": fault.Forbidden,
	"RateLimited": fault.RateLimited, "Policy": fault.Forbidden, "Duplicate": fault.Conflict, "NotFound": fault.NotFound,
	"Transient": fault.Unavailable, "Ambiguous": fault.Unavailable,
}

func text(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, _ := strconv.Unquote(lit.Value)
	return s
}
