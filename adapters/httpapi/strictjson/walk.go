package strictjson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
)

// A walker reads the tokens of a body beside the type they are meant for.
type walker struct {
	data  []byte
	dec   *json.Decoder
	found []fault.Violation
	mute  bool // within a value that its owner will Decode by itself
}

func (w *walker) report(pointer, reason, message string, args ...any) {
	if !w.mute && len(w.found) < maxViolations {
		w.found = append(w.found, fault.Violation{Field: pointer, Reason: reason, Message: fmt.Sprintf(message, args...)})
	}
}

// value reads one value. A nil type takes anything. The error is for a text
// that is no JSON; what is JSON but wrong is reported.
func (w *walker) value(at string, t reflect.Type, depth int) error {
	if depth > MaxDepth {
		return fault.New(fault.Invalid, "json.too_deep", "Arrays and objects may nest %d deep.", MaxDepth).On(at)
	}
	if t == reflect.TypeFor[json.RawMessage]() && !w.mute {
		w.mute = true
		defer func() { w.mute = false }()
	}
	start := w.dec.InputOffset()
	token, err := w.dec.Token()
	if err != nil {
		return malformed("The body is not valid JSON.")
	}
	s := shapeOf(t)
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return w.object(at, w.expect(at, s, "an object"), depth)
		}
		return w.array(at, w.expect(at, s, "an array"), depth)
	case string:
		if s = w.expect(at, s, "a string"); s.instant {
			w.instant(at, token)
		}
		w.text(at, token, start)
	case json.Number:
		if s = w.expect(at, s, "a number"); s.integer && strings.ContainsAny(token.String(), ".eE") {
			w.report(at, "json.wrong_type", "This must be a whole number.")
		}
	case bool:
		w.expect(at, s, "true or false")
	case nil:
		w.null(at, t, s)
	}
	return nil
}

// null is for a value that may be absent, and for a merge patch.
func (w *walker) null(at string, t reflect.Type, s shape) {
	if s.kind != "" && t.Kind() != reflect.Pointer {
		w.report(at, "json.wrong_type", "This must be %s.", s.kind)
	}
}

// text refuses the one character that Postgres cannot keep, and halves of
// characters, which encoding/json would replace. It was read from start on.
func (w *walker) text(at, s string, start int64) {
	switch {
	case strings.ContainsRune(s, 0):
		w.report(at, "json.nul", "A text cannot contain the character U+0000.")
	case strings.ContainsRune(s, utf8.RuneError) && halved(w.data[start:w.dec.InputOffset()]):
		w.report(at, "json.half_character", "A text cannot contain half of a surrogate pair, such as \\ud800 alone.")
	}
}

// halved reports whether a string, as it is written, escapes a surrogate that
// is no half of a pair.
func halved(raw []byte) bool {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if i++; raw[i] != 'u' {
			continue
		}
		r := escaped(raw[i:])
		if i += 4; !utf16.IsSurrogate(r) {
			continue
		}
		if i+2 >= len(raw) || raw[i+1] != '\\' || utf16.DecodeRune(r, escaped(raw[i+2:])) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

// escaped is the code unit of "uXXXX", or 0.
func escaped(raw []byte) rune {
	if len(raw) < 5 || raw[0] != 'u' {
		return 0
	}
	n, _ := strconv.ParseUint(string(raw[1:5]), 16, 16)
	return rune(n)
}

func (w *walker) instant(at, s string) {
	if err := new(time.Time).UnmarshalText([]byte(s)); err != nil {
		w.report(at, "json.not_a_time", "Write an instant that exists, with an offset, such as 2027-03-01T09:00:00Z.")
	}
}

// expect reports a value of the wrong kind, and then stops checking its inside.
func (w *walker) expect(at string, s shape, kind string) shape {
	if s.kind != "" && s.kind != kind {
		w.report(at, "json.wrong_type", "This must be %s.", s.kind)
		return shape{}
	}
	return s
}

func (w *walker) array(at string, s shape, depth int) error {
	for i := 0; w.dec.More(); i++ {
		if err := w.value(at+"/"+strconv.Itoa(i), s.elem, depth+1); err != nil {
			return err
		}
	}
	return w.end()
}

func (w *walker) object(at string, s shape, depth int) error {
	seen, folded := map[string]bool{}, map[string]string{}
	for w.dec.More() {
		start := w.dec.InputOffset()
		token, err := w.dec.Token()
		if err != nil {
			return malformed("The body is not valid JSON.")
		}
		name, _ := token.(string)
		here := at + "/" + escape(name)
		w.text(here, name, start)
		w.member(here, name, s, seen, folded)
		seen[name], folded[strings.ToLower(name)] = true, name
		if err := w.value(here, s.of(name), depth+1); err != nil {
			return err
		}
	}
	w.missing(at, s, seen)
	return w.end()
}

func (w *walker) member(at, name string, s shape, seen map[string]bool, folded map[string]string) {
	other, variant := folded[strings.ToLower(name)]
	switch {
	case seen[name]:
		w.report(at, "json.duplicate_member", "This member is there twice.")
	case variant:
		w.report(at, "json.duplicate_member", "%.64q and %.64q differ only in case.", other, name)
	case s.members != nil && !s.knows(name):
		w.report(at, "json.unknown_member", "There is no such member.")
	}
}

func (w *walker) missing(at string, s shape, seen map[string]bool) {
	for _, name := range s.required {
		if !seen[name] {
			w.report(at+"/"+escape(name), "json.required", "This is required.")
		}
	}
}

func (w *walker) end() error {
	if _, err := w.dec.Token(); err != nil {
		return malformed("The body is not valid JSON.")
	}
	return nil
}

// escape writes a reference token of RFC 6901.
func escape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// A shape is what a Go type looks like in JSON. The zero shape takes anything.
type shape struct {
	kind     string
	integer  bool
	instant  bool
	elem     reflect.Type            // of an array or a map
	members  map[string]reflect.Type // of a struct
	required []string
}

func (s shape) knows(name string) bool { _, ok := s.members[name]; return ok }

func (s shape) of(name string) reflect.Type {
	if s.members != nil {
		return s.members[name]
	}
	return s.elem
}

var shapes sync.Map // reflect.Type → shape

func shapeOf(t reflect.Type) shape {
	if t == nil {
		return shape{}
	}
	if s, ok := shapes.Load(t); ok {
		return s.(shape)
	}
	s := newShape(t)
	shapes.Store(t, s)
	return s
}

var (
	marshals = reflect.TypeFor[json.Unmarshaler]()
	texts    = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func newShape(t reflect.Type) shape {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch p := reflect.PointerTo(t); {
	case t == reflect.TypeFor[time.Time]():
		return shape{kind: "a string", instant: true}
	case !p.Implements(marshals) && p.Implements(texts):
		return shape{kind: "a string"}
	case p.Implements(marshals):
		return shape{}
	}
	switch t.Kind() {
	case reflect.String:
		return shape{kind: "a string"}
	case reflect.Bool:
		return shape{kind: "true or false"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return shape{kind: "a number", integer: true}
	case reflect.Float32, reflect.Float64:
		return shape{kind: "a number"}
	case reflect.Slice, reflect.Array:
		return shape{kind: "an array", elem: t.Elem()}
	case reflect.Map:
		return shape{kind: "an object", elem: t.Elem()}
	case reflect.Struct:
		return structShape(t)
	}
	return shape{}
}

func structShape(t reflect.Type) shape {
	s := shape{kind: "an object", members: map[string]reflect.Type{}}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		s.members[name] = t.Field(i).Type
		if !strings.Contains(options, "omitempty") {
			s.required = append(s.required, name)
		}
	}
	sort.Strings(s.required)
	return s
}
