package main

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
)

// words are texts that something between the socket and the disk may not like:
// a database, a format, a log, a template, a shell, a clock.
var words = []string{
	"", " ", "\t\r\n", "0", "-1", "null", "true", "NaN", "Infinity", "1e309", "0x1f", "1_000",
	"\u0000", "a\u0000b", "\u0001\u001f\u007f", "\ufffe\uffff", "\ufeffa", "\u2028\u2029", "\u202eabc", "\u200b", "e\u0301", "ｆｕｌｌ", "ﷺ", "İıſ", "ß",
	"👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "日本語", strings.Repeat("é", 300), strings.Repeat("🙂", 70), strings.Repeat("a", 5000), strings.Repeat("\n", 400),
	"' or 1=1--", "'; drop table posts; --", "\\", "\\x00", "?", "?0", "$1", "::text", "%", "_", "%s%n%d", "%00", "{{7*7}}", "${jndi:ldap://x}", "$(id)", "`id`",
	"../../../../etc/passwd", "..\\..", "/", "//evil.test/", "a/b", "a:b", "*", "post.*", "custom:", "custom:owner", "owner", "system",
	"<script>alert(1)</script>", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://127.0.0.1:1/", "https://[::1]/", "https://example.com:0/", "https://user@example.com/",
	"ann@example.com", "a@b", "@", "a@" + strings.Repeat("b", 300) + ".com", "\"a b\"@example.com", "ann@example.com\r\nBcc: x@example.com", "ANN@EXAMPLE.COM", "ann@xn--bcher-kva.example",
	"2026-11-23T09:00:00Z", "2026-11-23T09:00:00+14:00", "2026-11-23T09:00:00.123456789-12:00", "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
	"-0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-23T24:00:00Z", "2016-12-31T23:59:60Z", "2026-11-23", "2027-03-28T02:30:00", "2027-10-31T02:30:00", "9999-12-31T23:59:59", "0001-01-01T00:00:00", "infinity", "-infinity", "now",
	"Europe/Lisbon", "UTC", "Local", "Etc/GMT+12", "Pacific/Kiritimati", "../../etc/localtime", "America/Argentina/ComodRivadavia",
	"en", "x-private", "#000000", "#zzzzzz", "123456", "v1", "\"v1\"", "bytes=0-", "post_", "post_00000000000000000000000000", "post_zzzzzzzzzzzzzzzzzzzzzzzzzz", "usr_01JD0000000000000000000000",
}

// numbers are edges, as they are written.
var numbers = []string{
	"0", "-0", "1", "-1", "0.5", "1.0", "1e2", "100", "101", "2147483647", "2147483648", "-2147483649", "4294967296", "9007199254740993",
	"9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e18", "1e19", "1e308", "1e309", "-1e309", "1e-400", "123456789012345678901234567890",
}

// anything is a value of any kind.
func anything(d *rand.Rand) any {
	switch d.IntN(9) {
	case 0:
		return nil
	case 1:
		return d.IntN(2) == 0
	case 2, 3:
		return json.Number(pick(d, numbers))
	case 4:
		return []any{}
	case 5:
		return map[string]any{}
	case 6:
		return many(d)
	}
	return pick(d, words)
}

// many is something with much in it.
func many(d *rand.Rand) any {
	switch d.IntN(4) {
	case 0:
		var deep any = "x"
		for range 10 + d.IntN(120) {
			deep = []any{deep}
		}
		return deep
	case 1:
		wide := make([]any, 1+d.IntN(400))
		for i := range wide {
			wide[i] = pick(d, words[:40])
		}
		return wide
	case 2:
		wide := map[string]any{}
		for _, w := range words[:1+d.IntN(len(words)-1)] {
			wide[w] = w
		}
		return wide
	}
	return []any{nil, true, json.Number("1"), "x", []any{}, map[string]any{"a": nil}}
}

func pick[T any](d *rand.Rand, from []T) T { return from[d.IntN(len(from))] }

// chance is true once in n.
func chance(d *rand.Rand, n int) bool { return d.IntN(n) == 0 }
