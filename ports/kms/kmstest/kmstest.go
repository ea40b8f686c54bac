// Package kmstest is the contract of kms.Keeper as a test suite.
package kmstest

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/kms"
)

// A Bench is a keeper on test and what can be done to it. Nil: that cannot be.
type Bench struct {
	Keeper kms.Keeper
	// Next gives it one more key, which wraps from then on, and returns the
	// keeper to go on with.
	Next func(t *testing.T) kms.Keeper
	// Drop takes the keys away that Next came after.
	Drop func(t *testing.T) kms.Keeper
	// Lock makes it unreachable or locked; the function undoes that.
	Lock func(t *testing.T) func()
}

const canary = "a-data-key-of-exactly-32-bytes!!"

// Run holds a keeper to the contract. open makes a fresh one.
func Run(t *testing.T, open func(t *testing.T) Bench) {
	t.Helper()
	t.Run("what was wrapped opens", func(t *testing.T) { opens(t, open(t).Keeper) })
	t.Run("what was not wrapped so does not open", func(t *testing.T) { refuses(t, open(t).Keeper) })
	t.Run("two are unlike", func(t *testing.T) { unlike(t, open(t).Keeper) })
	t.Run("many at once", func(t *testing.T) { atOnce(t, open(t).Keeper) })
	t.Run("another key comes", func(t *testing.T) { next(t, open(t)) })
	t.Run("locked", func(t *testing.T) { locked(t, open(t)) })
}

func wrap(t *testing.T, k kms.Keeper, key, bound string) kms.Wrapped {
	t.Helper()
	w, err := k.Wrap(t.Context(), []byte(key), []byte(bound))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func opens(t *testing.T, k kms.Keeper) {
	for _, key := range []string{canary, "x", strings.Repeat("k", 64), "\x00\xff\n"} {
		for _, bound := range []string{"ten_1/1", "", "\x00\xff\"\n"} {
			w := wrap(t, k, key, bound)
			got, err := k.Unwrap(t.Context(), w, []byte(bound))
			if err != nil || string(got) != key {
				t.Errorf("%q bound to %q: %q, %v", key, bound, got, err)
			}
			if key == canary && (bytes.Contains(w.Bytes, []byte(key)) || bytes.Contains(w.Bytes, []byte(base64.StdEncoding.EncodeToString([]byte(key))))) {
				t.Error("it is wrapped in the clear")
			}
			all, err := k.Keys(t.Context())
			if err != nil || w.Key == "" || all.Current != w.Key || !slices.Contains(all.All, w.Key) {
				t.Errorf("wrapped by %q, and there is %+v, %v", w.Key, all, err)
			}
		}
	}
}

func refuses(t *testing.T, k kms.Keeper) {
	w := wrap(t, k, canary, "ten_1/1")
	changed := bytes.Clone(w.Bytes)
	changed[len(changed)-1] ^= 1
	for name, tc := range map[string]struct {
		w     kms.Wrapped
		bound string
	}{
		"bound to another":   {w, "ten_2/1"},
		"bound to nothing":   {w, ""},
		"changed":            {kms.Wrapped{Key: w.Key, Bytes: changed}, "ten_1/1"},
		"cut":                {kms.Wrapped{Key: w.Key, Bytes: w.Bytes[:len(w.Bytes)/2]}, "ten_1/1"},
		"empty":              {kms.Wrapped{Key: w.Key}, "ten_1/1"},
		"an unknown key":     {kms.Wrapped{Key: w.Key + "9", Bytes: w.Bytes}, "ten_1/1"},
		"a key of no keeper": {kms.Wrapped{Key: "../../sys/seal", Bytes: w.Bytes}, "ten_1/1"},
		"no key":             {kms.Wrapped{Bytes: w.Bytes}, "ten_1/1"},
	} {
		got, err := k.Unwrap(t.Context(), tc.w, []byte(tc.bound))
		if !fault.Is(err, fault.Internal) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error holds the key", name)
		}
		reason := "kms.refused"
		if tc.w.Key != w.Key {
			reason = "kms.unknown_key"
		}
		if got := fault.Of(err).Reason; got != reason {
			t.Errorf("%s: %s, want %s", name, got, reason)
		}
	}
}

func unlike(t *testing.T, k kms.Keeper) {
	if bytes.Equal(wrap(t, k, canary, "b").Bytes, wrap(t, k, canary, "b").Bytes) {
		t.Error("the same key is wrapped alike twice")
	}
}

func atOnce(t *testing.T, k kms.Keeper) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			bound := []byte{byte(i)}
			w, err := k.Wrap(t.Context(), []byte(canary), bound)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := k.Unwrap(t.Context(), w, bound); err != nil || string(got) != canary {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func next(t *testing.T, b Bench) {
	before := wrap(t, b.Keeper, canary, "b")
	if b.Next == nil {
		t.Log("it has one key for good")
		return
	}
	k := b.Next(t)
	after := wrap(t, k, canary, "b")
	if after.Key == before.Key {
		t.Errorf("both were wrapped by %s", after.Key)
	}
	for _, w := range []kms.Wrapped{before, after} {
		if got, err := k.Unwrap(t.Context(), w, []byte("b")); err != nil || string(got) != canary {
			t.Errorf("by %s: %q, %v", w.Key, got, err)
		}
	}
	if _, err := k.Unwrap(t.Context(), kms.Wrapped{Key: after.Key, Bytes: before.Bytes}, []byte("b")); !fault.Is(err, fault.Internal) {
		t.Errorf("one key passes for another: %v", err)
	}
	if b.Drop == nil {
		return
	}
	k = b.Drop(t)
	if _, err := k.Unwrap(t.Context(), before, []byte("b")); fault.Of(err) == nil || fault.Of(err).Reason != "kms.unknown_key" {
		t.Errorf("a key that is gone: %v", err)
	}
	if _, err := k.Unwrap(t.Context(), after, []byte("b")); err != nil {
		t.Error(err)
	}
}

func locked(t *testing.T, b Bench) {
	if b.Lock == nil {
		t.Log("it cannot be locked")
		return
	}
	w := wrap(t, b.Keeper, canary, "b")
	unlock := b.Lock(t)
	_, err := b.Keeper.Unwrap(t.Context(), w, []byte("b"))
	_, err2 := b.Keeper.Wrap(t.Context(), []byte(canary), []byte("b"))
	_, err3 := b.Keeper.Keys(t.Context())
	for _, err := range []error{err, err2, err3} {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("locked, it answers %v", err)
		}
	}
	unlock()
	if got, err := b.Keeper.Unwrap(t.Context(), w, []byte("b")); err != nil || string(got) != canary {
		t.Errorf("unlocked: %q, %v", got, err)
	}
}
