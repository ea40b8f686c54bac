package local

import (
	"slices"
	"strings"
)

// fill answers a JSON Schema: what a member is called says what goes in it.
// name is that of the member, empty at the top.
func (o order) fill(schema map[string]any, name string) any {
	if choices, ok := schema["enum"].([]any); ok && len(choices) > 0 {
		for _, c := range choices {
			if c == o.words.name || c == o.Tone || c == o.Platform {
				return c
			}
		}
		return choices[0]
	}
	switch kindOf(schema) {
	case "object":
		return o.object(schema)
	case "array":
		return o.array(schema, name)
	case "integer", "number":
		if least, ok := schema["minimum"].(float64); ok {
			return least
		}
		return 0
	case "boolean":
		return false
	case "null":
		return nil
	}
	text := o.text(name, 0)
	if most, ok := schema["maxLength"].(float64); ok {
		text = cut(text, int(most))
	}
	return text
}

// kindOf is a schema's type; of several, the first that is not null.
func kindOf(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		return t
	case []any:
		for _, one := range t {
			if s, ok := one.(string); ok && s != "null" {
				return s
			}
		}
	}
	if _, ok := schema["properties"]; ok {
		return "object"
	}
	return "string"
}

func (o order) object(schema map[string]any) map[string]any {
	out := map[string]any{}
	members, _ := schema["properties"].(map[string]any)
	for name, raw := range members {
		if member, ok := raw.(map[string]any); ok {
			out[name] = o.fill(member, name)
		}
	}
	return out
}

func (o order) array(schema map[string]any, name string) []any {
	items, _ := schema["items"].(map[string]any)
	least, _ := schema["minItems"].(float64)
	most, limited := schema["maxItems"].(float64)
	out := []any{}
	add := func(v any) {
		if !limited || len(out) < int(most) {
			out = append(out, v)
		}
	}
	switch {
	case kindOf(items) != "string":
		for range max(int(least), 1) {
			add(o.fill(items, name))
		}
	case strings.Contains(name, "tag"):
		for _, tag := range o.tags() {
			add(tag)
		}
	default:
		o.Count = max(o.Count, int(least), 3)
		for _, text := range o.versions(func(n int) string { return o.text(name, n) }) {
			add(text)
		}
	}
	for len(out) > 0 && len(out) < int(least) {
		add(out[len(out)-1])
	}
	return out
}

// text is the n-th text for a member of that name.
func (o order) text(name string, n int) string {
	name = strings.ToLower(name)
	is := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
	}
	p, r := o.read(), o.dice(n)
	switch {
	case is("hashtag", "tags"):
		return strings.Join(o.tags(), " ")
	case is("lang"):
		return o.words.name
	case is("link", "url"):
		return p.link
	case is("cta", "call_to_action"):
		if p.link != "" {
			return say(pick(r, o.words.link), p.link)
		}
		return pick(r, o.words.ask)
	case is("hook", "headline", "title", "subject"):
		o.Length, o.Brand.Required = "short", nil
		first, _, _ := strings.Cut(o.caption(n), "\n")
		return cut(first, 90)
	case is("alt"):
		return cut(strings.Join(append([]string{p.topic}, p.facts...), " "), 200)
	case is("platform"):
		return o.Platform
	case is("tone"):
		return o.Tone
	}
	return o.caption(n)
}
