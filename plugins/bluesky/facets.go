package bluesky

import (
	"regexp"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

// A span is a part of a text that means more than its letters. Start and End
// are offsets in UTF-8 bytes, End exclusive.
type span struct {
	Start, End int
	Kind       spanKind
	Value      string // the URL, the handle without "@", the tag without "#"
}

type spanKind string

const (
	link    spanKind = "link"
	mention spanKind = "mention"
	hashtag spanKind = "tag"
)

var (
	linkPattern    = regexp.MustCompile(`https?://[^\s<>"\x00-\x1f]+`)
	mentionPattern = regexp.MustCompile(`(?:^|[\s(])@([a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)+)`)
	tagPattern     = regexp.MustCompile(`(?:^|\s)[#＃]([^\s#＃\x00-\x1f]+)`)
	endings        = ".,;:!?'\"…)]}»”’*_"
)

// maxTag is the most graphemes a tag may have; maxLink what a server stores.
const maxTag, maxLink = 64, 2048

// spans finds links, mentions and tags in a text, in order and apart.
func spans(text string) []span {
	var all []span
	for _, at := range linkPattern.FindAllStringIndex(text, -1) {
		value := trimLink(text[at[0]:at[1]])
		if host := value[strings.Index(value, "//")+2:]; host != "" && len(value) <= maxLink {
			all = append(all, span{at[0], at[0] + len(value), link, value})
		}
	}
	for _, at := range mentionPattern.FindAllStringSubmatchIndex(text, -1) {
		all = append(all, span{at[2] - 1, at[3], mention, text[at[2]:at[3]]})
	}
	for _, at := range tagPattern.FindAllStringSubmatchIndex(text, -1) {
		value := strings.TrimRight(text[at[2]:at[3]], endings)
		if value == "" || strings.Trim(value, "0123456789") == "" || textcount.In(social.Graphemes, value) > maxTag {
			continue
		}
		mark := strings.LastIndexAny(text[:at[2]], "#＃")
		all = append(all, span{mark, at[2] + len(value), hashtag, value})
	}
	slices.SortFunc(all, func(a, b span) int { return a.Start - b.Start })
	return apart(all)
}

// apart drops what begins inside something earlier, such as a tag in a link.
func apart(all []span) []span {
	end := 0
	return slices.DeleteFunc(all, func(s span) bool {
		if s.Start < end {
			return true
		}
		end = s.End
		return false
	})
}

// trimLink gives back what a sentence put behind a link. A closing bracket
// stays if the link opened it.
func trimLink(s string) string {
	for s != "" {
		last := s[len(s)-1]
		if last == ')' && strings.Count(s, "(") >= strings.Count(s, ")") {
			return s
		}
		trimmed := strings.TrimRight(s, endings)
		if len(trimmed) == len(s) {
			return s
		}
		if cut := s[len(trimmed):]; strings.Contains(cut, ")") && strings.Contains(trimmed, "(") {
			trimmed = s[:len(trimmed)+strings.Index(cut, ")")+1]
			if len(trimmed) == len(s) {
				return s
			}
		}
		s = trimmed
	}
	return s
}

// handles lists who is mentioned, each once, in lower case.
func handles(text string) []string {
	var all []string
	for _, s := range spans(text) {
		if name := strings.ToLower(s.Value); s.Kind == mention && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// facets are the spans as the lexicon writes them (app.bsky.richtext.facet).
// A mention of nobody we know stays plain text.
func facets(text string, dids map[string]string) []map[string]any {
	var all []map[string]any
	for _, s := range spans(text) {
		feature := map[string]string{"$type": "app.bsky.richtext.facet#" + string(s.Kind)}
		switch s.Kind {
		case link:
			feature["uri"] = s.Value
		case hashtag:
			feature["tag"] = s.Value
		case mention:
			if feature["did"] = dids[strings.ToLower(s.Value)]; feature["did"] == "" {
				continue
			}
		}
		all = append(all, map[string]any{
			"index": map[string]int{"byteStart": s.Start, "byteEnd": s.End}, "features": []any{feature},
		})
	}
	return all
}
