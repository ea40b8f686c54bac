package identity_test

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

func TestPasswords(t *testing.T) {
	for password, reason := range map[secret.Secret]string{
		"mist orchard velvet quarry":      "",
		"correct horse battery pigeon":    "",
		"ein unwahrscheinlicher satz":     "",
		"пятнадцатьбуквиещёнемного":       "",
		"🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧🐦🐤🦆":                 "",
		"sunshine dragon monkey velvet":   "",
		"x7#kQ!m2Vb9$zLp":                 "",
		"":                                "password.too_short",
		"fourteen chars":                  "password.too_short",
		"passwordpassword":                "password.common",
		"Password1234567!":                "password.common",
		"P@ssw0rdP@ssw0rd":                "password.common",
		"aaaaaaaaaaaaaaaaaaaa":            "password.common",
		"abcabcabcabcabcabc":              "password.common",
		"1234567890123456":                "password.common",
		"qwertyuiopasdfghjkl":             "password.common",
		"iloveyou-iloveyou-2024":          "password.common",
		"monkey dragon princess":          "password.common",
		"ann.archer ann.archer":           "password.common",
		"carillon carillon 99":            "password.common",
		"correct horse battery staple":    "password.common",
		"\xff\xfe not readable text here": "password.characters",
	} {
		w := newWorld()
		err := w.Register(t.Context(), laptop, identity.Registration{Email: "ann.archer@example.test", Name: "Ann", Password: password})
		if f := fault.Of(err); f == nil && reason != "" || f != nil && f.Reason != reason {
			t.Errorf("%q: err = %v, want %q", password.Reveal(), err, reason)
		}
	}
	w := newWorld()
	for n, reason := range map[int]string{identity.MaxPassword: "", identity.MaxPassword + 1: "password.too_long"} {
		long := secret.Secret(strings.Repeat("é", n-20) + "mist orchard velvet ")
		err := w.Register(t.Context(), laptop, identity.Registration{Email: "ann@example.test", Name: "Ann", Password: long})
		if f := fault.Of(err); f == nil && reason != "" || f != nil && f.Reason != reason {
			t.Errorf("%d characters: %v", n, err)
		}
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"Ann@Example.test":                   "ann@example.test",
		"  ann+tag@sub.example.test\n":       "ann+tag@sub.example.test",
		"o'brien@example.test":               "o'brien@example.test",
		"":                                   "",
		"ann":                                "",
		"ann@":                               "",
		"@example.test":                      "",
		"ann@localhost":                      "",
		"ann@example.test, bob@b.test":       "",
		"Ann <ann@example.test>":             "",
		"ann@example.test\r\nBcc: x@y.z":     "",
		"\"a b\"@example.test":               "",
		"ann@[192.0.2.1]":                    "",
		"аnn@example.test":                   "", // a Cyrillic а
		"ann@exa\u200bmple.test":             "",
		strings.Repeat("a", 250) + "@b.test": "",
	} {
		got, err := identity.Address(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("ann@example.test")
	f.Add("\"a\"@b.c")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := identity.Address(text)
		if err != nil {
			return
		}
		if again, err := identity.Address(got); err != nil || again != got {
			t.Errorf("%q is not its own form: %q, %v", got, again, err)
		}
		if strings.Count(got, "@") != 1 || strings.ContainsAny(got, " \r\n\t<>,;\"") || got != strings.ToLower(got) {
			t.Errorf("%q", got)
		}
	})
}
