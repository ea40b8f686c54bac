package channels

import (
	"context"

	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// StartRequest begins a sign-in.
type StartRequest struct {
	Platform  string            // plugin id
	Input     map[string]string // "instance", and the values of the manifest's form if already known
	ReturnURL string            // where Callback sends the person: a path here or a URL on an allowed origin
	Channel   ID                // the channel to repair, if any
}

// Platforms lists what can be connected.
func (s *Service) Platforms(ctx context.Context, who tenants.Scope) ([]social.Manifest, error) {
	return nil, errDraft
}

// Start begins a sign-in. The answer is at stage redirect, form, choice, done
// or failed. With a redirect comes Binding: the edge keeps it in the person's
// browser (an HttpOnly cookie) and shows it to Callback.
func (s *Service) Start(ctx context.Context, who tenants.Scope, req StartRequest) (Connection, error) {
	return Connection{}, errDraft
}

// Continue answers the form of a connection, or delivers the query that came
// back from a redirect ("state", "code", …) when the person's own session
// received it.
func (s *Service) Continue(ctx context.Context, who tenants.Scope, id ConnectionID, input map[string]string) (Connection, error) {
	return Connection{}, errDraft
}

// Callback receives a person whom the platform sent back. The state works
// once; binding must be what Start answered. It needs no session: the state
// and the binding together are one.
func (s *Service) Callback(ctx context.Context, binding, state string, query map[string]string) (Connection, error) {
	return Connection{}, errDraft
}

// Choose connects accounts, by their platform's ids, out of a connection's Choices.
func (s *Service) Choose(ctx context.Context, who tenants.Scope, id ConnectionID, accounts []string) (Connection, error) {
	return Connection{}, errDraft
}

// Connection returns an attempt of who's own.
func (s *Service) Connection(ctx context.Context, who tenants.Scope, id ConnectionID) (Connection, error) {
	return Connection{}, errDraft
}
