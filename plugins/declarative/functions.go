package declarative

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"

	"github.com/expr-lang/expr"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// builtins are the functions of the language that are pure, end, and answer
// with no more than they were given.
var builtins = []string{
	"all", "any", "count", "filter", "find", "first", "float", "hasPrefix", "indexOf", "int", "join", "keys", "last", "len",
	"lower", "map", "max", "min", "none", "one", "split", "string", "sum", "take", "trim", "trimPrefix", "trimSuffix", "upper", "values",
}

// functions are ours, for a process that has a file to read.
var functions = sync.OnceValue(func() []expr.Option {
	return []expr.Option{
		expr.Function("match", matchFunc, new(func(string, string, int) string), new(func(any, string, int) string)),
		expr.Function("json", jsonFunc, new(func(any) string)),
		expr.Function("units", unitsFunc, new(func(string, string) int), new(func(any, string) int)),
		expr.Function("escape", escapeFunc, new(func(string) string), new(func(any) string)),
		expr.Function("text", textFunc, new(func(any) string)),
	}
})

// matchFunc is match(text, pattern, group): what the group of a regular
// expression (RE2) matched, or "".
func matchFunc(in ...any) (any, error) {
	text, _ := in[0].(string)
	pattern, err := regexp.Compile(in[1].(string))
	if err != nil {
		return nil, err
	}
	found, group := pattern.FindStringSubmatch(text), in[2].(int)
	if group < 0 || group >= len(found) {
		return "", nil
	}
	return found[group], nil
}

func jsonFunc(in ...any) (any, error) {
	raw, err := json.Marshal(in[0])
	return string(raw), err
}

// textFunc is text(value): a figure written out in full.
func textFunc(in ...any) (any, error) { return textOf(in[0]) }

// unitsFunc is units(text, "utf16"): how long the text is, links as they are
// written but for x_weighted, as the host counts.
func unitsFunc(in ...any) (any, error) {
	text, _ := in[0].(string)
	return textcount.Count(social.TextRule{Count: social.Count(in[1].(string))}, text), nil
}

// escapeFunc is escape(text): its HTML special characters as entities.
func escapeFunc(in ...any) (any, error) {
	text, _ := in[0].(string)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text), nil
}

var unitNames = []string{string(social.Codepoints), string(social.Graphemes), string(social.UTF16), string(social.Bytes), string(social.XWeighted)}
