// Package textcount measures texts as platforms do. The host checks with it, the
// SDK does, and plugins do, so that a text which one of them takes is not too
// long for another. The cases in adapters/rules/testdata/conformance.json are
// its meaning, for counters in other languages, too. Start with Count.
package textcount

import (
	"cmp"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"

	"github.com/carillonhq/carillon/ports/social"
)

// xURLWeight is what a link counts for on X, whatever its length
// (twitter-text, configuration v3, transformedURLLength).
const xURLWeight = 23

// Count measures text in rule's unit. A link counts for rule.URLWeight if that
// is set. XWeighted is twitter-text's configuration v3: the text is normalized
// (NFC), an emoji counts 2 however many code points it has, most Latin, Greek,
// Cyrillic, Hebrew and Arabic characters count 1, everything else counts 2, and
// a link, with or without a scheme, counts 23. An unknown unit counts as
// Codepoints.
func Count(rule social.TextRule, text string) int {
	weight, x := rule.URLWeight, rule.Count == social.XWeighted
	if x {
		text = norm.NFC.String(text)
		weight = cmp.Or(weight, xURLWeight)
	}
	if weight == 0 {
		return count(rule.Count, text)
	}
	n, end := 0, 0
	for _, u := range links(text, x) {
		n += count(rule.Count, text[end:u.start]) + weight
		end = u.end
	}
	return n + count(rule.Count, text[end:])
}

// In measures text in a unit; a link counts for its length, but on X.
func In(unit social.Count, text string) int {
	return Count(social.TextRule{Count: unit}, text)
}

func count(unit social.Count, text string) int {
	switch unit {
	case social.Graphemes:
		return uniseg.GraphemeClusterCount(text)
	case social.UTF16:
		return utf16(text)
	case social.Bytes:
		return len(text)
	case social.XWeighted:
		return xWeighted(text)
	default:
		return utf8.RuneCountInString(text)
	}
}

func utf16(text string) (n int) {
	for _, r := range text {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

func xWeighted(text string) (n int) {
	state := -1
	for text != "" {
		if c := text[0]; c < utf8.RuneSelf && (len(text) == 1 || text[1] < utf8.RuneSelf) {
			n, text, state = n+1, text[1:], -1 // no cluster of two ASCII characters counts less
			continue
		}
		var cluster string
		cluster, text, _, state = uniseg.FirstGraphemeClusterInString(text, state)
		if isEmoji(cluster) {
			n += 2
			continue
		}
		for _, r := range cluster {
			n += xWeight(r)
		}
	}
	return n
}

// xWeight is the ranges table of twitter-text's configuration v3.
func xWeight(r rune) int {
	switch {
	case r <= 0x10FF, r >= 0x2000 && r <= 0x200D, r >= 0x2010 && r <= 0x201F, r >= 0x2032 && r <= 0x2037:
		return 1
	}
	return 2
}

// isEmoji reports whether a grapheme cluster is drawn as one emoji: a
// pictograph, a flag or a keycap, with everything joined to it. A pictograph
// that is also a plain character (©, ↔) is one only if it says so with a
// variation selector.
func isEmoji(cluster string) bool {
	base, size := utf8.DecodeRuneInString(cluster)
	rest := cluster[size:]
	switch {
	case base >= 0x1F000 && base <= 0x1FAFF:
		return true
	case rest == "":
		return false // one rune: the ranges give it its 2
	case base <= '9':
		return rest == "\uFE0F\u20E3" || rest == "\u20E3"
	}
	next, _ := utf8.DecodeRuneInString(rest)
	joined := next == 0xFE0F || next == 0x200D || next >= 0x1F3FB && next <= 0x1F3FF
	return joined && pictographic(base)
}

// pictographic is Extended_Pictographic below U+1F000 (Unicode, emoji-data),
// widened to whole blocks: what is no emoji there takes no variation selector.
func pictographic(r rune) bool {
	switch r {
	case 0xA9, 0xAE, 0x203C, 0x2049, 0x2122, 0x2139, 0x3030, 0x303D, 0x3297, 0x3299:
		return true
	}
	return r >= 0x2190 && r <= 0x23FF || r >= 0x2460 && r <= 0x27BF || r >= 0x2900 && r <= 0x297F || r >= 0x2B00 && r <= 0x2BFF
}
