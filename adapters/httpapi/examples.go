package httpapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Examples on the reference page come from the contract: a schema's own example
// if it has one, else one made of its members. Tests hold each to its schema.

// example is a value of s. deep counts how many schemas it is inside of.
func (d *document) example(s schema, name string, deep int) any {
	if s.Ref != "" {
		s = d.Parts.Schemas[last(s.Ref)]
	}
	switch {
	case len(s.Example) > 0:
		var v any
		_ = json.Unmarshal(s.Example, &v) // it came from JSON
		return v
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Items != nil:
		if deep > maxDeep {
			return []any{}
		}
		return []any{d.example(*s.Items, strings.TrimSuffix(name, "s"), deep+1)}
	case s.Type == "object" || len(s.Properties) > 0:
		return d.exampleObject(s, deep)
	case s.Type == "integer", s.Type == "number":
		return max(s.Minimum, 1)
	case s.Type == "boolean":
		return false
	}
	return word(s, name)
}

// maxDeep bounds schemas that contain themselves.
const maxDeep = 6

func (d *document) exampleObject(s schema, deep int) any {
	out := map[string]any{}
	for member, v := range s.Properties {
		if deep <= maxDeep || slices.Contains(s.Required, member) {
			out[member] = d.example(v, member, deep+1)
		}
	}
	return out
}

// word is a text that looks like what its name or format says.
func word(s schema, name string) string {
	switch {
	case s.Format == "date-time":
		return "2026-11-23T09:00:00Z"
	case s.Format == "email":
		return "ann@example.com"
	case name == "url" || strings.HasSuffix(name, "_url"):
		return "https://example.com/"
	case name == "id" || strings.HasSuffix(name, "_id"):
		return "…_01kb3x2v7r8q4m9t0zc5d6e7f8"
	}
	return "…"
}

// body is what an operation takes, and of what type.
func (d *document) body(op operation) (contentType, example string) {
	kinds := slices.Sorted(maps.Keys(op.RequestBody.Content))
	if len(kinds) == 0 {
		return "", ""
	}
	kind := kinds[0]
	if !strings.HasSuffix(kind, "json") {
		return kind, ""
	}
	return kind, pretty(d.example(op.RequestBody.Content[kind].Schema, "", 0))
}

// answer is what an operation says when all goes well.
func (d *document) answer(op operation) (status, example string) {
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if content, ok := op.Responses[status].Content["application/json"]; ok && strings.HasPrefix(status, "2") {
			return status, pretty(d.example(content.Schema, "", 0))
		}
	}
	return "", ""
}

// curl is a request as it would be typed.
func (d *document) curl(op operation) string {
	lines := []string{"curl"}
	if op.Method != "GET" {
		lines[0] += " -X " + op.Method
	}
	path := strings.NewReplacer("{", "${", "}", "}").Replace(op.Path)
	lines[0] += ` "$URL` + path + `"`
	if op.Public == "" {
		lines = append(lines, `-H "Authorization: Bearer $TOKEN"`)
		if !op.Session {
			lines = append(lines, `-H "Carillon-Tenant: $TENANT"`)
		}
	}
	for _, p := range op.Parameters {
		switch p.Name {
		case "If-Match":
			lines = append(lines, `-H 'If-Match: "v1"'`)
		case "Idempotency-Key":
			lines = append(lines, `-H "Idempotency-Key: $(uuidgen)"`)
		}
	}
	switch kind, body := d.body(op); {
	case body != "":
		lines = append(lines, "-H 'Content-Type: "+kind+"'", "-d '"+strings.ReplaceAll(body, "'", `'\''`)+"'")
	case kind != "":
		lines = append(lines, "-H 'Content-Type: image/jpeg'", "--data-binary @photo.jpg")
	}
	return strings.Join(lines, " \\\n  ")
}

func pretty(v any) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // it came from JSON
	return strings.TrimSpace(out.String())
}
