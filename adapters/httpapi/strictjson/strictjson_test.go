package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/httpapi/strictjson"
	"github.com/carillonhq/carillon/ports/fault"
)

type post struct {
	Segments []segment      `json:"segments" validate:"min=1,max=2,dive"`
	Comment  *segment       `json:"comment,omitempty"`
	Count    int            `json:"count,omitempty" validate:"omitempty,max=9"`
	At       *time.Time     `json:"at,omitempty"`
	Mail     string         `json:"mail,omitempty" validate:"omitempty,email"`
	Kind     string         `json:"kind,omitempty" validate:"omitempty,oneof=a b"`
	Settings map[string]any `json:"settings,omitempty"`
	Loud     *bool          `json:"loud,omitempty"`
}

type segment struct {
	Text string `json:"text" validate:"min=1,max=5"`
}

func TestDecode(t *testing.T) {
	const seg = `"segments":[{"text":"a"}]`
	for name, tc := range map[string]struct{ body, reason, field string }{
		"good":               {`{` + seg + `,"comment":{"text":"b"},"count":3,"at":"2026-03-02T12:00:00Z","settings":{"x":{"y":[1,null]}},"loud":false}`, "", ""},
		"white space":        {" {" + seg + "}\r\n\t ", "", ""},
		"null is absent":     {`{` + seg + `,"comment":null,"at":null}`, "", ""},
		"empty":              {" ", "request.malformed", ""},
		"no json":            {`{"segments":`, "request.malformed", ""},
		"bare word":          {`hello`, "request.malformed", ""},
		"second value":       {`{` + seg + `}{}`, "request.malformed", ""},
		"trailing text":      {`{` + seg + `} x`, "request.malformed", ""},
		"trailing brace":     {`{` + seg + `}}`, "request.malformed", ""},
		"bad utf-8":          {"{\"segments\":[{\"text\":\"\xff\"}]}", "request.malformed", ""},
		"unknown":            {`{` + seg + `,"admin":true}`, "json.unknown_member", "/admin"},
		"unknown inside":     {`{"segments":[{"text":"a","html":"b"}]}`, "json.unknown_member", "/segments/0/html"},
		"case variant":       {`{` + seg + `,"Count":1}`, "json.unknown_member", "/Count"},
		"both cases":         {`{` + seg + `,"count":1,"COUNT":1}`, "json.duplicate_member", "/COUNT"},
		"both cases in free": {`{` + seg + `,"settings":{"a":1,"A":2}}`, "json.duplicate_member", "/settings/A"},
		"duplicate":          {`{"segments":[{"text":"a","text":"b"}]}`, "json.duplicate_member", "/segments/0/text"},
		"escaped duplicate":  {`{` + seg + `,"settings":{"a":1,"\u0061":2}}`, "json.duplicate_member", "/settings/a"},
		"missing":            {`{}`, "json.required", "/segments"},
		"missing inside":     {`{"segments":[{"text":"a"},{}]}`, "json.required", "/segments/1/text"},
		"null required":      {`{"segments":null}`, "json.wrong_type", "/segments"},
		"wrong kind":         {`{"segments":[{"text":1}]}`, "json.wrong_type", "/segments/0/text"},
		"array for object":   {`[]`, "json.wrong_type", ""},
		"fraction":           {`{` + seg + `,"count":1.5}`, "json.wrong_type", "/count"},
		"huge number":        {`{` + seg + `,"count":99999999999999999999}`, "json.wrong_type", "/count"},
		"no date":            {`{` + seg + `,"at":"tomorrow"}`, "json.not_a_time", "/at"},
		"no offset":          {`{` + seg + `,"at":"2027-01-01T00:00:00"}`, "json.not_a_time", "/at"},
		"a 60th second":      {`{` + seg + `,"at":"2027-01-01T00:00:60Z"}`, "json.not_a_time", "/at"},
		"half a pair":        {`{"segments":[{"text":"x\ud800y"}]}`, "json.half_character", "/segments/0/text"},
		"the other half":     {`{"segments":[{"text":"\udc00"}]}`, "json.half_character", "/segments/0/text"},
		"two first halves":   {`{"segments":[{"text":"\ud83d\ud83d"}]}`, "json.half_character", "/segments/0/text"},
		"a whole pair":       {`{"segments":[{"text":"\ud83d\ude00"}]}`, "", ""},
		"escaped escape":     {`{"segments":[{"text":"\\d8\ufffd"}]}`, "", ""},
		"nul":                {`{"segments":[{"text":"a\u0000"}]}`, "json.nul", "/segments/0/text"},
		"nul in a name":      {`{` + seg + `,"settings":{"\u0000":1}}`, "json.nul", "/settings/\x00"},
		"pointer is escaped": {`{` + seg + `,"a/b~c":1}`, "json.unknown_member", "/a~1b~0c"},
		"too long":           {`{"segments":[{"text":"aaaaaa"}]}`, "field.too_large", "/segments/0/text"},
		"too short":          {`{"segments":[{"text":""}]}`, "field.too_small", "/segments/0/text"},
		"too many":           {`{"segments":[{"text":"a"},{"text":"a"},{"text":"a"}]}`, "field.too_large", "/segments"},
		"not listed":         {`{` + seg + `,"kind":"c"}`, "field.not_allowed", "/kind"},
		"not a mail":         {`{` + seg + `,"mail":"c"}`, "field.not_email", "/mail"},
		"64 deep":            {`{` + seg + `,"settings":{"a":` + strings.Repeat("[", 62) + strings.Repeat("]", 62) + `}}`, "", ""},
		"65 deep":            {`{` + seg + `,"settings":{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}}`, "json.too_deep", "/settings/a" + strings.Repeat("/0", 63)},
		"a million deep":     {strings.Repeat("[", 1_000_000), "json.wrong_type", ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := strictjson.Decode([]byte(tc.body), new(post))
			if tc.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			f := fault.Of(err)
			if err == nil || f.Code != fault.Invalid {
				t.Fatalf("%v, want invalid", err)
			}
			if name != "a million deep" && (f.Reason != tc.reason || f.Field != tc.field) {
				t.Errorf("%s on %q, want %s on %q", f.Reason, f.Field, tc.reason, tc.field)
			}
		})
	}
}

func TestDecodeNamesEverythingAtFault(t *testing.T) {
	err := strictjson.Decode([]byte(`{"segments":[{"x":1}],"y":2}`), new(post))
	var got []string
	for _, v := range fault.Of(err).Violations {
		got = append(got, v.Reason+" "+v.Field)
	}
	want := []string{"json.unknown_member /segments/0/x", "json.required /segments/0/text", "json.unknown_member /y"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Cases of RFC 7396, appendix A, within one type.
func TestMerge(t *testing.T) {
	current := post{Segments: []segment{{"a"}, {"b"}}, Comment: &segment{"c"}, Settings: map[string]any{"x": map[string]any{"y": "1", "z": "2"}}}
	for name, tc := range map[string]struct{ patch, want, reason, field string }{
		"nothing":          {`{}`, `{"segments":[{"text":"a"},{"text":"b"}],"comment":{"text":"c"},"settings":{"x":{"y":"1","z":"2"}}}`, "", ""},
		"array is whole":   {`{"segments":[{"text":"n"}]}`, `{"segments":[{"text":"n"}],"comment":{"text":"c"},"settings":{"x":{"y":"1","z":"2"}}}`, "", ""},
		"null removes":     {`{"comment":null,"settings":{"x":{"y":null}}}`, `{"segments":[{"text":"a"},{"text":"b"}],"settings":{"x":{"z":"2"}}}`, "", ""},
		"null on required": {`{"segments":null}`, "", "json.required", "/segments"},
		"unknown":          {`{"version":9}`, "", "json.unknown_member", "/version"},
		"duplicate":        {`{"count":1,"count":2}`, "", "json.duplicate_member", "/count"},
		"rules hold":       {`{"count":10}`, "", "field.too_large", "/count"},
		"no object":        {`[]`, "", "json.wrong_type", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := strictjson.Merge(current, json.RawMessage(tc.patch))
			if tc.reason != "" {
				if f := fault.Of(err); err == nil || f.Reason != tc.reason || f.Field != tc.field {
					t.Fatalf("%v, want %s on %q", err, tc.reason, tc.field)
				}
				return
			}
			if out, _ := json.Marshal(got); err != nil || string(out) != tc.want {
				t.Errorf("%s %v, want %s", out, err, tc.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"segments":[{"text":"a"}]}`, `{"settings":{"a":[1,{"b":null}]}}`, `[[[[`, `{"a":1,"A":2}`, `"\ud800"`, `1e999`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p post
		err := strictjson.Decode(data, &p)
		if err != nil {
			if c := fault.Of(err).Code; c != fault.Invalid {
				t.Fatalf("%v is %s", err, c)
			}
			return
		}
		out, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := strictjson.Decode(out, new(post)); err != nil {
			t.Fatalf("accepted %q but not its own %q: %v", data, out, err)
		}
	})
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"comment":null}`))
	f.Add([]byte(`{"settings":{"a":{"b":1}}}`))
	f.Fuzz(func(t *testing.T, patch []byte) {
		merged, err := strictjson.Merge(post{Segments: []segment{{"a"}}}, patch)
		if err == nil && len(merged.Segments) == 0 {
			t.Fatalf("%q broke a rule", patch)
		}
	})
}

func TestBoundsAreSaidInWords(t *testing.T) {
	for body, want := range map[string]string{
		`{"segments":[]}`: "This must have at least 1 item.",
		`{"segments":[{"text":"a"},{"text":"b"},{"text":"c"}]}`: "This must have at most 2 items.",
		`{"segments":[{"text":""}]}`:                            "This must be at least 1 character long.",
		`{"segments":[{"text":"abcdef"}]}`:                      "This must be at most 5 characters long.",
		`{"segments":[{"text":"a"}],"count":10}`:                "This must be at most 9.",
	} {
		if f := fault.Of(strictjson.Decode([]byte(body), new(post))); f == nil || f.Message != want {
			t.Errorf("%s: %v, want %q", body, f, want)
		}
	}
}

// A value that its owner reads by itself does not spoil the document around it.
func TestARawValueIsReadByItself(t *testing.T) {
	type batch struct {
		Posts []json.RawMessage `json:"posts"`
	}
	if err := strictjson.Decode([]byte(`{"posts":[{"a":1,"a":2,"\u0000":0},{"b":1}]}`), new(batch)); err != nil {
		t.Errorf("err = %v", err)
	}
	err := strictjson.Decode([]byte(`{"posts":[{"a":1,"a":2}],"posts":[]}`), new(batch))
	if f := fault.Of(err); f == nil || f.Field != "/posts" || len(f.Violations) != 1 {
		t.Errorf("err = %v", err)
	}
}
