package strictjson

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"

	"github.com/carillonhq/carillon/ports/fault"
)

// rules is the one validator of the process: it caches what it learns of each
// type and is safe for concurrent use.
var rules = newRules()

func newRules() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	for tag, allowed := range map[string]string{"line": "", "text": "\n\r\t"} {
		err := v.RegisterValidation(tag, func(f validator.FieldLevel) bool { return printable(f.Field().String(), allowed) })
		if err != nil { // a name of ours that the library does not take
			panic(err)
		}
	}
	return v
}

// printable reports whether s holds no control character but those allowed:
// what a person typed has none, and a terminal, a log or a header acts on them.
func printable(s, allowed string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune(allowed, r) })
}

// Validate checks the validator tags of what into points to. A value that is
// no struct has none.
func Validate(into any) error {
	v := reflect.ValueOf(into)
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	var broken validator.ValidationErrors
	err := rules.Struct(into)
	if err == nil {
		return nil
	}
	if !errors.As(err, &broken) {
		return fault.New(fault.Invalid, "request.malformed", "The request could not be read.").Because(err)
	}
	var found []fault.Violation
	for _, b := range broken[:min(len(broken), maxViolations)] {
		found = append(found, violation(b))
	}
	return fault.Check(found)
}

func violation(b validator.FieldError) fault.Violation {
	_, path, _ := strings.Cut(b.Namespace(), ".")
	v, ok := broke[b.Tag()]
	if !ok {
		v = fault.Violation{Reason: "field.invalid", Message: "This is not valid."}
	}
	v.Field = pointerOf(path)
	v.Limit, _ = strconv.ParseFloat(b.Param(), 64)
	v.Actual = size(b.Value())
	switch b.Tag() {
	case "min":
		v.Message = "This must " + measured("at least", b) + "."
	case "max":
		v.Message = "This must " + measured("at most", b) + "."
	case "oneof":
		v.Message = "This must be one of: " + strings.ReplaceAll(b.Param(), " ", ", ") + "."
	}
	return v
}

// broke is what breaking each rule is called.
var broke = map[string]fault.Violation{
	"min":   {Reason: "field.too_small", Message: "This is too small or too short."},
	"max":   {Reason: "field.too_large", Message: "This is too large or too long."},
	"oneof": {Reason: "field.not_allowed", Message: "This is none of the values there are."},
	"email": {Reason: "field.not_email", Message: "This is not an e-mail address."},
	"line":  {Reason: "field.control", Message: "Leave out control characters, such as line breaks."},
	"text":  {Reason: "field.control", Message: "Leave out control characters."},
}

// measured says a bound in the words of what it bounds.
func measured(how string, b validator.FieldError) string {
	s := "s"
	if b.Param() == "1" {
		s = ""
	}
	switch b.Kind() {
	case reflect.String:
		return "be " + how + " " + b.Param() + " character" + s + " long"
	case reflect.Slice, reflect.Map:
		return "have " + how + " " + b.Param() + " item" + s
	}
	return "be " + how + " " + b.Param()
}

func size(value any) float64 {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.String:
		return float64(len([]rune(v.String())))
	case reflect.Slice, reflect.Map:
		return float64(v.Len())
	case reflect.Int, reflect.Int64, reflect.Int32:
		return float64(v.Int())
	}
	return 0
}

// pointerOf turns segments[0].text into /segments/0/text.
func pointerOf(path string) string {
	if path == "" {
		return ""
	}
	return "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(path)
}
