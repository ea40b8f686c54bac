package declarative

import (
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
