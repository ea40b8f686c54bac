package bundle

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Lines are where the fields of a file stand, by path: "test.answers.401".
type Lines map[string]int

// LinesOf finds every field of a file and those below it. Of a file that cannot
// be read nothing is known.
func LinesOf(text []byte) Lines {
	all := Lines{}
	var whole yaml.Node
	if yaml.Unmarshal(text, &whole) == nil && len(whole.Content) > 0 {
		all.find(whole.Content[0], "")
	}
	return all
}

func (l Lines) find(n *yaml.Node, path string) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		at := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
		l[at] = n.Content[i].Line
		l.find(n.Content[i+1], at)
	}
}

// Of is ":LINE: ", or ": " for what is not written.
func (l Lines) Of(field string) string {
	if n := l[field]; n > 0 {
		return fmt.Sprintf(":%d: ", n)
	}
	return ": "
}

var (
	atLine  = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknown = regexp.MustCompile(`(?s)^field (\S+) not found in type .+$`)
	notAs   = regexp.MustCompile("^cannot unmarshal !!(\\w+)(?: `(.*)`)? into (\\S+)$")
)

// Mistake is what a reader of YAML found wrong, for people: ":LINE: what", of
// the first line that is wrong.
func Mistake(err error) error {
	text := err.Error()
	var several *yaml.TypeError
	if errors.As(err, &several) && len(several.Errors) > 0 {
		text = several.Errors[0]
	}
	found := atLine.FindStringSubmatch(text)
	if found == nil {
		return fmt.Errorf(": %s", strings.TrimPrefix(text, "yaml: "))
	}
	return fmt.Errorf(":%s: %s", found[1], plain(found[2]))
}

// plain says it without the names of Go.
func plain(text string) string {
	if m := unknown.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("there is no field %q here", m[1])
	}
	if m := notAs.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%q is %s, and %s is wanted", m[2], kinds[m[1]], wanted(m[3]))
	}
	return text
}

var kinds = map[string]string{
	"str": "a text", "int": "a number", "float": "a number", "bool": "true or false", "seq": "a list", "map": "a set of fields", "null": "nothing",
}

func wanted(kind string) string {
	switch {
	case strings.HasPrefix(kind, "[]"):
		return "a list"
	case kind == "time.Duration":
		return "a time such as 10s"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "float"):
		return "a number"
	case kind == "bool":
		return "true or false"
	case kind == "string":
		return "a text"
	}
	return "a set of fields"
}
