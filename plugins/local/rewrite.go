package local

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"unicode/utf8"
)

// A change replaces a phrase by another that says the same.
type change struct {
	from *regexp.Regexp // whole words, however they begin
	to   string
}

// changes makes them of pairs, the phrase and what stands for it.
func changes(pairs [][2]string) (out []change) {
	for _, p := range pairs {
		out = append(out, change{regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(p[0]) + `\b`), p[1]})
	}
	return out
}

var (
	tighter = changes([][2]string{
		{"in order to", "to"}, {"due to the fact that", "because"}, {"at this point in time", "now"}, {"a large number of", "many"},
		{"in the event that", "if"}, {"with regard to", "about"}, {"as well as", "and"}, {"is able to", "can"}, {"are able to", "can"},
		{"prior to", "before"}, {"in addition", "also"}, {"for the purpose of", "for"}, {"we would like to", "we want to"}, {"make use of", "use"},
		{"do not", "don't"}, {"we are", "we're"}, {"it is", "it's"}, {"you will", "you'll"}, {"cannot", "can't"}, {"we have", "we've"},
	})
	fillers = regexp.MustCompile(`(?i)\b(?:very|really|just|actually|basically|literally|quite|simply|truly|absolutely|totally|extremely)\s+`)
	aside   = regexp.MustCompile(`\s*\([^()]{1,120}\)`)
	alike   = changes([][2]string{
		{"great", "wonderful"}, {"big", "large"}, {"happy", "glad"}, {"help", "support"}, {"start", "begin"},
		{"show", "present"}, {"get", "receive"}, {"buy", "order"}, {"many", "plenty of"}, {"fast", "quick"}, {"make", "create"},
		{"also", "as well"}, {"look at", "have a look at"}, {"join us", "come along"}, {"beautiful", "lovely"},
		{"everyone", "everybody"}, {"discover", "find"}, {"launch", "release"},
	})
	formal = changes([][2]string{
		{"don't", "do not"}, {"we're", "we are"}, {"it's", "it is"}, {"you'll", "you will"}, {"can't", "cannot"}, {"we've", "we have"},
		{"get", "receive"}, {"awesome", "excellent"}, {"cool", "impressive"}, {"kids", "children"}, {"guys", "everyone"}, {"lots of", "many"},
	})
	dots     = regexp.MustCompile(`\.{2,}`)
	pictures = regexp.MustCompile(`\s*[\x{1F300}-\x{1FAFF}\x{2600}-\x{27BF}\x{FE0F}]+`)
)

// swap changes whole words, keeping a capital at the beginning.
func swap(text string, c change) string {
	return c.from.ReplaceAllStringFunc(text, func(found string) string {
		if r, _ := utf8.DecodeRuneInString(found); strings.ToUpper(string(r)) == string(r) && found != strings.ToUpper(found) {
			return upper(c.to)
		}
		return c.to
	})
}

// shorten says the same in fewer characters: first without what means nothing,
// then without asides, then without the sentences that carry least, then cut.
// Without a limit of its own it aims at two thirds.
func (o order) shorten(text string) string {
	limit := o.MaxChars
	if n := chars(text); limit >= n {
		limit = n * 2 / 3
	}
	fits := func() bool { return chars(text) <= limit }
	for _, c := range tighter {
		if o.words == english {
			text = swap(text, c)
		}
	}
	if o.words == english {
		text = fillers.ReplaceAllString(text, "")
	}
	if !fits() {
		text = aside.ReplaceAllString(text, "")
	}
	list := sentences(text)
	for len(list) > 1 && !fits() {
		list = without(list, o.weakest(list))
		text = strings.Join(list, " ")
	}
	if fits() {
		return strings.TrimSpace(text)
	}
	return cut(text, max(limit, 20))
}

func without(list []string, i int) []string {
	return append(append([]string{}, list[:i]...), list[i+1:]...)
}

// weakest is the sentence that tells least: figures, addresses, names and what
// is required weigh, and so does being first.
func (o order) weakest(list []string) int {
	worst, least := len(list)-1, 1e9
	for i, s := range list {
		weight := 0.0
		if i == 0 {
			weight += 4
		}
		if strings.ContainsAny(s, "0123456789%€$£") {
			weight += 3
		}
		if linkPattern.MatchString(s) {
			weight += 4
		}
		for _, must := range o.Brand.Required {
			if strings.Contains(s, must) {
				weight += 100
			}
		}
		for _, w := range strings.Fields(s)[1:] {
			if r, _ := utf8.DecodeRuneInString(w); strings.ToUpper(string(r)) == string(r) && strings.ToLower(string(r)) != string(r) {
				weight += 0.5
			}
		}
		if weight <= least {
			worst, least = i, weight
		}
	}
	return worst
}

// rewrite is the n-th version of a text in the tone that is asked for. Every
// fact of it stays, as far as there is room.
func (o order) rewrite(text string, n int) string {
	r := o.dice(n)
	paragraphs := strings.Split(text, "\n")
	for i, p := range paragraphs {
		paragraphs[i] = o.reword(p, r)
	}
	text = strings.Join(paragraphs, "\n")
	switch o.Tone {
	case "professional":
		text = strings.ReplaceAll(pictures.ReplaceAllString(text, ""), "!", ".")
		text = dots.ReplaceAllString(text, ".")
	case "playful":
		if !pictures.MatchString(text) {
			text = strings.TrimRight(text, " ") + " " + pick(r, []string{"✨", "🎉", "😊", "🙌"})
		}
	case "bold":
		text = strings.Join(sentences(text), "\n")
	}
	if lead := o.fitting(r.Perm, o.words.lead[o.Tone]); o.Operation == "vary" && n > 0 && lead != "" {
		text = lead + " " + text
	}
	return cut(text, o.MaxChars)
}

func (o order) reword(text string, r *rand.Rand) string {
	if o.words != english || linkPattern.MatchString(text) && len(strings.Fields(text)) == 1 {
		return text
	}
	if o.Tone == "professional" {
		for _, c := range formal {
			text = swap(text, c)
		}
	}
	for _, i := range r.Perm(len(alike))[:len(alike)/2] {
		c := alike[i]
		switch {
		case o.banned(c.to) || strings.Contains(strings.ToLower(text), c.to):
		case !linkPattern.MatchString(text):
			text = swap(text, c)
		}
	}
	return text
}
