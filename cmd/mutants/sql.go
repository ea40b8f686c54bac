package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// queries makes each condition of each query one that always is, and takes the
// tenant's condition off the queries that have it from the door.
func (f *finder) queries() {
	if f.path == "adapters/postgres/filter.go" {
		return
	}
	consts := f.constants()
	for _, d := range f.file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				f.door(n)
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Where" && len(n.Args) > 0 {
					f.literal(n.Args[0], true)
				}
			case *ast.BasicLit:
				f.literal(n, false)
			case *ast.SelectorExpr:
				return true
			case *ast.Ident:
				if sql, ok := consts[n.Name]; ok {
					f.conditions(n, sql, false)
				}
			}
			return true
		})
	}
}

// constants are the statements that the file keeps under a name.
func (f *finder) constants() map[string]string {
	out := map[string]string{}
	for _, d := range f.file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v, ok := s.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				continue
			}
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				out[v.Names[0].Name], _ = strconv.Unquote(lit.Value)
			}
		}
	}
	return out
}

// doors are what gives a query its tenant's condition, and their twins without.
var doors = []string{"find", "change", "remove", "ours"}

// door calls the twin, which cmd/mutants adds to the package.
func (f *finder) door(call *ast.CallExpr) {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) != 1 || !slices.Contains(doors, s.Sel.Name) || !strings.HasSuffix(f.text(s.X), "tx") {
		return
	}
	n := f.add("query", call, "without the tenant's condition: "+f.text(call))
	f.insert(s.Sel.End(), "At")
	f.insert(call.Args[0].Pos(), fmt.Sprintf("%d, ", n))
}

// twins is the file that has them.
const twins = `package postgres

import (
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"` + module + `/cmd/mutants/point"
)

func (tx tx) bare(n int) tx {
	if point.At(n) {
		db := *tx.db
		db.walls.NoFilters = true
		tx.db = &db
	}
	return tx
}

func (tx tx) findAt(n int, m any) *bun.SelectQuery { return tx.bare(n).find(m) }

func (tx tx) changeAt(n int, m any) *bun.UpdateQuery { return tx.bare(n).change(m) }

func (tx tx) removeAt(n int, m any) *bun.DeleteQuery { return tx.bare(n).remove(m) }

func (tx tx) oursAt(n int, alias string) schema.QueryWithArgs { return tx.bare(n).ours(alias) }
`

func (f *finder) literal(e ast.Expr, whole bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return
	}
	sql, err := strconv.Unquote(lit.Value)
	if err != nil || !whole && !strings.Contains(sql, "where ") {
		return
	}
	f.conditions(lit, sql, whole)
}

func (f *finder) conditions(n ast.Node, sql string, whole bool) {
	for _, c := range conditions(sql, whole) {
		would := sql[:c.from] + "(" + sql[c.from:c.to] + " or true)" + sql[c.to:]
		f.wrap(n, fmt.Sprintf("point.Text(%d, ", f.add("query", n, "without "+sql[c.from:c.to])), ", "+strconv.Quote(would)+")")
	}
}

type stretch struct{ from, to int }

var (
	begins = regexp.MustCompile(`^where\s+`)
	ends   = regexp.MustCompile(`^(\s+(order by|group by|returning|limit|for (no key )?(update|share)|on conflict|union|except|having|window|offset|do)\b|;)`)
	joins  = regexp.MustCompile(`^\s+and\s+`)
)

// conditions finds what stands between where and the end of its clause, cut at
// each and; whole is a text that is a condition from its beginning. A clause
// with an or beside its ands is one condition.
func conditions(sql string, whole bool) (out []stretch) {
	if whole {
		return clause(sql, 0)
	}
	for i := range sql {
		if m := begins.FindString(sql[i:]); m != "" && (i == 0 || strings.ContainsRune(" \t\n(", rune(sql[i-1]))) {
			out = append(out, clause(sql, i+len(m))...)
		}
	}
	return out
}

func clause(sql string, from int) (out []stretch) {
	depth, start, between, either := 0, from, false, false
	add := func(to int) {
		if text := strings.TrimSpace(sql[start:to]); text != "" && text != "true" {
			out = append(out, stretch{start, start + len(strings.TrimRight(sql[start:to], " \t\n"))})
		}
	}
	i := from
	for ; i < len(sql); i++ {
		rest := sql[i:]
		switch c := sql[i]; {
		case c == '\'':
			i += 1 + max(0, strings.IndexByte(rest[1:], '\''))
		case c == '(':
			depth++
		case c == ')' && depth == 0:
			add(i)
			return whole(out, from, i, either)
		case c == ')':
			depth--
		case depth > 0:
		case ends.MatchString(rest):
			add(i)
			return whole(out, from, i, either)
		case strings.HasPrefix(rest, "between "):
			between = true
		case strings.HasPrefix(rest, " or "):
			either = true
		case joins.MatchString(rest) && between:
			between = false
		case joins.MatchString(rest):
			add(i)
			i += len(joins.FindString(rest)) - 1
			start = i + 1
		}
	}
	add(len(sql))
	return whole(out, from, len(sql), either)
}

// whole is one stretch instead of many, where an or has its say among them.
func whole(parts []stretch, from, to int, either bool) []stretch {
	if either && len(parts) > 1 {
		return []stretch{{from, to}}
	}
	return parts
}
