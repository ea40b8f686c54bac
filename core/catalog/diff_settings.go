package catalog

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// settingsChanged says what is other of what an operator sets, member by
// member: "new: retries; other: key; gone: region". It is empty if only the
// writing differs. A member that is no longer sealed is among the other ones.
func settingsChanged(was, now []byte) string {
	old, next := schemaOf(was), schemaOf(now)
	if reflect.DeepEqual(old, next) {
		return ""
	}
	before, after := membersOf(old), membersOf(next)
	var added, other, gone []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if had, ok := before[name]; !ok {
			added = append(added, name)
		} else if !reflect.DeepEqual(had, after[name]) {
			other = append(other, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[name]; !ok {
			gone = append(gone, name)
		}
	}
	var said []string
	for _, part := range []struct {
		word  string
		names []string
	}{{"new: ", added}, {"other: ", other}, {"gone: ", gone}} {
		if len(part.names) > 0 {
			said = append(said, part.word+strings.Join(part.names, ", "))
		}
	}
	if len(said) == 0 {
		return "other rules for the same members"
	}
	return strings.Join(said, "; ")
}

// schemaOf reads a schema. One that is none, or nothing, is nil.
func schemaOf(raw []byte) (schema map[string]any) {
	_ = json.Unmarshal(raw, &schema)
	return schema
}

// membersOf is a schema's members, with whether each has to be set.
func membersOf(schema map[string]any) map[string]any {
	type member struct {
		Schema   any
		Required bool
	}
	required, _ := schema["required"].([]any)
	members, _ := schema["properties"].(map[string]any)
	out := map[string]any{}
	for name, s := range members {
		out[name] = member{s, slices.Contains(required, any(name))}
	}
	return out
}
