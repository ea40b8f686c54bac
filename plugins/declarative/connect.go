package declarative

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// Connect implements social.Connector: it makes a credential of the form. The
// platform judges it when the accounts are asked for.
func (p *plugin) Connect(_ context.Context, req social.ConnectRequest) (social.ConnectStep, error) {
	c := p.call(req.Call, social.Account{})
	c.scope.Input = req.Input
	for _, v := range req.Input {
		c.hide(v)
	}
	if err := c.filled(req.Input); err != nil {
		return social.ConnectStep{}, err
	}
	if err := c.turnedAway(c.file.Auth.Refuse); err != nil {
		return social.ConnectStep{}, err
	}
	done := &social.Credential{Secrets: map[string]string{}, Public: map[string]string{}}
	for into, texts := range map[*map[string]string]map[string]Text{&done.Secrets: c.file.Auth.Secrets, &done.Public: c.file.Auth.Public} {
		for name, text := range texts {
			value, err := text.render(c.scope, nil)
			if err != nil {
				return social.ConnectStep{}, c.broken("sign_in", err)
			}
			if value != "" {
				(*into)[name] = value
			}
		}
	}
	if instance := req.Input["instance"]; instance != "" {
		done.Public["instance"] = instance
	}
	return social.ConnectStep{Done: done}, nil
}

// filled holds the input to the form.
func (c *call) filled(input map[string]string) error {
	form, err := readForm(c.file.Auth.Form.raw)
	if err != nil {
		return c.broken("sign_in", err)
	}
	var found []fault.Violation
	add := func(name, reason, format string) {
		title := form.Properties[name].Title
		if title == "" {
			title = name
		}
		found = append(found, fault.Violation{Field: "/input/" + name, Reason: reason, Message: fmt.Sprintf(format, title)})
	}
	for _, name := range form.Required {
		if input[name] == "" {
			add(name, "input.required", "%s is missing.")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(form.Properties)) {
		p, value := form.Properties[name], input[name]
		switch pattern, err := regexp.Compile(p.Pattern); {
		case value == "":
		case p.MaxLength > 0 && textcount.In(social.Codepoints, value) > p.MaxLength:
			add(name, "input.too_long", "%s is too long.")
		case p.Pattern != "" && err == nil && !pattern.MatchString(value):
			add(name, "input.pattern", "%s does not look right.")
		}
	}
	if len(found) == 0 {
		return nil
	}
	f := social.Fail(social.Invalid, c.short+".input", "%s", found[0].Message)
	f.Source, f.Violations = social.FromPlugin, found
	return f
}

// Accounts implements social.Lister.
func (p *plugin) Accounts(ctx context.Context, in social.Call) ([]social.Account, error) {
	c := p.call(in, social.Account{})
	a := &c.file.Accounts
	at := progress{Saved: map[string]any{}}
	for i := range a.Steps {
		if !a.Steps[i].When.holds(c.scope, true) {
			continue
		}
		if err := c.ask(ctx, &a.Steps[i]); err != nil {
			return nil, err
		}
		if err := c.save(&a.Steps[i], &at); err != nil {
			return nil, err
		}
	}
	items := []any{nil}
	if a.List.set() {
		v, err := a.List.eval(c.scope)
		if err != nil {
			return nil, c.odd(&reply{status: c.scope.Status}, false)
		}
		items = listOf(v)
	}
	var out []social.Account
	for _, c.scope.Item = range items {
		one, err := c.account(&a.Account)
		if err != nil {
			return nil, c.odd(&reply{status: c.scope.Status}, false)
		}
		out = append(out, one)
	}
	return out, nil
}

func (c *call) account(a *Account) (social.Account, error) {
	id, err := a.ID.render(c.scope, nil)
	if err != nil || id == "" {
		return social.Account{}, fmt.Errorf("no id: %w", err)
	}
	out := social.Account{
		ID: id, Handle: a.Handle.or(c.scope, ""), Name: a.Name.or(c.scope, id), AvatarURL: a.Avatar.or(c.scope, ""),
		URL: a.URL.or(c.scope, ""), Type: a.Type.or(c.scope, "profile"), Public: map[string]string{},
	}
	for name, text := range a.Public {
		if value := c.redact(text.or(c.scope, ""), 500); value != "" {
			out.Public[name] = value
		}
	}
	if instance := c.scope.Credential.Public["instance"]; instance != "" {
		out.Public["instance"] = instance
	}
	return out, nil
}
