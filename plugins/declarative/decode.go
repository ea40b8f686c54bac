package declarative

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// What a file may be.
const (
	maxFile   = 256 << 10
	maxDepth  = 30
	maxFlaws  = 20
	maxScalar = 8 << 10
)

// A Flaw is one thing wrong with a file, and where.
type Flaw struct {
	File         string
	Line, Column int // from 1
	Field        string
	Message      string
}

func (f *Flaw) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Field != "" {
		where += f.Field + ": "
	}
	return where + f.Message
}

// place is where a value stands.
type place struct {
	line, column int
	field        string
}

func at(n *yaml.Node, field string) place { return place{n.Line, n.Column, field} }

// flaws collects what is wrong, so that an author sees it all at once.
type flaws struct {
	file string
	list []error
	keys map[string]place // of every field that was read
}

func (f *flaws) add(at place, format string, args ...any) {
	if len(f.list) < maxFlaws {
		f.list = append(f.list, &Flaw{f.file, max(at.line, 1), max(at.column, 1), at.field, fmt.Sprintf(format, args...)})
	}
}

func (f *flaws) err() error { return errors.Join(f.list...) }

// node is a value that reads itself.
type node interface {
	read(n *yaml.Node, at place, f *flaws)
}

// parse reads raw into a File. What it returns is well-formed; whether it makes
// sense, check decides.
func parse(raw []byte, f *flaws) *File {
	if len(raw) > maxFile {
		f.add(place{}, "a file has at most %d bytes", maxFile)
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		f.add(place{line: yamlLine(err)}, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	if len(doc.Content) != 1 {
		f.add(place{}, "the file is empty")
		return nil
	}
	file := &File{}
	decode(doc.Content[0], reflect.ValueOf(file).Elem(), "", "", 0, f)
	return file
}

// yamlLine reads the line out of "yaml: line 3: …".
func yamlLine(err error) int {
	_, rest, _ := strings.Cut(err.Error(), "line ")
	digits, _, _ := strings.Cut(rest, ":")
	line, _ := strconv.Atoi(digits)
	return line
}

func decode(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag, depth int, f *flaws) {
	here := at(n, path)
	if depth > maxDepth {
		f.add(here, "nested too deeply")
		return
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		f.add(here, "anchors and aliases are not read; write it out")
		return
	}
	f.keys[path] = here
	if own, ok := v.Addr().Interface().(node); ok {
		own.read(n, here, f)
		return
	}
	switch v.Interface().(type) {
	case time.Duration, time.Time:
		decodeTime(n, v, here, f)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		decodeStruct(n, v, path, depth, f)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		decode(n, v.Elem(), path, tag, depth, f)
	case reflect.Slice:
		decodeList(n, v, path, tag, depth, f)
	case reflect.Map:
		decodeMap(n, v, path, tag, depth, f)
	default:
		decodeScalar(n, v, here, tag, f)
	}
}

func decodeStruct(n *yaml.Node, v reflect.Value, path string, depth int, f *flaws) {
	if n.Kind != yaml.MappingNode {
		f.add(at(n, path), "want a mapping of fields")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		field, ok := fieldOf(v.Type(), key.Value)
		switch {
		case !ok:
			f.add(at(key, join(path, key.Value)), "no such field; there are %s", strings.Join(namesOf(v.Type()), ", "))
		case seen[key.Value]:
			f.add(at(key, join(path, key.Value)), "given twice")
		default:
			seen[key.Value] = true
			decode(n.Content[i+1], v.FieldByIndex(field.Index), join(path, key.Value), field.Tag, depth+1, f)
		}
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if name := field.Tag.Get("yaml"); field.Tag.Get("need") != "" && !seen[name] {
			f.add(at(n, join(path, name)), "missing")
		}
	}
}

func decodeList(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag, depth int, f *flaws) {
	if n.Kind != yaml.SequenceNode {
		f.add(at(n, path), "want a list")
		return
	}
	if tooMany(len(n.Content), tag) {
		f.add(at(n, path), "at most %s of these", tag.Get("max"))
		return
	}
	if len(n.Content) == 0 && tag.Get("need") != "" {
		f.add(at(n, path), "at least one of these")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, one := range n.Content {
		decode(one, v.Index(i), fmt.Sprintf("%s[%d]", path, i), reflect.StructTag(`enum:"`+tag.Get("enum")+`"`), depth+1, f)
	}
}

func decodeMap(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag, depth int, f *flaws) {
	if n.Kind != yaml.MappingNode {
		f.add(at(n, path), "want a mapping")
		return
	}
	if tooMany(len(n.Content)/2, tag) {
		f.add(at(n, path), "at most %s of these", tag.Get("max"))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Value == "" || len(key.Value) > 100 {
			f.add(at(key, path), "a key is a word of 1 to 100 bytes")
			continue
		}
		if v.MapIndex(reflect.ValueOf(key.Value)).IsValid() {
			f.add(at(key, join(path, key.Value)), "given twice")
			continue
		}
		one := reflect.New(v.Type().Elem()).Elem()
		decode(n.Content[i+1], one, join(path, key.Value), "", depth+1, f)
		v.SetMapIndex(reflect.ValueOf(key.Value), one)
	}
}

func decodeScalar(n *yaml.Node, v reflect.Value, here place, tag reflect.StructTag, f *flaws) {
	if n.Kind != yaml.ScalarNode {
		f.add(here, "want a single value")
		return
	}
	switch v.Kind() {
	case reflect.String:
		decodeWord(n, v, here, tag, f)
	case reflect.Bool:
		if n.Tag != "!!bool" {
			f.add(here, "want true or false")
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	default:
		figure, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 10, 64)
		most := int64(math.MaxInt32)
		if v.Kind() == reflect.Int64 {
			most = 1 << 40
		}
		if limit := tag.Get("max"); limit != "" {
			most, _ = strconv.ParseInt(limit, 10, 64)
		}
		if n.Tag != "!!int" || err != nil || figure < 0 || figure > most {
			f.add(here, "want a whole number from 0 to %d", most)
			return
		}
		v.SetInt(figure)
	}
}

func decodeWord(n *yaml.Node, v reflect.Value, here place, tag reflect.StructTag, f *flaws) {
	most := maxScalar
	if limit := tag.Get("max"); limit != "" {
		most, _ = strconv.Atoi(limit)
	}
	words := tag.Get("enum")
	switch {
	case n.Tag == "!!null":
		f.add(here, "has no value")
	case len(n.Value) > most:
		f.add(here, "over %d bytes", most)
	case n.Value == "" && tag.Get("need") != "":
		f.add(here, "is empty")
	case words != "" && !slices.Contains(strings.Split(words, "|"), n.Value):
		f.add(here, "%.40q is not one of %s", n.Value, strings.ReplaceAll(words, "|", ", "))
	default:
		v.SetString(n.Value)
	}
}

func decodeTime(n *yaml.Node, v reflect.Value, here place, f *flaws) {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || d < 0 || d > 31*24*time.Hour {
			f.add(here, "want a time span such as 30s, 5m or 24h")
			return
		}
		v.SetInt(int64(d))
		return
	}
	day, err := time.Parse(time.DateOnly, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		f.add(here, "want a day such as 2027-03-01")
		return
	}
	v.Set(reflect.ValueOf(day))
}

func tooMany(n int, tag reflect.StructTag) bool {
	most, err := strconv.Atoi(tag.Get("max"))
	return n > 200 || err == nil && n > most
}

func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if field := t.Field(i); name != "" && field.Tag.Get("yaml") == name {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

func namesOf(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("yaml"))
	}
	return names
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

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
