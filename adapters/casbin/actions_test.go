package casbin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/policies"
	"github.com/carillonhq/carillon/tenants"
)

// Three lists say what there is to be allowed: the policy, the constants that
// use cases check, and the operations of the HTTP surface.
func TestEveryActionHasARule(t *testing.T) {
	rules, inCode, inSpec := ruled(t), constants(t, "../../core", "../../tenants"), operations(t)
	for _, act := range inCode {
		if !slices.Contains(rules, act) {
			t.Errorf("%s is checked in code and has no rule in policies/policy.csv", act)
		}
	}
	for _, act := range inSpec {
		if !slices.Contains(rules, act) {
			t.Errorf("%s is an x-action of the spec and has no rule in policies/policy.csv", act)
		}
	}
	for _, act := range rules {
		if !slices.Contains(inCode, act) && !slices.Contains(inSpec, act) {
			t.Errorf("%s has a rule, and nothing ever asks about it", act)
		}
	}
	if len(inCode) == 0 || len(inSpec) == 0 {
		t.Errorf("found %d actions in code and %d in the spec", len(inCode), len(inSpec))
	}
}

// operations is every x-action of the spec that names a permission; the others
// say that an operation needs none, such as "public".
func operations(t *testing.T) (out []tenants.Action) {
	t.Helper()
	spec, err := os.ReadFile("../httpapi/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`x-action: ([a-z_]+\.[a-z_]+)`).FindAllSubmatch(spec, -1) {
		out = append(out, tenants.Action(m[1]))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ruled is every action in the policy, which must name a role and a plan for each.
func ruled(t *testing.T) []tenants.Action {
	t.Helper()
	lists := map[string][]tenants.Action{}
	for line := range strings.Lines(policies.Policy) {
		if f := strings.Split(strings.TrimSpace(line), ", "); f[0] == "p" || f[0] == "p2" {
			lists[f[0]] = append(lists[f[0]], tenants.Action(f[len(f)-1]))
		}
	}
	for kind, l := range lists {
		slices.Sort(l)
		lists[kind] = slices.Compact(l)
	}
	if diff := cmp.Diff(lists["p"], lists["p2"]); diff != "" {
		t.Fatalf("an action needs a role (p, -) and a plan (p2, +):\n%s", diff)
	}
	return lists["p"]
}

// constants is every tenants.Action constant below dirs, read from the source.
func constants(t *testing.T, dirs ...string) []tenants.Action {
	t.Helper()
	var out []tenants.Action
	for _, dir := range dirs {
		if err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				return err
			}
			out = append(out, actionsIn(f)...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func actionsIn(f *ast.File) (out []tenants.Action) {
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if sel, ok := spec.Type.(*ast.SelectorExpr); !ok || sel.Sel.Name != "Action" {
			return true
		}
		for _, v := range spec.Values {
			if lit, ok := v.(*ast.BasicLit); ok {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					out = append(out, tenants.Action(s))
				}
			}
		}
		return true
	})
	return out
}
