package declarative

import (
	"fmt"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Text is a text with expressions in it: "bot${credential.secrets.token}".
type Text struct {
	at    place
	parts []part
}

// part is a stretch of a text: literal, or an expression.
type part struct {
	literal string
	expr    *Expr
	secret  bool
}

func (t *Text) read(n *yaml.Node, here place, f *flaws) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		f.add(here, "want a text")
		return
	}
	if len(n.Value) > maxScalar {
		f.add(here, "over %d bytes", maxScalar)
		return
	}
	t.at = inside(n, here)
	t.parts = split(n.Value, t.at, f)
}

func (t *Text) set() bool { return len(t.parts) > 0 }

// split finds the expressions in a text. "$${" is a literal "${".
func split(text string, here place, f *flaws) (parts []part) {
	literal := func(s string) {
		if s != "" {
			parts = append(parts, part{literal: s})
		}
	}
	for rest, offset := text, 0; rest != ""; {
		i := strings.Index(rest, "${")
		switch {
		case i < 0:
			literal(rest)
			return parts
		case i > 0 && rest[i-1] == '$':
			literal(rest[:i-1] + "${")
			offset, rest = offset+i+2, rest[i+2:]
			continue
		}
		literal(rest[:i])
		n := closing(rest[i+2:])
		where := advance(here, text[:offset+i+2])
		if n < 0 {
			f.add(where, "a ${ without its }")
			return parts
		}
		source := strings.TrimSpace(rest[i+2 : i+2+n])
		if source == "" {
			f.add(where, "an empty ${}")
		}
		parts = append(parts, part{expr: &Expr{at: where, source: source}, secret: strings.Contains(source, "credential") || strings.Contains(source, "input")})
		offset, rest = offset+i+3+n, rest[i+3+n:]
	}
	return parts
}

// closing is where the brace that ends an expression stands, or -1.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}

// advance is the place after text.
func advance(from place, text string) place {
	if lines := strings.Count(text, "\n"); lines > 0 {
		from.line += lines
		from.column = len([]rune(text[strings.LastIndex(text, "\n")+1:])) + 1
		return from
	}
	from.column += len([]rune(text))
	return from
}

func (t *Text) compile(known names, f *flaws) {
	for _, p := range t.parts {
		if p.expr != nil {
			p.expr.compile(anything, known, f)
		}
	}
}

// String renders t. escape, if set, is applied to what expressions give.
func (t *Text) render(s *scope, escape func(string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.literal)
			continue
		}
		v, err := p.expr.eval(s)
		if err != nil {
			return "", err
		}
		text, err := textOf(v)
		if err == nil && escape != nil {
			text, err = escape(text)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", t.at.field, err)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// or renders t, or says otherwise if that is empty or fails.
func (t *Text) or(s *scope, otherwise string) string {
	if text, err := t.render(s, nil); err == nil && text != "" {
		return text
	}
	return otherwise
}

// segment escapes a value for a path, of which it must stay one segment.
func segment(value string) (string, error) {
	if value == "" || value == "." || value == ".." {
		return "", fmt.Errorf("%q has no place in a path", value)
	}
	return url.PathEscape(value), nil
}

// masked is segment for what is noted of a request.
func (t *Text) masked(s *scope) string {
	var b strings.Builder
	for _, p := range t.parts {
		switch {
		case p.expr == nil:
			b.WriteString(p.literal)
		case p.secret:
			b.WriteString("***")
		default:
			v, _ := p.expr.eval(s)
			text, _ := textOf(v)
			b.WriteString(url.PathEscape(text))
		}
	}
	return b.String()
}
