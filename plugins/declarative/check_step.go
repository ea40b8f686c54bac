package declarative

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

func (c *checker) publish() {
	p := &c.file.Publish
	c.saved("publish", p.Steps)
	c.refusals(p.Refuse, c.knows([]string{"account", "app", "content"}))
	commits := 0
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Commit {
			commits++
			c.commit(s, c.stepAt("publish", i), i == len(p.Steps)-1)
		}
		c.step(s, c.stepAt("publish", i), composed)
	}
	if commits != 1 {
		c.f.add(c.f.keys["publish"], "exactly one step is the commit, not %d", commits)
	}
	c.receipt(&p.Receipt, c.knows(composed, answered))
}

func (c *checker) commit(s *Step, path string, last bool) {
	here := c.f.keys[path]
	switch {
	case !last:
		c.f.add(here, "the commit is the last step")
	case s.Each != "" || s.Until.set() || s.Save != nil || s.When.set() || s.Refuse != nil:
		c.f.add(here, "a commit has no when, each, until, save or refuse")
	}
	for _, r := range s.requests() {
		if r.Method == http.MethodGet {
			c.f.add(r.URL.at, "a commit is no GET")
		}
	}
}

func (c *checker) receipt(r *Receipt, known names) {
	r.Item.compile(anything, known, c.f)
	if r.Item.set() && !slices.Contains(known.all, "item") {
		known = known.and("item")
	}
	for _, t := range []*Text{&r.ID, &r.URL, &r.Status} {
		t.compile(known, c.f)
	}
	r.PublishedAt.compile(anything, known, c.f)
	for _, name := range slices.Sorted(maps.Keys(r.Extra)) {
		t := r.Extra[name]
		t.compile(known, c.f)
	}
	for i := range r.Warnings {
		r.Warnings[i].When.compile(truth, known, c.f)
		r.Warnings[i].Message.compile(known, c.f)
	}
}

// requests are a step's, whichever way they are written.
func (s *Step) requests() []*Request {
	if s.Request != nil {
		return []*Request{s.Request}
	}
	out := make([]*Request, len(s.Requests))
	for i := range s.Requests {
		out[i] = &s.Requests[i]
	}
	return out
}

func (c *checker) stepAt(section string, i int) string {
	return fmt.Sprintf("%s.steps[%d]", section, i)
}

func (c *checker) step(s *Step, path string, base []string) {
	if !slug.MatchString(s.Name) {
		c.f.add(c.f.keys[path+".name"], "%.40q is no slug", s.Name)
	}
	if (s.Request == nil) == (len(s.Requests) == 0) {
		c.f.add(c.f.keys[path], "a step has request or requests")
	}
	c.when(&s.When, base)
	inner := base
	if s.Each != "" {
		inner = append(slices.Clone(base), "attachment", "index")
	}
	for _, r := range s.requests() {
		c.request(r, inner, s.Each != "")
	}
	known := c.knows(inner, answered)
	s.Until.compile(truth, known, c.f)
	c.refusals(s.Refuse, known)
	for _, name := range slices.Sorted(maps.Keys(s.Save)) {
		t := s.Save[name]
		t.compile(known, c.f)
	}
}

func (c *checker) when(e *Expr, base []string) { e.compile(truth, c.knows(base), c.f) }

func (c *checker) find() {
	find := c.file.Find
	if find == nil {
		return
	}
	c.saved("publish", c.file.Publish.Steps)
	base := append(slices.Clone(composed), "since")
	c.request(&find.Request, base, false)
	known := c.knows(base, answered)
	find.List.compile(anything, known, c.f)
	find.All.compile(truth, known, c.f)
	find.Match.compile(truth, known.and("item"), c.f)
	c.receipt(&find.Receipt, known.and("item"))
}

func (c *checker) metrics() {
	m := c.file.Metrics
	if m == nil {
		return
	}
	base := append(slices.Clone(always), "post")
	c.request(&m.Request, base, false)
	for _, name := range slices.Sorted(maps.Keys(m.Values)) {
		m.Values[name].compile(anything, c.knows(base, answered), c.f)
	}
}
