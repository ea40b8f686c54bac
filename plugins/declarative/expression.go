package declarative

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
	"go.yaml.in/yaml/v3"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// What one expression may be. It holds no loop within a loop and names no
// intermediate result, so that its cost is at most its length times what it
// reads, and that is bounded too: see maxAnswer and maxValues.
const (
	maxSource = 2 << 10
	maxNodes  = 300
)

// Expr is one expression, such as content.reply_to != nil.
type Expr struct {
	at      place
	source  string
	program *vm.Program
}

func (e *Expr) read(n *yaml.Node, here place, f *flaws) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		f.add(here, "want an expression")
		return
	}
	e.at, e.source = inside(n, here), n.Value
}

// inside is where a scalar's text begins.
func inside(n *yaml.Node, here place) place {
	switch n.Style {
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		here.column++
	case yaml.LiteralStyle, yaml.FoldedStyle:
		here.line, here.column = here.line+1, 1
	}
	return here
}

func (e *Expr) set() bool { return e.source != "" }

// A kind is what an expression must be.
type kind int

const (
	anything kind = iota
	truth
)

// names are the variables that a place knows.
type names struct {
	all     []string
	secrets []string // of credential.secrets; nil: any
	state   []string // of state; nil: any
}

func (n names) and(more ...string) names {
	n.all = append(slices.Clone(n.all), more...)
	return n
}

// compile type-checks e. Nothing is called that is not on the list below, and
// nothing there has an effect or fails to end.
func (e *Expr) compile(want kind, known names, f *flaws) {
	if e.source == "" || e.program != nil {
		return
	}
	if len(e.source) > maxSource {
		f.add(e.at, "an expression has at most %d bytes", maxSource)
		return
	}
	guard := &guard{known: known}
	options := slices.Concat([]expr.Option{
		expr.Env(scope{}), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins(), expr.Patch(guard),
	}, functions())
	for _, name := range builtins {
		options = append(options, expr.EnableBuiltin(name))
	}
	if want == truth {
		options = append(options, expr.AsBool())
	}
	program, err := expr.Compile(e.source, options...)
	switch {
	case err != nil:
		e.flaw(err, f)
	case guard.message != "":
		f.add(e.column(guard.from), "%s", guard.message)
	default:
		e.program = program
	}
}

func (e *Expr) column(from int) place {
	p := e.at
	p.column += utf8.RuneCountInString(e.source[:min(max(from, 0), len(e.source))])
	return p
}

func (e *Expr) flaw(err error, f *flaws) {
	var said *file.Error
	if !errors.As(err, &said) {
		f.add(e.at, "%s", err)
		return
	}
	p := e.at
	p.line += said.Line - 1
	if said.Line == 1 {
		p.column += said.Column
	} else {
		p.column = said.Column + 1
	}
	f.add(p, "%s", strings.ReplaceAll(said.Message, "declarative.", "")) // our types have no other name for authors
}

// builtins are the functions of the language that are pure, end, and answer
// with no more than they were given.
var builtins = []string{
	"all", "any", "count", "filter", "find", "first", "float", "hasPrefix", "indexOf", "int", "join", "keys", "last", "len",
	"lower", "map", "max", "min", "none", "one", "split", "string", "sum", "take", "trim", "trimPrefix", "trimSuffix", "upper", "values",
}

// functions are ours, for a process that has a file to read.
var functions = sync.OnceValue(func() []expr.Option {
	return []expr.Option{
		expr.Function("match", matchFunc, new(func(string, string, int) string), new(func(any, string, int) string)),
		expr.Function("json", jsonFunc, new(func(any) string)),
		expr.Function("units", unitsFunc, new(func(string, string) int), new(func(any, string) int)),
		expr.Function("escape", escapeFunc, new(func(string) string), new(func(any) string)),
		expr.Function("text", textFunc, new(func(any) string)),
	}
})

// matchFunc is match(text, pattern, group): what the group of a regular
// expression (RE2) matched, or "".
func matchFunc(in ...any) (any, error) {
	text, _ := in[0].(string)
	pattern, err := regexp.Compile(in[1].(string))
	if err != nil {
		return nil, err
	}
	found, group := pattern.FindStringSubmatch(text), in[2].(int)
	if group < 0 || group >= len(found) {
		return "", nil
	}
	return found[group], nil
}

func jsonFunc(in ...any) (any, error) {
	raw, err := json.Marshal(in[0])
	return string(raw), err
}

// textFunc is text(value): a figure written out in full.
func textFunc(in ...any) (any, error) { return textOf(in[0]) }

// unitsFunc is units(text, "utf16"): how long the text is, links as they are
// written but for x_weighted, as the host counts.
func unitsFunc(in ...any) (any, error) {
	text, _ := in[0].(string)
	return textcount.Count(social.TextRule{Count: social.Count(in[1].(string))}, text), nil
}

// escapeFunc is escape(text): its HTML special characters as entities.
func escapeFunc(in ...any) (any, error) {
	text, _ := in[0].(string)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text), nil
}

// guard refuses what would make an expression's cost unbounded, and names that
// mean nothing where it stands.
type guard struct {
	known   names
	message string
	from    int
}

var unitNames = []string{string(social.Codepoints), string(social.Graphemes), string(social.UTF16), string(social.Bytes), string(social.XWeighted)}

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

// eval runs e. An expression that is not set is nil.
func (e *Expr) eval(s *scope) (any, error) {
	if e.program == nil {
		return nil, nil
	}
	v, err := expr.Run(e.program, s)
	if err != nil {
		return nil, fmt.Errorf("%s: an expression failed", e.at.field) // its own words would quote values
	}
	return v, nil
}

// holds reports whether e is true. One that is not set or fails is otherwise.
func (e *Expr) holds(s *scope, otherwise bool) bool {
	if !e.set() {
		return otherwise
	}
	v, err := e.eval(s)
	is, ok := v.(bool)
	return err == nil && ok && is
}

// number is e's figure, or 0.
func (e *Expr) number(s *scope) float64 {
	v, err := e.eval(s)
	if err != nil {
		return 0
	}
	var x float64
	switch v := v.(type) {
	case int:
		x = float64(v)
	case float64:
		x = v
	case string:
		x, _ = strconv.ParseFloat(v, 64)
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

// textOf writes a value out as it stands in a URL or a header.
func textOf(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("a %T is no text", v)
}
