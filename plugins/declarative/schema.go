package declarative

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// SchemaURL names the grammar for editors: `# yaml-language-server: $schema=…`.
const SchemaURL = "https://raw.githubusercontent.com/carillonhq/carillon/main/plugins/declarative/plugin.schema.json"

// Schema is the JSON Schema of plugin.yaml, written from the same tags that
// files are read by. Editors complete by it; what it cannot say (that there is
// one commit, that an expression is right) Load does.
func Schema() ([]byte, error) {
	s := &schemer{defs: map[string]any{}}
	root := s.of(reflect.TypeFor[File](), "")
	doc := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SchemaURL, "title": "A declarative Carillon plugin",
		"$ref": root["$ref"], "$defs": s.defs,
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(doc)
	return out.Bytes(), err
}

type schemer struct{ defs map[string]any }

type object = map[string]any

// of is the schema of a type; tag is that of the field that has it.
func (s *schemer) of(t reflect.Type, tag reflect.StructTag) object {
	switch t {
	case reflect.TypeFor[Expr]():
		return object{"type": []string{"string", "number", "boolean"}, "minLength": 1, "maxLength": maxSource}
	case reflect.TypeFor[Text]():
		return object{"type": []string{"string", "number", "boolean"}, "maxLength": maxScalar}
	case reflect.TypeFor[Tree]():
		return object{}
	case reflect.TypeFor[JSON]():
		return object{"type": "object"}
	case reflect.TypeFor[Statuses]():
		one := object{"anyOf": []object{{"type": "integer", "minimum": 200, "maximum": 599}, {"type": "string", "pattern": "^[2-5]xx$"}}}
		return object{"anyOf": []object{one, {"type": "array", "items": one}}}
	case reflect.TypeFor[time.Duration]():
		return object{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`}
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "pattern": `^\d{4}-\d\d-\d\d$`}
	}
	most, hasMost := number(tag.Get("max"))
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem(), tag)
	case reflect.Struct:
		return s.structure(t)
	case reflect.Slice:
		out := object{"type": "array", "items": s.of(t.Elem(), reflect.StructTag(`enum:"`+tag.Get("enum")+`"`)), "maxItems": 200}
		if hasMost {
			out["maxItems"] = most
		}
		if tag.Get("need") != "" {
			out["minItems"] = 1
		}
		return out
	case reflect.Map:
		out := object{"type": "object", "additionalProperties": s.of(t.Elem(), ""), "propertyNames": object{"minLength": 1, "maxLength": 100}}
		if hasMost {
			out["maxProperties"] = most
		}
		return out
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		out := object{"type": "integer", "minimum": 0}
		if hasMost {
			out["maximum"] = most
		}
		return out
	}
	return word(tag, most, hasMost)
}

func word(tag reflect.StructTag, most int, hasMost bool) object {
	if words := tag.Get("enum"); words != "" {
		return object{"enum": strings.Split(words, "|")}
	}
	out := object{"type": "string"}
	if hasMost {
		out["maxLength"] = most
	}
	if tag.Get("need") != "" {
		out["minLength"] = 1
	}
	return out
}

func number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// structure defines a struct once and refers to it.
func (s *schemer) structure(t reflect.Type) object {
	ref := object{"$ref": "#/$defs/" + t.Name()}
	if s.defs[t.Name()] != nil {
		return ref
	}
	s.defs[t.Name()] = object{} // it may contain itself
	properties, need := object{}, []string{}
	for i := range t.NumField() {
		field := t.Field(i)
		name := field.Tag.Get("yaml")
		one := s.of(field.Type, field.Tag)
		if doc := field.Tag.Get("doc"); doc != "" {
			one["description"] = doc
		}
		properties[name] = one
		if field.Tag.Get("need") != "" {
			need = append(need, name)
		}
	}
	def := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(need) > 0 {
		def["required"] = need
	}
	s.defs[t.Name()] = def
	return ref
}
