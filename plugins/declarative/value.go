package declarative

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// JSON is a JSON document written as YAML.
type JSON struct {
	at  place
	raw json.RawMessage
}

func (j *JSON) read(n *yaml.Node, here place, f *flaws) {
	j.at = here
	value, ok := plain(n, here, 0, f)
	if _, object := value.(map[string]any); ok && !object {
		f.add(here, "want a JSON object")
		return
	}
	raw, err := json.Marshal(value)
	if err != nil {
		f.add(here, "is not JSON")
		return
	}
	j.raw = raw
}

// plain is a YAML value as encoding/json would read it.
func plain(n *yaml.Node, here place, depth int, f *flaws) (any, bool) {
	switch {
	case depth > maxDepth:
		f.add(at(n, here.field), "nested too deeply")
		return nil, false
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		f.add(at(n, here.field), "anchors and aliases are not read; write it out")
		return nil, false
	case n.Kind == yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, one := range n.Content {
			value, ok := plain(one, place{field: fmt.Sprintf("%s[%d]", here.field, i)}, depth+1, f)
			if !ok {
				return nil, false
			}
			list = append(list, value)
		}
		return list, true
	case n.Kind == yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			value, ok := plain(n.Content[i+1], place{field: join(here.field, n.Content[i].Value)}, depth+1, f)
			if !ok {
				return nil, false
			}
			object[n.Content[i].Value] = value
		}
		return object, true
	}
	return literal(n), true
}

// literal is a scalar by the type that YAML's core schema gives it.
func literal(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return i
		}
	case "!!float":
		if x, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsInf(x, 0) && !math.IsNaN(x) {
			return x
		}
	}
	return n.Value
}

// Statuses are HTTP statuses and classes of them, such as 429 and 5xx.
type Statuses struct {
	at   place
	list []string
}

func (s *Statuses) read(n *yaml.Node, here place, f *flaws) {
	s.at = here
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	for _, one := range nodes {
		word := one.Value
		figure, err := strconv.Atoi(word)
		class := len(word) == 3 && word[0] >= '2' && word[0] <= '5' && word[1:] == "xx"
		if one.Kind != yaml.ScalarNode || !class && (err != nil || figure < 200 || figure > 599) {
			f.add(at(one, here.field), "%.20q is no status such as 429 or 4xx", word)
			continue
		}
		s.list = append(s.list, word)
	}
}

func (s *Statuses) match(status int) bool {
	text := strconv.Itoa(status)
	return len(s.list) == 0 || slices.ContainsFunc(s.list, func(one string) bool {
		return one == text || one[1:] == "xx" && one[0] == text[0]
	})
}
