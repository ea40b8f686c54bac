package vault_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/ports/kms/kmstest"
)

func TestARingIsAKeeper(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) kmstest.Bench {
		return kmstest.Bench{
			Keeper: ringOf(t, 1, map[int][]byte{1: kek(1)}),
			Next:   func(t *testing.T) kms.Keeper { return ringOf(t, 2, map[int][]byte{1: kek(1), 2: kek(2)}) },
			Drop:   func(t *testing.T) kms.Keeper { return ringOf(t, 2, map[int][]byte{2: kek(2)}) },
		}
	})
}

func TestSeveralKeepersAreOne(t *testing.T) {
	one, two := ringOf(t, 1, map[int][]byte{1: kek(1)}), ringOf(t, 7, map[int][]byte{7: kek(7)})
	kmstest.Run(t, func(*testing.T) kmstest.Bench {
		return kmstest.Bench{Keeper: one, Next: func(*testing.T) kms.Keeper { return kms.Several(two, one) }}
	})
	if all, err := kms.Several(two, one).Keys(t.Context()); err != nil || all.Current != "master/7" || !slices.Equal(all.All, []string{"master/1", "master/7"}) {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestParseRing(t *testing.T) {
	a, b := base64.StdEncoding.EncodeToString(kek(1)), base64.StdEncoding.EncodeToString(kek(2))
	for text, want := range map[string]string{
		a:                             "1 of [1]",
		"2:" + b + " " + a:            "2 of [1 2]",
		"1:" + a + ",2:" + b:          "1 of [1 2]", // the one to come is known already
		"# ours\n7:" + b + " # now\n": "7 of [7]",
		"":                            "",
		"2:" + b + " 2:" + a:          "",
		"2:" + b + " 1:short":         "",
	} {
		r, err := vault.ParseRing(text)
		got := ""
		if err == nil {
			got = fmt.Sprint(r.Current(), " of ", r.Numbers())
		}
		if got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
		if err != nil && (strings.Contains(err.Error(), a) || strings.Contains(err.Error(), b)) {
			t.Errorf("the error repeats a key: %v", err)
		}
	}
}

func TestARingMakesWithOneAndTakesAll(t *testing.T) {
	r := ringOf(t, 2, map[int][]byte{1: kek(1), 2: kek(2), 3: kek(3)})
	if !bytes.Equal(r.Key(vault.Cursor), vault.New(kek(2)).Key(vault.Cursor)) {
		t.Error("the current key does not make")
	}
	want := [][]byte{vault.New(kek(3)).Key(vault.Cursor), vault.New(kek(1)).Key(vault.Cursor)}
	if got := r.Others(vault.Cursor); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d others", len(got))
	}
	if _, err := r.Join(vault.Single(kek(9))); err == nil {
		t.Error("two keys of one number")
	}
	joined, err := ringOf(t, 2, map[int][]byte{2: kek(2)}).Join(vault.Single(kek(1)))
	if err != nil || joined.Current() != 2 || len(joined.Numbers()) != 2 {
		t.Errorf("%v, %v", joined, err)
	}
	if got := fmt.Sprintf("%v %+v %#v %s %x %d", r, r, r, r, r, r); got != "ring ring ring ring ring ring" {
		t.Error(got)
	}
}

func TestNewRingRefusesBadKeys(t *testing.T) {
	for name, masters := range map[string]map[int][]byte{
		"none": nil, "short": {1: kek(1)[:16]}, "number 0": {0: kek(1), 1: kek(1)}, "no current": {2: kek(1)},
	} {
		if _, err := vault.NewRing(1, masters); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), string(kek(1)[:16])) {
			t.Errorf("%s: the error holds the key", name)
		}
	}
}
