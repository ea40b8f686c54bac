package declarative

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// guard refuses what would make an expression's cost unbounded, and names that
// mean nothing where it stands.
type guard struct {
	known   names
	message string
	from    int
}

var ownFunctions = []string{"match", "json", "units", "escape", "text"}

func (g *guard) refuse(n ast.Node, format string, args ...any) {
	if g.message == "" {
		g.message, g.from = fmt.Sprintf(format, args...), n.Location().From
	}
}

// Visit implements ast.Visitor.
func (g *guard) Visit(at *ast.Node) {
	switch n := (*at).(type) {
	case *ast.IdentifierNode:
		if !slices.Contains(g.known.all, n.Value) && !slices.Contains(ownFunctions, n.Value) {
			if _, ok := reflect.TypeFor[scope]().FieldByNameFunc(func(s string) bool { return strings.EqualFold(s, n.Value) }); ok {
				g.refuse(n, "%s is not known here; there are %s", n.Value, strings.Join(g.known.all, ", "))
			}
		}
	case *ast.VariableDeclaratorNode, *ast.SequenceNode:
		g.refuse(n, "an expression declares no variables")
	case *ast.PredicateNode:
		inner := &finder{}
		ast.Walk(&n.Node, inner)
		if inner.found {
			g.refuse(n, "no loop within a loop")
		}
	case *ast.BinaryNode:
		g.binary(n)
	case *ast.CallNode:
		g.call(n)
	case *ast.MemberNode:
		g.member(n)
	}
}

// finder looks for a loop.
type finder struct{ found bool }

func (f *finder) Visit(at *ast.Node) {
	if _, ok := (*at).(*ast.PredicateNode); ok {
		f.found = true
	}
}

func (g *guard) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "..":
		g.refuse(n, "no ranges")
	case "matches":
		g.pattern(n.Right)
	}
}

func (g *guard) call(n *ast.CallNode) {
	name, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		g.refuse(n, "only functions are called")
		return
	}
	if name.Value == "match" && len(n.Arguments) == 3 {
		g.pattern(n.Arguments[1])
	}
	if name.Value == "units" && len(n.Arguments) == 2 {
		unit, _ := n.Arguments[1].(*ast.StringNode)
		if unit == nil || !slices.Contains(unitNames, unit.Value) {
			g.refuse(n, "the unit is one of %s", strings.Join(unitNames, ", "))
		}
	}
}

// pattern wants a regular expression that stands in the file.
func (g *guard) pattern(n ast.Node) {
	text, ok := n.(*ast.StringNode)
	if !ok {
		if _, compiled := n.(*ast.ConstantNode); !compiled {
			g.refuse(n, "a pattern is written out")
		}
		return
	}
	if _, err := regexp.Compile(text.Value); err != nil {
		g.refuse(n, "%s", err)
	}
}

// member refuses secrets and state that nothing ever sets.
func (g *guard) member(n *ast.MemberNode) {
	key, ok := n.Property.(*ast.StringNode)
	if !ok {
		return
	}
	known, what := g.known.state, "state"
	switch of := n.Node.(type) {
	case *ast.IdentifierNode:
		if of.Value != "state" {
			return
		}
	case *ast.MemberNode:
		root, _ := of.Node.(*ast.IdentifierNode)
		name, _ := of.Property.(*ast.StringNode)
		if root == nil || name == nil || root.Value != "credential" || name.Value != "secrets" {
			return
		}
		known, what = g.known.secrets, "credential.secrets"
	default:
		return
	}
	if known != nil && !slices.Contains(known, key.Value) {
		g.refuse(n, "%s has no %s; it has %s", what, key.Value, orNothing(known))
	}
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
