package declarative

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"

	"github.com/carillonhq/carillon/ports/social"
)

// What expressions know, by where they stand.
var (
	always   = []string{"account", "app", "credential", "idempotency"}
	composed = append(slices.Clone(always), "content", "state")
	answered = []string{"answer", "header", "status"}
)

var slug = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// check says what in a well-formed file makes no sense, and compiles its
// expressions.
func check(file *File, f *flaws) {
	c := &checker{file: file, f: f}
	c.auth()
	c.common()
	c.accounts()
	c.publish()
	c.find()
	c.metrics()
}

type checker struct {
	file    *File
	f       *flaws
	secrets []string // that a credential has; nil: unknown
	state   []string
}

func (c *checker) knows(list ...[]string) names {
	return names{all: slices.Concat(list...), secrets: c.secrets, state: c.state}
}

func (c *checker) common() {
	for _, name := range slices.Sorted(maps.Keys(c.file.Headers)) {
		text := c.file.Headers[name]
		c.header(name, &text, c.knows(always))
	}
	c.file.OK.compile(truth, c.knows(answered), c.f)
	c.rules(c.file.Faults, c.knows(always, answered))
	if c.file.Dedup == "find" && c.file.Find == nil {
		c.f.add(c.f.keys["dedup"], "find is declared, and there is no find")
	}
	for i := range c.file.Formats {
		if t := c.file.Formats[i].Text; t.Max > 0 && t.Count == "" {
			c.f.add(c.f.keys[fmt.Sprintf("formats[%d].text", i)], "a limit needs the unit that it counts")
		}
	}
}

// fixed headers are the transport's own.
var fixed = []string{"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Proxy-Authorization", "Te", "Trailer", "Upgrade"}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func (c *checker) header(name string, text *Text, known names) {
	if !headerName.MatchString(name) || slices.Contains(fixed, http.CanonicalHeaderKey(name)) {
		c.f.add(text.at, "%q is no header to set", name)
	}
	text.compile(known, c.f)
}

func (c *checker) rules(list []Rule, known names) {
	for i := range list {
		r := &list[i]
		c.slug(r.Key, r.Message.at)
		r.When.compile(truth, known, c.f)
		r.Message.compile(known, c.f)
		r.RetryAfter.compile(anything, known, c.f)
		if !r.When.set() && r.Status.list == nil {
			c.f.add(r.Message.at, "a rule has a status or a when")
		}
		if r.RetryAfter.set() && r.Kind != string(social.RateLimited) && r.Kind != string(social.Transient) {
			c.f.add(r.RetryAfter.at, "only rate_limited and transient wait")
		}
	}
}

func (c *checker) refusals(list []Refusal, known names) {
	for i := range list {
		r := &list[i]
		c.slug(r.Key, r.When.at)
		r.When.compile(truth, known, c.f)
		r.Message.compile(known, c.f)
		r.Actual.compile(anything, known, c.f)
	}
}

func (c *checker) slug(key string, at place) {
	if !slug.MatchString(key) {
		c.f.add(at, "the key %.40q is no slug", key)
	}
}
