package rules_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/rules"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

var post = social.Format{
	Text:  social.TextRule{Max: 10, Count: social.Graphemes, MaxBytes: 30, Optional: true},
	Media: social.MediaRule{Kinds: []social.MediaKind{social.Image}, Max: 2, MIMEs: []string{"image/png", "image/w*"}, MaxBytes: 100, MaxWidth: 40, MaxHeight: 30, MaxAlt: 5},
}

func picture() social.Media {
	return social.Media{Kind: social.Image, MIME: "image/png", Bytes: 100, Width: 40, Height: 30, Alt: "a 🔔 b"}
}

func with(change func(*social.Media)) []social.Media {
	m := picture()
	change(&m)
	return []social.Media{picture(), m}
}

func TestCheck(t *testing.T) {
	type found struct {
		Field, Reason string
		Limit, Actual float64
	}
	for name, tc := range map[string]struct {
		text   string
		media  []social.Media
		limits *social.Limits
		strict bool // text is required
		want   []found
	}{
		"fits":                      {text: "ten chars!", media: []social.Media{picture(), picture()}},
		"too long":                  {text: "eleven char", want: []found{{"/p/text", "text.too_long", 10, 11}}},
		"too many bytes":            {text: strings.Repeat("👨‍👩‍👧‍👦", 2), want: []found{{"/p/text", "text.too_many_bytes", 30, 50}}},
		"the account allows more":   {text: "eleven char", limits: &social.Limits{MaxText: 11}},
		"the account allows less":   {text: "six...", limits: &social.Limits{MaxText: 5}, want: []found{{"/p/text", "text.too_long", 5, 6}}},
		"the account weighs links":  {text: "http://a.com/bc", limits: &social.Limits{URLWeight: 9}},
		"nothing":                   {text: " \n", want: []found{{"/p/text", "text.required", 0, 0}}},
		"a picture alone":           {media: []social.Media{picture()}},
		"a picture without a text":  {media: []social.Media{picture()}, strict: true, want: []found{{"/p/text", "text.required", 0, 0}}},
		"too many pictures":         {media: []social.Media{picture(), picture(), picture()}, want: []found{{"/p/media", "media.too_many", 2, 3}}},
		"another kind":              {media: with(func(m *social.Media) { m.Kind = social.Video }), want: []found{{"/p/media/1", "media.kind_not_allowed", 0, 0}}},
		"another type":              {media: with(func(m *social.Media) { m.MIME = "image/gif" }), want: []found{{"/p/media/1", "media.type_not_allowed", 0, 0}}},
		"a type by pattern":         {media: with(func(m *social.Media) { m.MIME = "image/webp" })},
		"too large":                 {media: with(func(m *social.Media) { m.Bytes++ }), want: []found{{"/p/media/1", "media.too_large", 100, 101}}},
		"too wide and too high":     {media: with(func(m *social.Media) { m.Width, m.Height = 41, 31 }), want: []found{{"/p/media/1", "media.too_wide", 40, 41}, {"/p/media/1", "media.too_high", 30, 31}}},
		"a description too long":    {media: with(func(m *social.Media) { m.Alt = "a 🔔 bc" }), want: []found{{"/p/media/1/alt", "alt.too_long", 5, 6}}},
		"the account's own figures": {media: []social.Media{picture(), picture()}, limits: &social.Limits{MaxMedia: 1, MaxMediaBytes: 200, MaxAlt: 9}, want: []found{{"/p/media", "media.too_many", 1, 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			format := post
			format.Text.Optional = !tc.strict
			var got []found
			for _, v := range rules.Check(format, tc.limits, tc.text, tc.media, "/p") {
				if v.Message == "" || v.Warning {
					t.Errorf("%+v says nothing, or only warns", v)
				}
				got = append(got, found{v.Field, v.Reason, v.Limit, v.Actual})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNoLimitsMeanNone(t *testing.T) {
	huge := social.Media{Kind: social.Video, MIME: "video/x", Bytes: 1 << 40, Width: 1 << 20, Height: 1 << 20, Alt: strings.Repeat("x", 1<<16)}
	if got := rules.Check(social.Format{}, nil, strings.Repeat("x", 1<<20), []social.Media{huge}, ""); got != nil {
		t.Errorf("got %v", got)
	}
}

const schema = `{"type":"object","additionalProperties":false,"required":["visibility"],"properties":{
	"visibility":{"enum":["public","unlisted"]},"a/b":{"type":"object","properties":{"n":{"type":"integer","maximum":3}}}}}`

func TestSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		schema, settings string
		want             []string
	}{
		"none allowed, none given":       {},
		"none allowed":                   {settings: `{"b":1,"a~/":2}`, want: []string{"/s/a~0~1", "/s/b"}},
		"valid":                          {schema: schema, settings: `{"visibility":"public"}`},
		"missing":                        {schema: schema, want: []string{"/s"}},
		"wrong":                          {schema: schema, settings: `{"visibility":"secret"}`, want: []string{"/s/visibility"}},
		"deep":                           {schema: schema, settings: `{"visibility":"public","a/b":{"n":4}}`, want: []string{"/s/a~1b/n"}},
		"a broken schema":                {schema: `{"type":7}`, want: []string{"/s"}},
		"no schema at all":               {schema: `nonsense`, want: []string{"/s"}},
		"a schema that reads files":      {schema: `{"$ref":"file:///etc/passwd"}`, want: []string{"/s"}},
		"a schema that asks the network": {schema: `{"$ref":"http://127.0.0.1/x"}`, want: []string{"/s"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := rules.New()
			for range 2 { // the second time from the cache
				var got []string
				for _, v := range r.Settings([]byte(tc.schema), object(t, tc.settings), "/s") {
					got = append(got, v.Field)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func object(t *testing.T, raw string) map[string]any {
	t.Helper()
	if raw == "" {
		return nil
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte(schema), `{"visibility":"public"}`)
	f.Add([]byte(`{"$ref":"#"}`), `{}`)
	f.Fuzz(func(t *testing.T, schema []byte, raw string) {
		var settings map[string]any
		if json.Unmarshal([]byte(raw), &settings) != nil {
			return
		}
		for _, v := range rules.New().Settings(schema, settings, "/s") {
			if !strings.HasPrefix(v.Field, "/s") || fault.Check([]fault.Violation{v}) == nil {
				t.Errorf("%+v is no violation of a setting", v)
			}
		}
	})
}
