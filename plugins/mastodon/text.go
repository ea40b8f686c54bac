package mastodon

import (
	"html"
	"regexp"
	"strings"
	"unicode"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

var mentionPattern = regexp.MustCompile(`(^|[^/\w])@(\w+)@[\w.-]+\w`)

// length counts a text as Mastodon does: graphemes, each URL as perURL, and a
// mention of somebody elsewhere without the server.
func length(text string, perURL int) int {
	text = mentionPattern.ReplaceAllString(text, "$1@$2")
	return textcount.Count(social.TextRule{Count: social.Graphemes, URLWeight: perURL}, text)
}

// plain is the text of a status's HTML.
func plain(content string) string {
	var out strings.Builder
	for content != "" {
		text, rest, found := strings.Cut(content, "<")
		out.WriteString(text)
		if !found {
			break
		}
		tag, after, closed := strings.Cut(rest, ">")
		if !closed {
			break
		}
		switch name := strings.ToLower(strings.TrimRight(tag, " /")); {
		case name == "br", name == "p", strings.HasPrefix(name, "p "):
			out.WriteByte('\n')
		}
		content = after
	}
	return html.UnescapeString(out.String())
}

// fingerprint is what a server leaves of a text whatever it does to spaces,
// line breaks and mentions.
func fingerprint(text string) string {
	text = mentionPattern.ReplaceAllString(text, "$1@$2")
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}
