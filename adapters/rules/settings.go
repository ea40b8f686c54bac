package rules

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/carillonhq/carillon/ports/fault"
)

// maxSchemas bounds the cache: schemas come from plugins.
const maxSchemas = 256

// schemas remembers compiled schemas by their text.
type schemas struct {
	mu   sync.Mutex
	seen map[string]*jsonschema.Schema
}

// Settings holds settings to a JSON Schema. A nil schema allows none. A schema
// that does not compile is a broken plugin: it reads as one violation.
func (r *Rules) Settings(schema []byte, settings map[string]any, pointer string) []fault.Violation {
	if len(schema) == 0 {
		return unexpected(settings, pointer)
	}
	compiled, err := r.schemas.get(schema)
	if err != nil {
		return []fault.Violation{{Field: pointer, Reason: "settings.no_rules", Message: "This channel's plugin does not say which settings it takes."}}
	}
	if settings == nil {
		settings = map[string]any{}
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(compiled.Validate(settings), &invalid) {
		return nil
	}
	return leaves(invalid, pointer, nil)
}

func unexpected(settings map[string]any, pointer string) (found []fault.Violation) {
	for name := range settings {
		found = append(found, fault.Violation{Field: pointer + "/" + escape(name), Reason: "settings.not_allowed", Message: "There is no such setting."})
	}
	slices.SortFunc(found, func(a, b fault.Violation) int { return strings.Compare(a.Field, b.Field) })
	return found
}

// get compiles a schema once. It loads nothing: a reference to another
// document is refused, wherever it points.
func (s *schemas) get(schema []byte) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.seen[string(schema)]; known != nil {
		return known, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	if err := c.AddResource("mem:settings", doc); err != nil {
		return nil, err
	}
	compiled, err := c.Compile("mem:settings")
	if err != nil {
		return nil, err
	}
	if s.seen == nil || len(s.seen) >= maxSchemas {
		s.seen = map[string]*jsonschema.Schema{}
	}
	s.seen[string(schema)] = compiled
	return compiled, nil
}

type nowhere struct{}

func (nowhere) Load(string) (any, error) {
	return nil, errors.New("a settings schema stands on its own")
}

var english = message.NewPrinter(language.English)

// leaves turns a tree of causes into the inputs at fault.
func leaves(e *jsonschema.ValidationError, pointer string, found []fault.Violation) []fault.Violation {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			found = leaves(cause, pointer, found)
		}
		return found
	}
	at := pointer
	for _, segment := range e.InstanceLocation {
		at += "/" + escape(segment)
	}
	return append(found, fault.Violation{Field: at, Reason: "settings.invalid", Message: e.ErrorKind.LocalizedString(english)})
}

// escape is RFC 6901, section 3.
func escape(segment string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(segment)
}
