package textcount

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// A span is a part of a text, in bytes.
type span struct{ start, end int }

// Links lists what counts as a link in text: addresses with a scheme, and with
// bare also domains without one, as X finds them.
func Links(text string, bare bool) (found []string) {
	for _, l := range links(text, bare) {
		found = append(found, text[l.start:l.end])
	}
	return found
}

// links finds what platforms shorten: http and https addresses with a domain
// that ends in a top-level domain that exists, and with bare also domains
// without a scheme. It is the grammar of twitter-text, which X and Mastodon
// count with, in one pass over the text.
func links(text string, bare bool) []span {
	if !strings.Contains(text, ".") {
		return nil
	}
	var found []span
	prev := utf8.RuneError // as if something harmless came before
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if end := linkAt(text, i, prev, bare); end > i {
			found = append(found, span{i, end})
			r, _ = utf8.DecodeLastRuneInString(text[:end])
			size = end - i
		}
		prev, i = r, i+size
	}
	return found
}

// linkAt returns the end of the link that starts at i, or i.
func linkAt(text string, i int, prev rune, bare bool) int {
	if alphanumeric(prev) || strings.ContainsRune("@＠$#＃\uFEFF\uFFFE\uFFFF", prev) {
		return i
	}
	host := i + scheme(text[i:])
	plain := host == i // no scheme
	if plain && (!bare || strings.ContainsRune("-_./", prev)) {
		return i
	}
	end := domain(text, host, plain)
	if end == host {
		return i
	}
	end += port(text[end:])
	end += tail(text[end:], '/', pathRune, pathEnd, true)
	return end + tail(text[end:], '?', queryRune, queryEnd, false)
}

func scheme(s string) int {
	for _, p := range []string{"https://", "http://"} {
		if len(s) >= len(p) && strings.EqualFold(s[:len(p)], p) {
			return len(p)
		}
	}
	return 0
}

// domain returns the end of the longest domain that starts at i, or i. A plain
// one has Latin letters only: without a scheme, a word of another script that
// ends in a dot is a sentence.
func domain(text string, i int, plain bool) int {
	best, start := i, i
	for labels := 0; ; labels++ {
		end := start
		for end < len(text) {
			r, size := utf8.DecodeRuneInString(text[end:])
			if !hostRune(r, plain) {
				break
			}
			end += size
		}
		label := text[start:end]
		if labels > 0 {
			if n := topLevel(label, text[end:]); n > 0 && registrable(text[i:start+n]) {
				best = start + n
			}
		}
		if !isLabel(label) || end == len(text) || text[end] != '.' {
			return best
		}
		start = end + 1
	}
}

// topLevel returns the length of the top-level domain that label begins with,
// given what follows it, or 0.
func topLevel(label, rest string) int {
	n := 0
	for n < len(label) && label[n] < utf8.RuneSelf && label[n] != '_' {
		n++
	}
	switch next, _ := utf8.DecodeRuneInString(label[n:] + rest); {
	case n == 0: // another script, to the end of the label
		n = len(label)
	case next == '@' || next == '+' || next == '_' || alphanumeric(next):
		return 0
	}
	if n == 0 || strings.HasPrefix(rest, "@") && n == len(label) {
		return 0
	}
	ascii, err := idna.ToASCII(strings.ToLower(label[:n]))
	if err != nil || len(ascii) < 2 {
		return 0
	}
	if _, icann := publicsuffix.PublicSuffix(ascii); !icann {
		return 0
	}
	return n
}

// registrable reports whether the part below the top-level domain has no
// underscore and the whole fits into the domain name system.
func registrable(host string) bool {
	labels := strings.Split(host, ".")
	if strings.Contains(labels[len(labels)-2], "_") {
		return false
	}
	ascii, err := idna.ToASCII(host)
	if err != nil || len(ascii) > 253 {
		return false
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if len(label) > 63 || strings.HasPrefix(label, "xn--") && unreadable(label) {
			return false
		}
	}
	return true
}

func unreadable(label string) bool {
	_, err := idna.ToUnicode(label)
	return err != nil
}

func isLabel(s string) bool {
	return s != "" && !strings.ContainsRune("-_", rune(s[0])) && !strings.ContainsRune("-_", rune(s[len(s)-1]))
}

func hostRune(r rune, plain bool) bool {
	switch {
	case r < utf8.RuneSelf:
		return alphanumeric(r) || r == '-' || r == '_' && !plain
	case plain:
		return latin(r)
	}
	return r != utf8.RuneError && !unicode.IsSpace(r) && !unicode.IsPunct(r) && !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r)
}

func port(s string) int {
	n := 1
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if s == "" || s[0] != ':' || n == 1 {
		return 0
	}
	return n
}

// tail returns the length of the path or query that s begins with: lead, then
// runes that are in it, up to the last that may end it, so that the full stop
// of a sentence stays outside. Parentheses count in pairs only.
func tail(s string, lead byte, in, ends func(rune) bool, pairs bool) int {
	if s == "" || s[0] != lead {
		return 0
	}
	best := 0
	if lead == '/' {
		best = 1
	}
	for i := 1; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if pairs && r == '(' {
			if size = pair(s[i:], in); size == 0 {
				return best
			}
			best = i + size
		} else if !in(r) {
			return best
		} else if ends(r) {
			best = i + size
		}
		i += size
	}
	return best
}

// pair returns the length of a closed pair of parentheses, with at most one
// more inside, or 0.
func pair(s string, in func(rune) bool) int {
	depth := 0
	for i, r := range s {
		switch {
		case r == '(':
			if depth++; depth > 2 {
				return 0
			}
		case r == ')':
			if depth--; depth == 0 {
				return i + 1
			}
		case !in(r):
			return 0
		}
	}
	return 0
}

func pathRune(r rune) bool {
	return letter(r) || strings.ContainsRune("!*';:=+,.$/%#[]-\u2013_~@|&", r)
}
func pathEnd(r rune) bool { return letter(r) || strings.ContainsRune("=_#/+-", r) }
func queryRune(r rune) bool {
	return alphanumeric(r) || strings.ContainsRune("!?*'@();:&=+$/%#[]-_.,~|", r)
}
func queryEnd(r rune) bool { return alphanumeric(r) || strings.ContainsRune("-_&=#/", r) }

func letter(r rune) bool {
	return alphanumeric(r) || latin(r) || r >= 0x0400 && r <= 0x04FF
}

// latin is a Latin letter beyond ASCII.
func latin(r rune) bool {
	return r >= 0xC0 && r <= 0x24F && r != 0xD7 && r != 0xF7 || r >= 0x1E00 && r <= 0x1EFF
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
