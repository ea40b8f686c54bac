package identity

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/carillonhq/carillon/core/identity/breached"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// Lengths of passwords, in characters (NIST SP 800-63B-4, 3.1.1.2: fifteen
// when the password is the only factor, eight when it is one of two; no rule
// about kinds of characters).
const (
	MinPassword  = 15
	MinWithOther = 8
	MaxPassword  = 128
)

// shortest is the length that a password of h must have.
func (h *Held) shortest() int {
	if h.second() {
		return MinWithOther
	}
	return MinPassword
}

// CheckPassword holds a password to the rules, for a neighbour that has people
// of its own.
func CheckPassword(p secret.Secret, pointer string) error {
	return checkPassword(p, "", pointer, MinPassword)
}

// tooLong reports whether a password is longer than any that was accepted. It
// is not worth hashing.
func tooLong(p secret.Secret) bool {
	return len(p) > MaxPassword*utf8.UTFMax || utf8.RuneCountInString(p.Reveal()) > MaxPassword
}

// checkPassword refuses what is too short, too long or too easy to guess.
// address is whose it is, if that is known.
func checkPassword(p secret.Secret, address, pointer string, shortest int) error {
	plain := p.Reveal()
	switch {
	case !utf8.ValidString(plain):
		return fault.New(fault.Invalid, "password.characters", "The password is not readable text.").On(pointer)
	case utf8.RuneCountInString(plain) < shortest:
		return fault.New(fault.Invalid, "password.too_short", "Use at least %d characters. Three or four unrelated words do well.", shortest).On(pointer)
	case tooLong(p):
		return fault.New(fault.Invalid, "password.too_long", "At most %d characters.", MaxPassword).On(pointer)
	case common(plain, address):
		return fault.New(fault.Invalid, "password.common", "This is among the first passwords anyone would try. Use unrelated words.").On(pointer)
	case breached.Has(plain):
		return fault.New(fault.Invalid, "password.breached", "This password is on lists of stolen ones, which are tried first. Choose another.").On(pointer)
	}
	return nil
}

//go:embed common.txt
var commonText string

var commonParts = sync.OnceValue(func() []string {
	var parts []string
	for line := range strings.Lines(commonText) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			parts = append(parts, line)
		}
	}
	return parts
})

// maxParts is how many common parts in a row still are one idea. Four words
// chosen for oneself may all be common ones.
const maxParts = 3

// common reports whether a password is nothing but common parts strung
// together, or one part over and over: at fifteen characters and more, that is
// what lists of leaked passwords hold. Case, punctuation and the usual
// look-alike digits do not count.
func common(password, address string) bool {
	parts := commonParts()
	local, domain, _ := strings.Cut(address, "@")
	for _, own := range []string{local, domain, strings.Split(domain, ".")[0]} {
		if own = plainText(own); len(own) > 2 {
			parts = append(slices.Clip(parts), own)
		}
	}
	for _, text := range []string{plainText(password), plainText(lookAlikes.Replace(strings.ToLower(password)))} {
		if repeats(text) || madeOf(text, parts, maxParts) {
			return true
		}
	}
	return false
}

// plainText keeps letters, digits and what is not ASCII, in lower case.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

var lookAlikes = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i")

// repeats reports whether text is nearly nothing or a unit of at most eight
// bytes over and over, as in "aaaaaaaaaaaaaaa" and "passwordpassword".
func repeats(text string) bool {
	if len(text) < 5 {
		return true
	}
	for unit := 1; unit <= min(8, len(text)/2); unit++ {
		if text[unit:] == text[:len(text)-unit] {
			return true
		}
	}
	return false
}

// madeOf reports whether text is up to n of parts, one after the other, where
// a run of up to four digits at the end is free.
func madeOf(text string, parts []string, n int) bool {
	if len(text) <= 4 && strings.Trim(text, "0123456789") == "" {
		return true
	}
	if n == 0 {
		return false
	}
	for _, part := range parts {
		if rest, ok := strings.CutPrefix(text, part); ok && madeOf(rest, parts, n-1) {
			return true
		}
	}
	return false
}

func errPasswordAlone() error {
	return fault.New(fault.Conflict, "factor.password_too_short", "Your password is too short to be all there is. Choose one of at least %d characters first.", MinPassword)
}
