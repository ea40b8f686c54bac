package local

import (
	"bufio"
	"cmp"
	_ "embed"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"
)

//go:embed hashtags.txt
var lexiconText string

// lexicon are the tags of a word's beginning, most fitting first.
var lexicon = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for s := bufio.NewScanner(strings.NewReader(lexiconText)); s.Scan(); {
		stems, tags, ok := strings.Cut(s.Text(), ":")
		if !ok || strings.HasPrefix(s.Text(), "#") {
			continue
		}
		for _, stem := range strings.Fields(stems) {
			out[stem] = strings.Fields(tags)
		}
	}
	return out
})

// tagsFor is how many tags a platform's readers take well.
var tagsFor = map[string]int{"x": 2, "bluesky": 2, "mastodon": 4, "threads": 1, "linkedin": 3, "instagram": 8, "tiktok": 5, "youtube": 3, "facebook": 2}

const defaultTags = 5

// tags ranks what fits the brief: words of the lexicon, what did well for this
// tenant before, and the brief's own words. A tag that did badly goes down.
func (o order) tags() []string {
	score := map[string]float64{}
	text := terms(o.brief)
	for i, word := range text {
		early := 1 + 1/float64(1+i/10)
		for n := len(word); n >= 4; n-- {
			if tags, ok := lexicon()[string([]rune(word)[:min(n, len([]rune(word)))])]; ok {
				for rank, tag := range tags {
					score[tag] += early * 2 / float64(1+rank)
				}
				break
			}
		}
		if len([]rune(word)) >= 5 && !strings.Contains(o.words.common, " "+word+" ") && !common[word] {
			score["#"+upper(word)] += early / 2
		}
	}
	for _, h := range o.History {
		o.remember(h, text, score)
	}
	if o.Brand.Name != "" {
		score["#"+camel(o.Brand.Name)] += 1
	}
	return o.best(score)
}

// remember weighs a tag by the tenant's own figures, if it fits the brief or was
// found in it already. Few uses say little.
func (o order) remember(h used, text []string, score map[string]float64) {
	tag := "#" + strings.TrimPrefix(h.Tag, "#")
	for known := range score {
		if strings.EqualFold(known, tag) {
			tag = known
		}
	}
	bare := strings.ToLower(strings.TrimPrefix(tag, "#"))
	fits := score[tag] > 0 || slices.ContainsFunc(text, func(w string) bool { return len(w) >= 4 && strings.Contains(bare, w) })
	if !fits || bare == "" {
		return
	}
	sure := h.Uses / (h.Uses + 5)
	score[tag] += math.Log1p(h.Uses)
	if h.Engagement > 0 {
		score[tag] *= math.Pow(min(max(h.Engagement, 0.1), 10), sure)
	}
}

func (o order) best(score map[string]float64) []string {
	type ranked struct {
		tag   string
		score float64
	}
	var all []ranked
	for tag, n := range score {
		if !o.banned(tag) && len(tag) > 1 {
			all = append(all, ranked{tag, n})
		}
	}
	slices.SortFunc(all, func(a, b ranked) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.tag, b.tag)) })
	n := cmp.Or(o.Count, tagsFor[strings.ToLower(o.Platform)], defaultTags)
	var out []string
	for _, one := range all {
		same := func(t string) bool { return strings.EqualFold(t, one.tag) }
		if len(out) < n && !slices.ContainsFunc(out, same) {
			out = append(out, one.tag)
		}
	}
	return out
}

// terms are a text's words in lower case, without addresses.
func terms(text string) []string {
	return strings.FieldsFunc(strings.ToLower(linkPattern.ReplaceAllString(text, " ")), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// camel is a name as one word.
func camel(name string) string {
	var b strings.Builder
	for _, w := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		b.WriteString(upper(w))
	}
	return b.String()
}

// common are words that are no topic in any language of the templates.
var common = func() map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(`about after again before being below could every first friday saturday sunday monday tuesday wednesday thursday
		their there these those today tomorrow tonight under until visit where which while would write caption please create
		announce promote available starting starts opens people thing things really launch launching members member`) {
		out[w] = true
	}
	return out
}()
