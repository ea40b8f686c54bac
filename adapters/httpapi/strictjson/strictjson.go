// Package strictjson reads request bodies and nothing but what they may say.
//
// encoding/json takes a member in any case, lets the last of two duplicates
// win and ignores what it does not know: two readers of one body can then
// disagree about what it says. Decode refuses all of that, says where with a
// JSON Pointer, and checks the validator rules of the target. A member without
// omitempty is required.
//
// Start with Decode; Merge applies an RFC 7396 patch by the same rules.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
)

// MaxDepth is how deep arrays and objects may nest.
const MaxDepth = 64

// maxViolations bounds the answer to a body that is wrong everywhere.
const maxViolations = 32

// Decode reads data into the value that into points to. It returns
// fault.Invalid naming each member at fault, and then leaves into undefined.
// Of an empty body the cause is io.EOF.
func Decode(data []byte, into any) error {
	if err := parse(data, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return unreadable(err)
	}
	return Validate(into)
}

// parse checks the text of data against the shape of t.
func parse(data []byte, t reflect.Type) error {
	if !utf8.Valid(data) {
		return malformed("The body is not valid UTF-8.")
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return malformed("The body is empty.").Because(io.EOF)
	}
	w := &walker{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	w.dec.UseNumber()
	if err := w.value("", t, 0); err != nil {
		return err
	}
	if _, err := w.dec.Token(); err == nil || w.dec.InputOffset() != int64(len(bytes.TrimRight(data, " \t\r\n"))) {
		return malformed("There is something after the JSON value.")
	}
	return fault.Check(w.found)
}

func malformed(message string) *fault.Error {
	return fault.New(fault.Invalid, "request.malformed", "%s", message)
}

// unreadable is a value of the right kind that does not fit, such as a number
// that is too large or a date that is none.
func unreadable(err error) error {
	f := fault.New(fault.Invalid, "json.wrong_type", "A value cannot be read.").Because(err)
	if e := new(json.UnmarshalTypeError); errors.As(err, &e) {
		return f.On(pointerOf(e.Field))
	}
	return f
}

// Merge applies the RFC 7396 patch to current and reads the result back, so a
// patch can only make what could have been sent as a whole.
func Merge[T any](current T, patch json.RawMessage) (T, error) {
	var merged T
	var change map[string]any
	if err := parse(patch, reflect.TypeFor[map[string]any]()); err != nil {
		return merged, err
	}
	if err := number(patch, &change); err != nil {
		return merged, unreadable(err)
	}
	before, err := json.Marshal(current)
	if err != nil {
		return merged, err
	}
	var whole map[string]any
	if err := number(before, &whole); err != nil {
		return merged, err
	}
	after, err := json.Marshal(mergePatch(whole, change))
	if err != nil {
		return merged, err
	}
	return merged, Decode(after, &merged)
}

// Same reports whether a patch left everything as it was: b was made of a by
// Merge. Nobody has to be told of a change that is none.
func Same[T any](a, b T) bool {
	before, errBefore := json.Marshal(a)
	after, errAfter := json.Marshal(b)
	return errBefore == nil && errAfter == nil && bytes.Equal(before, after)
}

// number is json.Unmarshal that keeps numbers as they were written.
func number(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode(into)
}

// mergePatch is the algorithm of RFC 7396, section 2.
func mergePatch(target map[string]any, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			old, _ := target[name].(map[string]any)
			target[name] = mergePatch(old, v)
		default:
			target[name] = v
		}
	}
	return target
}
