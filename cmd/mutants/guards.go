package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// made are expressions that are a refusal: a fault, or what returns one.
var made = regexp.MustCompile(`fault\.New\(|\b(err|no|not|missing|stale|closed|suspended)[A-Z]\w*\(|\b(missing|stale|bad|wrong)\(|\berr[A-Z]\w+$|\b(bad|wrong)$`)

// denies reports whether statements end by refusing.
func (f *finder) denies(body []ast.Stmt) bool {
	if len(body) == 0 {
		return false
	}
	r, ok := body[len(body)-1].(*ast.ReturnStmt)
	if !ok || len(r.Results) == 0 {
		return false
	}
	last := f.text(r.Results[len(r.Results)-1])
	return last == "false" || made.MatchString(last)
}

// told are conditions that tell one error from another, and refuse nothing.
var told = regexp.MustCompile(`\berr\b|fault\.(Is|Of)\(|errors\.(Is|As)\(`)

// guard makes each alternative of a condition that refuses one that never is.
func (f *finder) guard(cond ast.Expr) {
	for _, part := range operands(cond, token.LOR) {
		if text := f.text(part); !told.MatchString(text) {
			f.wrap(part, fmt.Sprintf("point.Cond(%d, ", f.add("refusal", part, text)), ", false)")
		}
	}
}

func (f *finder) cases(n *ast.SwitchStmt) {
	for _, s := range n.Body.List {
		c, ok := s.(*ast.CaseClause)
		if !ok || !f.denies(c.Body) {
			continue
		}
		for _, cond := range c.List {
			f.guard(cond)
		}
	}
}

// predicate makes each condition that a predicate returns one that always is.
func (f *finder) predicate(t *ast.FuncType, body *ast.BlockStmt) {
	if t.Results == nil || len(t.Results.List) != 1 || f.text(t.Results.List[0].Type) != "bool" {
		return
	}
	for _, s := range body.List {
		r, ok := s.(*ast.ReturnStmt)
		if !ok || len(r.Results) != 1 {
			continue
		}
		parts := operands(r.Results[0], token.LAND)
		for _, part := range parts {
			if text := f.text(part); len(parts) > 1 && !told.MatchString(text) {
				f.wrap(part, fmt.Sprintf("point.Cond(%d, ", f.add("condition", part, text)), ", true)")
			}
		}
	}
}

// operands are what op joins in e.
func operands(e ast.Expr, op token.Token) []ast.Expr {
	if b, ok := e.(*ast.BinaryExpr); ok && b.Op == op {
		return append(operands(b.X, op), operands(b.Y, op)...)
	}
	if p, ok := e.(*ast.ParenExpr); ok {
		if b, ok := p.X.(*ast.BinaryExpr); ok && b.Op == op {
			return operands(b, op)
		}
	}
	return []ast.Expr{e}
}

// routes takes the marks off routes. One that is of nobody's is public.
func (f *finder) routes() {
	ast.Inspect(f.file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if operation := f.field(lit, "Operation"); operation != "" {
			f.marks(lit, strings.Trim(operation, `"`))
		}
		return true
	})
}

func (f *finder) field(lit *ast.CompositeLit, name string) string {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && f.text(kv.Key) == name {
			return f.text(kv.Value)
		}
	}
	return ""
}

func (f *finder) marks(lit *ast.CompositeLit, operation string) {
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		value := f.text(kv.Value)
		switch key := f.text(kv.Key); key {
		case "StepUp", "NoImpersonation", "Cookie":
			f.wrap(kv.Value, fmt.Sprintf("point.Cond(%d, ", f.add("route", kv, operation+" without "+key)), ", false)")
		case "Operator", "Session":
			n := f.add("route", kv, operation+" for anybody, not "+key)
			f.wrap(kv.Value, fmt.Sprintf("point.Cond(%d, ", n), fmt.Sprintf(`, false), Public: point.Text(%d, "", "a mutant")`, n))
		case "Action":
			n := f.add("route", kv, operation+" without "+value)
			would := "tenant.read"
			if value == `"tenant.read"` {
				would = "metrics.read"
			}
			f.wrap(kv.Value, fmt.Sprintf("point.Text(%d, ", n), fmt.Sprintf(", %q)", would))
		}
	}
}
