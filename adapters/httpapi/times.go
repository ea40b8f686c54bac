package httpapi

import (
	"encoding/json"
	"reflect"
	"sync"
	"time"
)

// encode writes every answer. Times have one form in all of them, whoever made
// them: RFC 3339, in UTC, with at most six digits of a second, which is what the
// database keeps. An answer that was just made and the same thing read later
// then say the same.
func encode(v any) ([]byte, error) {
	settle(reflect.ValueOf(v))
	return json.Marshal(v)
}

var timeType = reflect.TypeFor[time.Time]()

// settle brings the times within v into that form, where v can be changed:
// answers are pointers.
func settle(v reflect.Value) {
	if !v.IsValid() || !timed(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		settle(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			settle(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == timeType {
			if v.CanSet() {
				v.Set(reflect.ValueOf(v.Interface().(time.Time).UTC().Truncate(time.Microsecond)))
			}
			return
		}
		for i := range v.NumField() {
			settle(v.Field(i))
		}
	}
}

// hasTime remembers which types can hold a time.
var hasTime sync.Map

// timed reports whether a value of t can hold a time that settle reaches.
func timed(t reflect.Type) bool {
	if known, ok := hasTime.Load(t); ok {
		return known.(bool)
	}
	found := holdsTime(t, map[reflect.Type]bool{})
	hasTime.Store(t, found)
	return found
}

func holdsTime(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == timeType || t.Kind() == reflect.Interface {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return holdsTime(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && holdsTime(f.Type, seen) {
				return true
			}
		}
	}
	return false
}
