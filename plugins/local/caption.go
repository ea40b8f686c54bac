package local

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/social"
)

var (
	linkPattern = regexp.MustCompile(`https?://[^\s<>"']+[^\s<>"'.,;:!?)]`)
	// order words: what is asked for comes after them.
	orderPattern = regexp.MustCompile(`(?i)^(?:please\s+|bitte\s+|por favor,?\s+)?(?:(?:write|create|make|draft|generate|compose|schreibe?|erstelle|escribe|crea|écris|rédige)\b.{0,60}?\s(?:about|on|for|announcing|promoting|über|zu|sobre|para|sur|pour)|(?:announce|promote|introduce|celebrate|present|kündige|bewirb|anuncia|presenta|annonce|présente)(?:\s+that)?|(?:a\s+)?(?:post|caption|tweet)\s+(?:about|on|for))\s+`)
)

// thatPattern is an order that a whole sentence follows.
var thatPattern = regexp.MustCompile(`(?i)\sthat\s+$`)

// piece is what a brief holds.
type piece struct {
	topic string   // a thing, if the brief asks for a text about one
	facts []string // whole sentences
	link  string
}

func (o order) read() piece {
	text := o.brief
	p := piece{link: o.Link}
	if found := linkPattern.FindString(text); p.link == "" {
		p.link = found
	}
	text = linkPattern.ReplaceAllString(text, "")
	for i, s := range sentences(text) {
		if o.banned(s) {
			continue
		}
		bare := strings.TrimRight(s, ".!? …:")
		switch rest := orderPattern.ReplaceAllString(bare, ""); {
		case i == 0 && rest != bare && thatPattern.MatchString(bare[:len(bare)-len(rest)]):
			p.facts = append(p.facts, upper(rest)+".")
		case i == 0 && rest != bare:
			p.topic = rest
		case i == 0 && len(strings.Fields(bare)) <= 5 && bare == s && latin(s):
			p.topic = bare
		default:
			p.facts = append(p.facts, s)
		}
	}
	return p
}

func (o order) banned(s string) bool {
	for _, b := range o.Brand.Banned {
		if b != "" && strings.Contains(strings.ToLower(s), strings.ToLower(b)) {
			return true
		}
	}
	return false
}

// how many of a brief's sentences a text keeps.
var keep = map[string]int{"short": 1, "medium": 4, "long": 12}

// caption is the n-th way to say the brief: a beginning, what there is to say,
// and what to do about it.
func (o order) caption(n int) string {
	p, r := o.read(), o.dice(n)
	kept := keep[o.Length]
	if kept == 0 {
		kept = keep["medium"]
	}
	var parts []string
	switch {
	case p.topic != "":
		parts = append(parts, say(o.fitting(r.Perm, o.words.meet[o.Tone]), inside(p.topic, o.words)))
	case len(p.facts) > 0:
		first := p.facts[0]
		p.facts = p.facts[1:]
		parts = append(parts, strings.TrimSpace(o.fitting(r.Perm, o.words.lead[o.Tone])+" "+first))
	}
	if len(p.facts) > 0 {
		parts = append(parts, strings.Join(p.facts[:min(kept, len(p.facts))], " "))
	}
	if o.Brand.Audience != "" && o.words.audience != "" && o.Length != "short" {
		parts = append(parts, say(o.words.audience, o.Brand.Audience))
	}
	end := pick(r, o.words.ask)
	if p.link != "" {
		end = say(pick(r, o.words.link), p.link)
	}
	return o.assemble(parts, end)
}

// fitting is one of list, in a chance order, that has no banned word.
func (o order) fitting(perm func(int) []int, list []string) string {
	for _, i := range perm(len(list)) {
		if !o.banned(list[i]) {
			return list[i]
		}
	}
	return ""
}

// assemble puts the parts together within the limit. What is required comes
// always, the end if there is room, and of the middle as much as there is room.
func (o order) assemble(parts []string, end string) string {
	tail := ""
	for _, must := range o.Brand.Required {
		if !strings.Contains(strings.Join(parts, " ")+end, must) {
			tail += " " + must
		}
	}
	if end != "" && !o.banned(end) {
		tail = "\n\n" + end + tail
	} else if tail != "" {
		tail = "\n\n" + strings.TrimSpace(tail)
	}
	room := o.MaxChars - chars(tail)
	if room < 20 {
		tail, room = "", o.MaxChars
	}
	text := strings.Join(parts, "\n\n")
	for len(parts) > 1 && chars(text) > room {
		last := sentences(parts[len(parts)-1])
		if len(last) > 1 {
			parts[len(parts)-1] = strings.Join(last[:len(last)-1], " ")
		} else {
			parts = parts[:len(parts)-1]
		}
		text = strings.Join(parts, "\n\n")
	}
	return strings.TrimSpace(cut(text, room) + tail)
}

// cut ends s at a word, with an ellipsis, so that it has at most n characters.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	short := string(r[:max(0, n-1)])
	if i := strings.LastIndexFunc(short, unicode.IsSpace); i > len(short)/2 {
		short = short[:i]
	}
	return strings.TrimRight(short, " ,;:–-") + "…"
}

// say puts what in the place of {} and does not end it twice.
func say(template, what string) string {
	before, after, _ := strings.Cut(template, "{}")
	if before == "" {
		what = upper(what)
	}
	if r, _ := utf8.DecodeLastRuneInString(what); strings.HasPrefix(after, ".") && strings.ContainsRune(".!?…", r) {
		after = after[1:]
	}
	return before + what + after
}

// inside is a topic as it stands within a sentence.
func inside(topic string, w *words) string {
	first, rest, _ := strings.Cut(topic, " ")
	for _, a := range w.articles {
		if strings.EqualFold(first, a) {
			return strings.TrimSpace(a + " " + rest)
		}
	}
	return topic
}

func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// sentences splits a text at full stops, marks and lines, each with its mark.
func sentences(text string) (out []string) {
	var b strings.Builder
	flush := func() {
		if s := strings.Join(strings.Fields(b.String()), " "); s != "" {
			out = append(out, s)
		}
		b.Reset()
	}
	runes := []rune(text)
	for i, r := range runes {
		if r == '\n' {
			flush()
			continue
		}
		b.WriteRune(r)
		next := ' '
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		if strings.ContainsRune("。！？", r) || strings.ContainsRune(".!?…", r) && unicode.IsSpace(next) {
			flush()
		}
	}
	flush()
	return out
}

func chars(s string) int { return textcount.In(social.Codepoints, s) }
