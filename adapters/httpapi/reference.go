package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A document is what the reference page shows of the contract.
type document struct {
	Info struct{ Title, Version, Description string }
	Tags []struct {
		Name, Description string
		Operations        []operation
	}
	Schemas []schemaPage
	Paths   map[string]map[string]operation
	Parts   struct {
		Parameters map[string]parameter
		Schemas    map[string]schema
	} `json:"components"`
}

type operation struct {
	ID, Method, Path     string
	Summary, Description string
	Tags                 []string
	Action               string `json:"x-action"`
	Public               string `json:"x-public"`
	Session              bool   `json:"x-session"`
	StepUp               bool   `json:"x-step-up"`
	Parameters           []parameter
	RequestBody          struct {
		Content map[string]struct{ Schema schema }
	}
	Responses map[string]struct {
		Description string
		Content     map[string]struct{ Schema schema }
	}
	OperationID string

	Curl, Status, Answer string // examples
	BodyType, Body       string // what it takes, and an example of it
}

// Endless reports whether the answer is a stream: a page cannot show that.
func (op operation) Endless() bool {
	for _, r := range op.Responses {
		if _, ok := r.Content["text/event-stream"]; ok {
			return true
		}
	}
	return false
}

type parameter struct {
	Ref                   string `json:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                schema
}

type schema struct {
	Ref                       string `json:"$ref"`
	Type, Format, Description string
	Enum                      []string
	Required                  []string
	Items                     *schema
	Properties                map[string]schema
	Example                   json.RawMessage
	Minimum                   float64
}

type schemaPage struct {
	Name   string
	Fields []field
	Enum   []string
}

type field struct {
	Name, Type, Target, Description string
	Required                        bool
}

// readContract arranges the contract by tag, for reading.
func readContract(raw []byte) (*document, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			op, ok := d.Paths[path][method]
			if !ok {
				continue
			}
			op.Method, op.Path, op.ID = strings.ToUpper(method), base+path, op.OperationID
			for i, p := range op.Parameters {
				if p.Ref != "" {
					op.Parameters[i] = d.Parts.Parameters[last(p.Ref)]
				}
			}
			op.Curl = d.curl(op)
			op.BodyType, op.Body = d.body(op)
			op.Status, op.Answer = d.answer(op)
			for i := range d.Tags {
				if slices.Contains(op.Tags, d.Tags[i].Name) {
					d.Tags[i].Operations = append(d.Tags[i].Operations, op)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Parts.Schemas)) {
		d.Schemas = append(d.Schemas, schemaOf(name, d.Parts.Schemas[name]))
	}
	return &d, nil
}

func schemaOf(name string, s schema) schemaPage {
	p := schemaPage{Name: name, Enum: s.Enum}
	for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
		v := s.Properties[member]
		p.Fields = append(p.Fields, field{member, v.Kind(), v.Target(), v.Description, slices.Contains(s.Required, member)})
	}
	return p
}

// Kind says what a value is, in a word or two.
func (s schema) Kind() string {
	switch {
	case s.Ref != "":
		return last(s.Ref)
	case s.Items != nil:
		return "list of " + s.Items.Kind()
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, " | ")
	case s.Format != "":
		return s.Type + ", " + s.Format
	}
	return s.Type
}

// Target is the schema that a value refers to, itself or by its items.
func (s schema) Target() string {
	if s.Items != nil {
		return s.Items.Target()
	}
	return last(s.Ref)
}

func last(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }
