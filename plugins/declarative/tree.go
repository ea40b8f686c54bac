package declarative

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Tree is a YAML value with expressions in its texts. A text that is one
// expression and nothing else has that expression's type; a mapping with $each
// and $do is a list.
type Tree struct {
	at     place
	value  any // literal
	text   *Text
	list   []Tree
	fields map[string]Tree
	each   *Expr
	do     *Tree
}

func (t *Tree) read(n *yaml.Node, here place, f *flaws) { t.readAt(n, here, 0, f) }

func (t *Tree) readAt(n *yaml.Node, here place, depth int, f *flaws) {
	t.at = here
	switch {
	case depth > maxDepth:
		f.add(here, "nested too deeply")
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		f.add(here, "anchors and aliases are not read; write it out")
	case n.Kind == yaml.SequenceNode:
		t.list = make([]Tree, len(n.Content))
		for i, one := range n.Content {
			t.list[i].readAt(one, at(one, fmt.Sprintf("%s[%d]", here.field, i)), depth+1, f)
		}
	case n.Kind == yaml.MappingNode:
		t.readFields(n, depth, f)
	case n.Tag == "!!str":
		text := &Text{}
		text.read(n, here, f)
		t.text = text
	default:
		t.value = literal(n)
	}
}

func (t *Tree) readFields(n *yaml.Node, depth int, f *flaws) {
	t.fields = map[string]Tree{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		here := at(value, join(t.at.field, key.Value))
		switch key.Value {
		case "$each":
			t.each = &Expr{}
			t.each.read(value, here, f)
		case "$do":
			t.do = &Tree{}
			t.do.readAt(value, here, depth+1, f)
		default:
			var one Tree
			one.readAt(value, here, depth+1, f)
			t.fields[key.Value] = one
		}
	}
	if (t.each == nil) != (t.do == nil) || t.each != nil && len(t.fields) > 0 {
		f.add(t.at, "$each and $do stand together and alone")
	}
}

func (t *Tree) set() bool { return t.text != nil || t.list != nil || t.fields != nil || t.value != nil }

func (t *Tree) compile(known names, f *flaws) {
	switch {
	case t.text != nil:
		t.text.compile(known, f)
	case t.do != nil:
		t.each.compile(anything, known, f)
		if slices.Contains(known.all, "item") {
			f.add(t.at, "no $each within another")
			return
		}
		t.do.compile(known.and("item", "index"), f)
	}
	for i := range t.list {
		t.list[i].compile(known, f)
	}
	for _, name := range slices.Sorted(maps.Keys(t.fields)) {
		field := t.fields[name]
		field.compile(known, f)
	}
}

// mentions reports whether an expression in t names word.
func (t *Tree) mentions(word string) bool {
	if t.text != nil {
		for _, p := range t.text.parts {
			if p.expr != nil && strings.Contains(p.expr.source, word) {
				return true
			}
		}
	}
	return t.each != nil && (strings.Contains(t.each.source, word) || t.do.mentions(word)) ||
		slices.ContainsFunc(t.list, func(one Tree) bool { return one.mentions(word) }) ||
		slices.ContainsFunc(slices.Collect(maps.Values(t.fields)), func(one Tree) bool { return one.mentions(word) })
}

// eval is t's value. Fields and list members that are nil are left out.
func (t *Tree) eval(s *scope) (any, error) {
	switch {
	case t.text != nil:
		if len(t.text.parts) == 1 && t.text.parts[0].expr != nil {
			return t.text.parts[0].expr.eval(s)
		}
		return t.text.render(s, nil)
	case t.do != nil:
		return t.loop(s)
	case t.list != nil:
		out := []any{}
		for i := range t.list {
			v, err := t.list[i].eval(s)
			if err != nil {
				return nil, err
			}
			if v != nil {
				out = append(out, v)
			}
		}
		return out, nil
	case t.fields != nil:
		out := map[string]any{}
		for name, field := range t.fields {
			v, err := field.eval(s)
			if err != nil {
				return nil, err
			}
			if v != nil {
				out[name] = v
			}
		}
		return out, nil
	}
	return t.value, nil
}

func (t *Tree) loop(s *scope) (any, error) {
	v, err := t.each.eval(s)
	if err != nil {
		return nil, err
	}
	out := []any{}
	inner := *s
	for i, item := range listOf(v) {
		inner.Item, inner.Index = item, i
		one, err := t.do.eval(&inner)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// text is t's value as a field of a form: objects and lists as JSON.
func (t *Tree) asText(s *scope) (string, bool, error) {
	v, err := t.eval(s)
	if err != nil || v == nil {
		return "", false, err
	}
	if text, err := textOf(v); err == nil {
		return text, text != "", nil
	}
	raw, err := json.Marshal(v)
	return string(raw), true, err
}
