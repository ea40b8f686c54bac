package declarative

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"go.yaml.in/yaml/v3"
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
