package bluesky

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSpans(t *testing.T) {
	cases := map[string]struct {
		text string
		want []span
	}{
		"nothing":             {"Low tide at noon.", nil},
		"a link":              {"See https://example.com/a?b=c.", []span{{4, 29, link, "https://example.com/a?b=c"}}},
		"bytes, not letters":  {"Ébb 🌊 https://a.example", []span{{10, 27, link, "https://a.example"}}},
		"link in brackets":    {"(https://a.example/x)", []span{{1, 20, link, "https://a.example/x"}}},
		"brackets in a link":  {"https://a.example/x_(y)", []span{{0, 23, link, "https://a.example/x_(y)"}}},
		"and a full stop":     {"https://a.example/x_(y).", []span{{0, 23, link, "https://a.example/x_(y)"}}},
		"no host":             {"https://", nil},
		"a mention":           {"Hi @bob.test!", []span{{3, 12, mention, "bob.test"}}},
		"end of a sentence":   {"Ask @bob.test.", []span{{4, 13, mention, "bob.test"}}},
		"no handle":           {"@bob and ann@bob.test", nil},
		"a tag":               {"Out at #sea, again", []span{{7, 11, hashtag, "sea"}}},
		"a wide mark":         {"＃海", []span{{0, 6, hashtag, "海"}}},
		"numbers are no tags": {"We are #1", nil},
		"a tag in a link":     {"https://a.example/#top", []span{{0, 22, link, "https://a.example/#top"}}},
		"one after another":   {"#a @b.c https://d.example", []span{{0, 2, hashtag, "a"}, {3, 7, mention, "b.c"}, {8, 25, link, "https://d.example"}}},
		"a tag too long":      {"#" + strings.Repeat("a", 65), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, spans(c.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFacetsDropUnknownPeople(t *testing.T) {
	got := facets("@bob.test and @gone.test", map[string]string{"bob.test": "did:plc:bob", "gone.test": ""})
	if len(got) != 1 {
		t.Fatalf("facets = %v", got)
	}
	want := []any{map[string]string{"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:bob"}}
	if diff := cmp.Diff(want, got[0]["features"]); diff != "" {
		t.Error(diff)
	}
}

func FuzzSpans(f *testing.F) {
	for _, seed := range []string{"https://a.b/(c)).", "@a.b@c.d", "##x #", "＃海 #海", "http://https://@x.y#z", "\x80#\xff @a.b", "(((https://x)))"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for _, s := range spans(text) {
			if s.Start < end || s.End <= s.Start || s.End > len(text) {
				t.Fatalf("span %+v in %d bytes after %d", s, len(text), end)
			}
			end = s.End
			if !strings.HasSuffix(text[s.Start:s.End], s.Value) {
				t.Errorf("%q does not end in %q", text[s.Start:s.End], s.Value)
			}
			if utf8.ValidString(text) && !utf8.ValidString(text[s.Start:s.End]) {
				t.Errorf("%+v cuts a letter", s)
			}
		}
	})
}

func TestTID(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key := tid(at, "op-1")
	if len(key) != 13 || strings.Trim(key, tidAlphabet) != "" || !strings.ContainsRune("234567abcdefghij", rune(key[0])) {
		t.Errorf("%q is no TID", key)
	}
	if tid(at, "op-1") != key || tid(at.Add(300*time.Millisecond), "op-1") != key {
		t.Error("the same post has two keys")
	}
	seen := map[string]bool{}
	for i := range 2000 {
		seen[tid(at, strings.Repeat("x", i))] = true
	}
	if len(seen) != 2000 {
		t.Errorf("2000 posts of one second have %d keys", len(seen))
	}
	if later := tid(at.Add(2*time.Second), "op-0"); later <= key {
		t.Errorf("%q does not sort after %q", later, key)
	}
	if early := tid(time.Time{}, "op-1"); len(early) != 13 {
		t.Errorf("before 1970: %q", early)
	}
}

func FuzzExpiry(f *testing.F) {
	for _, seed := range []string{"", "a.b.c", "e.eyJleHAiOjE3MDB9.s", "e.eyJleHAiOi0xfQ.s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if at := expiry(token); !at.IsZero() && at.Unix() <= 0 {
			t.Errorf("%q ends %s", token, at)
		}
	})
}
