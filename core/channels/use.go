package channels

import (
	"context"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

var errDraft = fault.New(fault.Unavailable, "channels.unavailable", "Not available yet.")

// Describe says what a channel takes and whether it can be used now.
func (s *Service) Describe(ctx context.Context, who tenants.Scope, id ID) (Target, error) {
	return Target{}, errDraft
}

// Publish takes one step of req on a channel. It fills in Call (but for
// Idempotency and Locale) and Account, and makes one call to the plugin, with
// no retry: only a step that is not a commit is repeated, once, after the
// platform said the token has expired. A commit is not; its AuthExpired fault
// comes back after the token was renewed, so that the caller can record the
// refusal and commit again.
//
// Errors are *social.Fault: the plugin's own; RateLimited without a call when
// an allowance is used up; AuthRevoked without a call when the channel needs a
// person; Transient when nothing reached the platform. Who may not is told so
// by a plain fault (NotFound, Forbidden, Quota).
func (s *Service) Publish(ctx context.Context, who tenants.Scope, id ID, req social.PublishRequest) (social.Step, error) {
	return social.Step{}, errDraft
}

// Find looks for what a lost commit would have published. Errors are as for
// Publish; Unsupported if the platform cannot look.
func (s *Service) Find(ctx context.Context, who tenants.Scope, id ID, req social.FindRequest) (social.Finding, error) {
	return social.Finding{}, errDraft
}

// Metrics reads how posts did. Errors are as for Publish.
func (s *Service) Metrics(ctx context.Context, who tenants.Scope, id ID, posts []social.Ref) ([]social.Metrics, error) {
	return nil, errDraft
}
