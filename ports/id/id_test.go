package id_test

import (
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/id"
)

func TestNamesSortByBirthAndDoNotRepeat(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var all []string
	for i := range 1000 {
		all = append(all, id.At("post", start.Add(time.Duration(i)*time.Millisecond)))
	}
	if !slices.IsSorted(all) {
		t.Error("names do not sort by time")
	}
	if n := len(slices.Compact(slices.Clone(all))); n != 1000 {
		t.Errorf("%d distinct names of 1000", n)
	}
}

func TestIs(t *testing.T) {
	good := id.New("post")
	if !id.Is("post", good) || id.Prefix(good) != "post" {
		t.Errorf("%q is not well-formed", good)
	}
	for name, s := range map[string]string{
		"other prefix": id.New("chan"), "empty": "", "short": "post_01", "upper": "post_01JD9ZZZZZZZZZZZZZZZZZZZZZ",
		"overflow": "post_80000000000000000000000000", "quote": "post_0000000000000000000000000'",
	} {
		if id.Is("post", s) {
			t.Errorf("%s: %q accepted", name, s)
		}
	}
}

func TestBorn(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)
	if got := id.Born(id.At("post", at)); !got.Equal(at) {
		t.Errorf("born %s, want %s", got, at)
	}
	if got := id.Born("post_1"); !got.IsZero() {
		t.Errorf("no name was born %s", got)
	}
}

func FuzzPrefix(f *testing.F) {
	f.Add(id.New("post"))
	f.Add("post_")
	f.Add("_0")
	f.Fuzz(func(t *testing.T, s string) {
		if p := id.Prefix(s); p != "" && !id.Is(p, s) {
			t.Errorf("Prefix(%q) = %q, and Is denies it", s, p)
		}
	})
}
