package declarative

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

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

func (c *checker) auth() {
	a, input := &c.file.Auth, c.knows([]string{"app", "input"})
	here := c.f.keys["auth"]
	c.secrets = []string{}
	switch a.Kind {
	case "form":
		if a.Form.raw == nil {
			c.f.add(here, "a sign-in by form needs the form")
			return
		}
		c.defaults(a)
	case "oauth2":
		if a.OAuth2 == nil {
			c.f.add(here, "a sign-in by OAuth 2 needs its endpoints")
		}
	}
	if a.Kind != "form" && (a.Form.raw != nil || a.Secrets != nil || a.Public != nil || a.Refuse != nil) {
		c.f.add(here, "only a sign-in by form has form, secrets, public and refuse")
	}
	for _, texts := range []map[string]Text{a.Secrets, a.Public} {
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			text := texts[name]
			text.compile(input, c.f)
		}
	}
	c.refusals(a.Refuse, input)
	c.secrets = slices.Sorted(maps.Keys(a.Secrets))
	c.secrets = append([]string{}, c.secrets...)
}

// defaults keeps a form's password fields as secrets and the others in the
// open, where the file says nothing.
func (c *checker) defaults(a *Auth) {
	form, err := readForm(a.Form.raw)
	if err != nil || len(form.Properties) == 0 {
		c.f.add(a.Form.at, "a form has properties")
		return
	}
	secrets, public := map[string]Text{}, map[string]Text{}
	for name, p := range form.Properties {
		if _, err := regexp.Compile(p.Pattern); err != nil {
			c.f.add(a.Form.at, "the pattern of %s: %s", name, err)
		}
		text := Text{at: a.Form.at, parts: []part{{expr: &Expr{at: a.Form.at, source: "input[" + quote(name) + "]"}}}}
		if p.Format == "password" {
			secrets[name] = text
		} else {
			public[name] = text
		}
	}
	if a.Secrets == nil {
		a.Secrets = secrets
	}
	if a.Public == nil {
		a.Public = public
	}
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

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

func (c *checker) accounts() {
	a := &c.file.Accounts
	c.saved("accounts", a.Steps)
	base := []string{"app", "credential", "state"}
	for i := range a.Steps {
		s := &a.Steps[i]
		if s.Commit || s.Each != "" || s.Until.set() {
			c.f.add(c.f.keys[c.stepAt("accounts", i)], "a step of accounts is one request")
		}
		c.step(s, c.stepAt("accounts", i), base)
	}
	known := c.knows(base, answered)
	a.List.compile(anything, known, c.f)
	if a.List.set() {
		known = known.and("item")
	}
	for _, t := range []*Text{&a.Account.ID, &a.Account.Handle, &a.Account.Name, &a.Account.Avatar, &a.Account.URL, &a.Account.Type} {
		t.compile(known, c.f)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Account.Public)) {
		t := a.Account.Public[name]
		t.compile(known, c.f)
	}
}

// saved notes what steps leave to each other.
func (c *checker) saved(section string, steps []Step) {
	c.state = []string{}
	seen := map[string]bool{}
	for i, s := range steps {
		c.state = slices.AppendSeq(c.state, maps.Keys(s.Save))
		if seen[s.Name] {
			c.f.add(c.f.keys[c.stepAt(section, i)+".name"], "two steps are called %s", s.Name)
		}
		seen[s.Name] = true
		for name, t := range s.Save {
			if t.mentions("credential") {
				c.f.add(t.at, "%s: what is saved holds no secrets", name)
			}
		}
	}
	slices.Sort(c.state)
}

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
	if !slices.ContainsFunc(c.file.Egress, func(allowed string) bool { return covers(allowed, found[1]) }) {
		c.f.add(t.at, "%s is not among the hosts of egress", found[1])
	}
	for _, p := range t.parts {
		if strings.ContainsAny(p.literal, "?# \t\n\\") {
			c.f.add(t.at, "a URL has no query (give it as query), fragment or space")
			return
		}
	}
}

func covers(allowed, host string) bool {
	if suffix, ok := strings.CutPrefix(allowed, "*"); ok {
		return strings.HasSuffix(host, suffix)
	}
	return allowed == host
}

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
