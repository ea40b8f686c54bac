package rules_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/carillonhq/carillon/adapters/rules"
	"github.com/carillonhq/carillon/ports/social"
)

type countCase struct {
	Name      string       `json:"name"`
	Text      string       `json:"text"`
	Unit      social.Count `json:"unit"`
	URLWeight int          `json:"url_weight"`
	Want      int          `json:"want"`
}

// cases are shared with the counter in the browser.
func cases(t testing.TB) []countCase {
	t.Helper()
	raw, err := os.ReadFile("testdata/counting.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []countCase
	if err := json.Unmarshal(raw, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d cases, err = %v", len(all), err)
	}
	return all
}

func TestCount(t *testing.T) {
	for _, tc := range cases(t) {
		t.Run(tc.Name, func(t *testing.T) {
			rule := social.TextRule{Count: tc.Unit, URLWeight: tc.URLWeight}
			if got := rules.Count(rule, tc.Text); got != tc.Want {
				t.Errorf("Count(%q) = %d %s, want %d", tc.Text, got, tc.Unit, tc.Want)
			}
		})
	}
}

// A text that grows never counts less by much: a counter that wraps or loops
// on strange input would let anything through.
func FuzzCount(f *testing.F) {
	for _, tc := range cases(f) {
		f.Add(tc.Text)
	}
	f.Add("http://a." + strings.Repeat("xn--", 40) + "com/((((")
	f.Fuzz(func(t *testing.T, text string) {
		for _, unit := range []social.Count{social.Codepoints, social.Graphemes, social.UTF16, social.Bytes, social.XWeighted} {
			plain := rules.Count(social.TextRule{Count: unit}, text)
			if plain < 0 || unit != social.XWeighted && plain > len(text) {
				t.Errorf("%q counts %d %s", text, plain, unit)
			}
			heavy := rules.Count(social.TextRule{Count: unit, URLWeight: 1 << 20}, text)
			if links := heavy >> 20; links > strings.Count(text, ".") {
				t.Errorf("%q has %d links", text, links)
			}
		}
		if utf8.ValidString(text) && text != "" && rules.Count(social.TextRule{Count: social.Graphemes}, text) == 0 {
			t.Errorf("%q counts nothing", text)
		}
	})
}

func BenchmarkCount(b *testing.B) {
	text := strings.Repeat("Ring the bells 🔔 at https://example.com/a and tell 鐘の音. ", 8)
	for _, unit := range []social.Count{social.Codepoints, social.Graphemes, social.XWeighted} {
		b.Run(string(unit), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				rules.Count(social.TextRule{Count: unit, URLWeight: 23}, text)
			}
		})
	}
}
