package httpapi

import (
	"strings"
	"testing"
	"time"
)

func TestCursorBelongsToItsList(t *testing.T) {
	s := signer{key: []byte(strings.Repeat("k", 32))}
	cursor := s.sign("ten_a\n/posts\nstate=draft", "post_1")
	for name, tc := range map[string]struct {
		signer  signer
		binding string
		cursor  string
		ok      bool
	}{
		"its own":       {s, "ten_a\n/posts\nstate=draft", cursor, true},
		"other tenant":  {s, "ten_b\n/posts\nstate=draft", cursor, false},
		"other list":    {s, "ten_a\n/media\nstate=draft", cursor, false},
		"other filter":  {s, "ten_a\n/posts\nstate=live", cursor, false},
		"other key":     {signer{key: []byte(strings.Repeat("l", 32))}, "ten_a\n/posts\nstate=draft", cursor, false},
		"changed":       {s, "ten_a\n/posts\nstate=draft", cursor[:len(cursor)-1] + "A", false},
		"cut":           {s, "ten_a\n/posts\nstate=draft", cursor[:20], false},
		"not base64":    {s, "ten_a\n/posts\nstate=draft", cursor + "!", false},
		"empty":         {s, "ten_a\n/posts\nstate=draft", "", false},
		"loose padding": {s, "ten_a\n/posts\nstate=draft", cursor + "=", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := tc.signer.open(tc.binding, tc.cursor)
			if ok != tc.ok || ok && got != "post_1" {
				t.Errorf("%q %t", got, ok)
			}
		})
	}
}

func FuzzCursor(f *testing.F) {
	s := signer{key: []byte(strings.Repeat("k", 32))}
	f.Add("list", s.sign("list", "post_1"))
	f.Add("list", "")
	f.Add("", "AAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, binding, cursor string) {
		if payload, ok := s.open(binding, cursor); ok && s.sign(binding, payload) != cursor {
			t.Fatalf("%q opens as %q, which is signed differently", cursor, payload)
		}
	})
}

func TestWindow(t *testing.T) {
	at := func(days int) *time.Time {
		v := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, days)
		return &v
	}
	for name, tc := range map[string]struct {
		from, until *time.Time
		given, ok   bool
	}{
		"none":      {nil, nil, false, true},
		"62 days":   {at(0), at(62), true, true},
		"63 days":   {at(0), at(63), false, false},
		"half":      {at(0), nil, false, false},
		"otherhalf": {nil, at(0), false, false},
		"empty":     {at(1), at(1), false, false},
		"backwards": {at(2), at(1), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			given, err := window(tc.from, tc.until)
			if given != tc.given || (err == nil) != tc.ok {
				t.Errorf("%t %v", given, err)
			}
		})
	}
}

func FuzzETag(f *testing.F) {
	f.Add(`"v3"`)
	f.Add(`W/"v3"`)
	f.Add(`"v-1"`)
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok := parseETag(s); ok && v < 0 {
			t.Fatalf("%q is version %d", s, v)
		}
	})
}
