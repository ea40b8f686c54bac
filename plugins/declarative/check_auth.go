package declarative

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
)

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
