package rules_test

import (
	"encoding/json"
	"os"
	"slices"
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

// conformance is the file that every counter runs.
type conformance struct {
	Texts []struct {
		Name, Text string
		Counts     map[social.Count]int
		Links      []string
		BareLinks  []string `json:"bare_links"`
	}
	Rules  []countCase
	Checks []checkCase
}

func shared(t testing.TB) (c conformance) {
	t.Helper()
	raw, err := os.ReadFile("testdata/conformance.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &c); err != nil || len(c.Texts) == 0 || len(c.Rules) == 0 || len(c.Checks) == 0 {
		t.Fatalf("%d texts, err = %v", len(c.Texts), err)
	}
	return c
}

func cases(t testing.TB) []countCase { return shared(t).Rules }

func TestTexts(t *testing.T) {
	units := []social.Count{social.Codepoints, social.Graphemes, social.UTF16, social.Bytes, social.XWeighted}
	for _, tc := range shared(t).Texts {
		for _, unit := range units {
			want, ok := tc.Counts[unit]
			if got := rules.Count(social.TextRule{Count: unit}, tc.Text); !ok || got != want {
				t.Errorf("%s: Count(%q) = %d %s, want %d", tc.Name, tc.Text, got, unit, want)
			}
		}
		if got := rules.Links(tc.Text, false); !slices.Equal(got, tc.Links) {
			t.Errorf("%s: links %q, want %q", tc.Name, got, tc.Links)
		}
		if got := rules.Links(tc.Text, true); !slices.Equal(got, tc.BareLinks) {
			t.Errorf("%s: links with bare domains %q, want %q", tc.Name, got, tc.BareLinks)
		}
	}
}

// checkCase is an object held to a format, in the words of the API.
type checkCase struct {
	Name   string
	Format struct {
		Text struct {
			Max       int
			Count     social.Count
			MaxBytes  int `json:"max_bytes"`
			URLWeight int `json:"url_weight"`
			Optional  bool
		}
		Media struct {
			Kinds     []social.MediaKind
			Max       int
			MIMEs     []string `json:"mimes"`
			MaxBytes  int64    `json:"max_bytes"`
			MaxWidth  int      `json:"max_width"`
			MaxHeight int      `json:"max_height"`
			MaxAlt    int      `json:"max_alt"`
		}
	}
	Limits     *social.Limits
	Text       string
	Media      []social.Media
	Violations []struct {
		Field, Reason string
		Limit, Actual float64
	}
}

func TestChecks(t *testing.T) {
	for _, tc := range shared(t).Checks {
		format := social.Format{Text: social.TextRule(tc.Format.Text), Media: social.MediaRule(tc.Format.Media)}
		got := rules.Check(format, tc.Limits, tc.Text, tc.Media, "")
		if len(got) != len(tc.Violations) {
			t.Errorf("%s: %+v, want %+v", tc.Name, got, tc.Violations)
			continue
		}
		for i, want := range tc.Violations {
			if v := got[i]; v.Field != want.Field || v.Reason != want.Reason || v.Limit != want.Limit || v.Actual != want.Actual {
				t.Errorf("%s: %+v, want %+v", tc.Name, v, want)
			}
		}
	}
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
