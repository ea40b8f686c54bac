package httpapi_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// said are the tags of the operations that a package of the core answers.
var said = map[string][]string{
	"core/catalog":     {"plugins"},
	"core/channels":    {"channels", "connections", "platforms"},
	"core/events":      {"events", "webhooks"},
	"core/idempotency": {"posts"},
	"core/identity":    {"identity", "factors", "keys", "providers", "invitations"},
	"core/jobs":        {"jobs"},
	"core/media":       {"media"},
	"core/publishing":  {"posts"},
	"tenants/audit":    {"audit"},
	"tenants/registry": {"tenants", "members", "roles", "access", "invitations"},
}

// letterLinks are the pages that letters lead to: they look like pointers.
var letterLinks = []string{"/register", "/login"}

var pointerLike = regexp.MustCompile(`^/[a-z_]+(/[^ #]*)?$`)

// What the core says is at fault is a member of a body, or a parameter, of an
// operation that it answers: a client that follows the pointer finds a field.
func TestPointersOfTheCoreAreMembers(t *testing.T) {
	_, routes := contract(t)
	for pkg, tags := range said {
		known := map[string]bool{}
		for _, r := range routes {
			if slices.Contains(tags, r.op.Tags[0]) {
				known = addMembers(known, r)
			}
		}
		for pointer, at := range pointersOf(t, filepath.Join("../..", pkg)) {
			if !isMember(known, pointer) {
				t.Errorf("%s: %s is no member of an operation of %v", at, pointer, tags)
			}
		}
	}
}

// addMembers adds the parameters of r, and every member of its bodies by name
// and with the pointer to it.
func addMembers(known map[string]bool, r route) map[string]bool {
	for _, p := range r.op.Parameters {
		known["/"+p.Value.In+"/"+p.Value.Name] = true
	}
	if r.op.RequestBody == nil {
		return known
	}
	for _, content := range r.op.RequestBody.Value.Content {
		members(content.Schema, "", 0, func(_, name string, _ *openapi3.Schema) { known[name] = true })
	}
	return known
}

// isMember reports whether every name in a pointer, or in a part of one, is
// that of a member. Below values that are free of form anything may be.
func isMember(known map[string]bool, pointer string) bool {
	if known[pointer] {
		return true
	}
	for _, name := range strings.Split(pointer[1:], "/") {
		switch {
		case name == "input" || name == "values" || name == "settings":
			return known[name]
		case name != "" && name != "%d" && !known[name]:
			return false
		}
	}
	return true
}

// pointersOf are the literals of a package that look like one, with where they are.
func pointersOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	found := map[string]string{}
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	must(t, err)
	if len(all) == 0 {
		t.Fatal(fs.ErrNotExist, dir)
	}
	for _, name := range all {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		must(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if s, err := strconv.Unquote(lit.Value); err == nil && pointerLike.MatchString(s) && !slices.Contains(letterLinks, s) {
				found[s] = files.Position(lit.Pos()).String()
			}
			return true
		})
	}
	return found
}
