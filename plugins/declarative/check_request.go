package declarative

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/ports/social"
)

func (c *checker) request(r *Request, base []string, each bool) {
	c.when(&r.When, base)
	c.url(&r.URL, base)
	known := c.knows(base)
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		text := r.Headers[name]
		c.header(name, &text, known)
	}
	bodies := 0
	for _, has := range []bool{r.JSON.set(), r.Form != nil, r.Multipart != nil, r.Body != ""} {
		if has {
			bodies++
		}
	}
	switch {
	case bodies > 1:
		c.f.add(r.URL.at, "a request has one body: json, form, multipart or body")
	case bodies > 0 && r.Method == http.MethodGet:
		c.f.add(r.URL.at, "a GET has no body")
	case r.Body != "" && !each:
		c.f.add(r.URL.at, "an attachment is the body only in a step with each: media")
	}
	fields := []map[string]Tree{r.Query, r.Form}
	if r.Multipart != nil {
		fields = append(fields, r.Multipart.Fields)
		files := known
		if !each {
			files = known.and("attachment", "index")
		}
		r.Multipart.Files.compile(files, c.f)
	}
	for _, trees := range fields {
		for _, name := range slices.Sorted(maps.Keys(trees)) {
			t := trees[name]
			t.compile(known, c.f)
		}
	}
	r.JSON.compile(known, c.f)
	after := c.knows(base, answered)
	r.OK.compile(truth, after, c.f)
	c.rules(r.Faults, after)
}

var written = regexp.MustCompile(`^https://(\{instance\}|[a-z0-9.-]+(?::\d{1,5})?)/`)

// url wants the host written out and allowed: no value decides where a token
// goes.
func (c *checker) url(t *Text, base []string) {
	t.compile(c.knows(base), c.f)
	if !t.set() || t.parts[0].expr != nil {
		c.f.add(t.at, "a URL begins with https://host/, written out")
		return
	}
	found := written.FindStringSubmatch(t.parts[0].literal)
	if found == nil {
		c.f.add(t.at, "a URL begins with https://host/, written out")
		return
	}
	if !social.Covered(c.file.Egress, found[1]) {
		c.f.add(t.at, "%s is not among the hosts of egress", found[1])
	}
	for _, p := range t.parts {
		if strings.ContainsAny(p.literal, "?# \t\n\\") {
			c.f.add(t.at, "a URL has no query (give it as query), fragment or space")
			return
		}
	}
}
