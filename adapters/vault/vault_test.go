package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/vault"
)

func TestEachPurposeHasItsOwnKey(t *testing.T) {
	v := vault.New(bytes.Repeat([]byte{7}, vault.KeySize))
	seen := map[string]string{}
	for _, p := range vault.Purposes() {
		key := v.Key(p)
		if len(key) != vault.KeySize {
			t.Errorf("%s: %d bytes", p, len(key))
		}
		if other, ok := seen[string(key)]; ok {
			t.Errorf("%s and %s share a key", p, other)
		}
		seen[string(key)] = p
		if !bytes.Equal(key, v.Key(p)) {
			t.Errorf("%s: two calls, two keys", p)
		}
	}
	if bytes.Equal(v.Key(vault.Session), vault.New(bytes.Repeat([]byte{8}, vault.KeySize)).Key(vault.Session)) {
		t.Error("two masters, one key")
	}
}

// What is sealed today must open tomorrow: the derivation never changes. The
// figure was computed by hand with HMAC-SHA256, as RFC 5869 has it.
func TestDerivationIsFixed(t *testing.T) {
	v := vault.New([]byte("0123456789abcdef0123456789abcdef"))
	got := hex.EncodeToString(v.Key(vault.Session))
	if want := "d20a9bea41e40fffa32db187e77aab60b3b789f1bf67d8f1f6556084f5d99995"; got != want {
		t.Errorf("session key = %s, want %s", got, want)
	}
}

func TestParseKey(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb}, vault.KeySize)
	for name, tc := range map[string]struct {
		text string
		ok   bool
	}{
		"standard":    {base64.StdEncoding.EncodeToString(key), true},
		"unpadded":    {base64.RawStdEncoding.EncodeToString(key), true},
		"url":         {base64.URLEncoding.EncodeToString(key), true},
		"a line":      {base64.StdEncoding.EncodeToString(key) + "\n", true},
		"empty":       {"", false},
		"too short":   {base64.StdEncoding.EncodeToString(key[:16]), false},
		"too long":    {base64.StdEncoding.EncodeToString(append(key, 1)), false},
		"a pass-word": {"correct horse battery staple", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := vault.ParseKey(tc.text)
			if (err == nil) != tc.ok || tc.ok && !bytes.Equal(got, key) {
				t.Fatalf("%x, %v", got, err)
			}
			if err != nil && tc.text != "" && strings.Contains(err.Error(), tc.text) {
				t.Errorf("the error repeats the key: %v", err)
			}
		})
	}
}

func TestParseNumbered(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, vault.KeySize))
	for text, want := range map[string]int{
		key: 1, "1:" + key: 1, " 12:" + key + "\n": 12,
		"": 0, "2:": 0, ":" + key: 0, "0:" + key: 0, "-1:" + key: 0, "x:" + key: 0, "99999999999:" + key: 0, "1:2:" + key: 0,
	} {
		number, got, err := vault.ParseNumbered(text)
		if (err == nil) != (want > 0) || want > 0 && (number != want || len(got) != vault.KeySize) {
			t.Errorf("%q: %d, %d bytes, %v", text, number, len(got), err)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func TestAVaultDoesNotPrint(t *testing.T) {
	v := vault.New([]byte("0123456789abcdef0123456789abcdef"))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if got := fmt.Sprintf(verb, v); got != "vault" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}
