package sdk

import (
	"context"
	"encoding/json"

	"github.com/carillonhq/carillon/plugins/sdk/textcount"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// CheckText holds a text to a rule of the manifest, over which an account's own
// limits lie if it has any, counted as the host counts it. The error is a fault
// that names the field.
func CheckText(rule social.TextRule, own *social.Limits, text string) error {
	if own != nil && own.MaxText > 0 {
		rule.Max = own.MaxText
	}
	if own != nil && own.URLWeight > 0 {
		rule.URLWeight = own.URLWeight
	}
	n, most, reason := textcount.Count(rule, text), rule.Max, "text.too_long"
	if rule.MaxBytes > 0 && len(text) > rule.MaxBytes {
		n, most, reason = len(text), rule.MaxBytes, "text.too_many_bytes"
	}
	if most == 0 || n <= most {
		return nil
	}
	f := social.Fail(social.Invalid, reason, "The text has a length of %d; at most %d is allowed.", n, most)
	f.Source = social.FromPlugin
	f.Violations = []fault.Violation{{Field: "/content/text", Reason: reason, Message: f.Message, Limit: float64(most), Actual: float64(n)}}
	return f
}

// TextPublisher is a whole plugin for a platform where a post is a text that one
// request publishes, and people sign in with a token. It is what Serve takes. A
// platform that asks for more, such as uploads, implements social.Platform
// itself.
type TextPublisher struct {
	// About is the manifest. Without an Auth, the form of a token is filled in;
	// with the host "{instance}" in Egress it asks for the account's server too.
	About social.Manifest
	// Send makes the request that publishes, once: API.Commit does. It is called
	// in the commit step alone, with a text that keeps to the format.
	Send func(context.Context, social.PublishRequest) (social.Ref, error)
	// Look finds what Send made in a call with that idempotency key; none is
	// empty, and a failure an error. Nil: the platform cannot be asked.
	Look func(context.Context, social.FindRequest) ([]social.Ref, error)
	// Who is whose credential it is, which signing in asks as well. Nil: the
	// platform does not say, and a token is taken as it is.
	Who func(context.Context, social.Call) (social.Account, error)
}

// Manifest implements social.Platform.
func (p TextPublisher) Manifest() social.Manifest {
	m := p.About
	if m.Auth.Kind == "" {
		m.Auth = social.Auth{Kind: social.AuthForm, Form: p.form()}
	}
	return m
}

// Has implements social.Partial.
func (p TextPublisher) Has(c social.Capability) bool {
	switch c {
	case social.CanFind:
		return p.Look != nil
	case social.CanAccounts:
		return p.Who != nil
	}
	return true
}

// Publish implements social.Platform: the text is checked, and then sent once.
func (p TextPublisher) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	f, ok := p.About.Format(req.Content.Format)
	if !ok {
		f = p.About.Formats[0]
	}
	if err := CheckText(f.Text, req.Account.Limits, req.Content.Text); err != nil {
		return social.Step{}, err
	}
	if !req.Commit {
		return social.Step{Next: &social.Next{Commit: true}}, nil
	}
	made, err := p.Send(ctx, req)
	if err == nil && made.ID == "" {
		err = social.Fail(social.Ambiguous, "text.unnamed", "The platform did not say what it made.")
	}
	if err != nil {
		return social.Step{}, err
	}
	return social.Step{Receipt: receipt(made)}, nil
}

func receipt(of social.Ref) *social.Receipt { return &social.Receipt{Ref: of, Status: social.Live} }

// Find implements social.Finder.
func (p TextPublisher) Find(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	found, err := p.Look(ctx, req)
	if err != nil || len(found) == 0 {
		return social.Finding{Verdict: social.Absent}, err
	}
	return social.Finding{Verdict: social.Found, Receipt: receipt(found[0])}, nil
}

// Accounts implements social.Lister.
func (p TextPublisher) Accounts(ctx context.Context, call social.Call) ([]social.Account, error) {
	who, err := p.Who(ctx, call)
	return []social.Account{who}, err
}

// Connect implements social.Connector: a form, and a look whether it is true.
func (p TextPublisher) Connect(ctx context.Context, req social.ConnectRequest) (social.ConnectStep, error) {
	done := social.Credential{AccessToken: req.Input["token"]}
	if p.About.Roams() {
		done.Public = map[string]string{"instance": req.Input["instance"]}
	}
	if done.AccessToken == "" || p.About.Roams() && done.Public["instance"] == "" {
		return social.ConnectStep{Form: p.form()}, nil
	}
	call := req.Call
	call.Credential = done
	if p.Who != nil {
		if _, err := p.Who(ctx, call); err != nil {
			return social.ConnectStep{}, err
		}
	}
	return social.ConnectStep{Done: &done}, nil
}

// form asks for a token, and for the account's server if it has its own.
func (p TextPublisher) form() []byte {
	fields, need := map[string]any{"token": map[string]string{"type": "string", "title": "Token", "format": "password"}}, []string{"token"}
	if p.About.Roams() {
		fields["instance"], need = map[string]string{"type": "string", "title": "Server"}, []string{"instance", "token"}
	}
	form, _ := json.Marshal(map[string]any{"type": "object", "required": need, "properties": fields}) // of texts alone
	return form
}
