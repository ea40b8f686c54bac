package channels

import (
	"context"

	"github.com/carillonhq/carillon/tenants"
)

// Change is a partial update. Nil fields stay.
type Change struct {
	Name        *string
	Paused      *bool
	PauseReason *string
}

// List returns a page of channels and whether there are more.
func (s *Service) List(ctx context.Context, who tenants.Scope, q Query) ([]Channel, bool, error) {
	return nil, false, errDraft
}

// Get returns one channel.
func (s *Service) Get(ctx context.Context, who tenants.Scope, id ID) (Channel, error) {
	return Channel{}, errDraft
}

// Update renames or pauses a channel. Version 0 means whatever it is now.
func (s *Service) Update(ctx context.Context, who tenants.Scope, id ID, version int, ch Change) (Channel, error) {
	return Channel{}, errDraft
}

// Disconnect gives an account back: its credential is deleted and, where the
// platform can be told, revoked. The channel stays, with its history.
func (s *Service) Disconnect(ctx context.Context, who tenants.Scope, id ID, version int) (Channel, error) {
	return Channel{}, errDraft
}

// Renewals is the journal of a channel's token renewals, newest first.
func (s *Service) Renewals(ctx context.Context, who tenants.Scope, id ID) ([]Renewal, error) {
	return nil, errDraft
}
