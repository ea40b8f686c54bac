// Package publishing decides what goes out, where and when: never twice, never
// lost.
//
// A post becomes a delivery per channel, and a delivery a chain of segments,
// each one effect on a platform that no transaction can undo. So a segment is
// armed in a committed journal entry before the one call that publishes it,
// and whoever finds an armed segment never sends: it finds out. The schedule
// is the segment's own row; workers claim due rows, and nothing waits in
// memory.
//
// People's use cases are on Service (compose.go, validate.go, plan.go,
// settle.go). The protocol is Runner: run.go walks, prepare.go and commit.go
// take the steps, reconcile.go settles doubt, rest.go ends; transitions.go has
// the states' rules. Start with Runner.Run.
package publishing

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// What a member may be allowed to do here.
const (
	ActRead     tenants.Action = "post.read"
	ActCreate   tenants.Action = "post.create"
	ActEdit     tenants.Action = "post.edit"
	ActDelete   tenants.Action = "post.delete"
	ActSchedule tenants.Action = "post.schedule"
	ActPublish  tenants.Action = "post.publish"
	ActCancel   tenants.Action = "post.cancel"
	ActSettle   tenants.Action = "post.settle"
	ActMetrics  tenants.Action = "metrics.read"
)

// Channels is what publishing needs of the channels context.
type Channels interface {
	Describe(ctx context.Context, who tenants.Scope, id channels.ID) (channels.Target, error)
	Publish(ctx context.Context, who tenants.Scope, id channels.ID, req social.PublishRequest) (social.Step, error)
	Commit(ctx context.Context, who tenants.Scope, id channels.ID, req social.PublishRequest, ready channels.Ready) (social.Step, error)
	Find(ctx context.Context, who tenants.Scope, id channels.ID, req social.FindRequest) (social.Finding, error)
	Metrics(ctx context.Context, who tenants.Scope, id channels.ID, posts []social.Ref) ([]social.Metrics, error)
}

// Media turns attachments into what a plugin can fetch.
type Media interface {
	Attach(ctx context.Context, who tenants.Scope, ids []media.ID) ([]social.Media, error)
}

// Rules counts and measures as platforms do.
type Rules interface {
	// Check holds one object to a format's rules; l are the account's own.
	Check(f social.Format, l *social.Limits, text string, media []social.Media, pointer string) []fault.Violation
	// Settings holds settings to a JSON Schema; a nil schema allows none.
	Settings(schema []byte, settings map[string]any, pointer string) []fault.Violation
}

// Service is the use cases of publishing. It is safe for concurrent use.
type Service struct {
	store    Store
	channels Channels
	media    Media
	rules    Rules
	authz    tenants.Authorizer
}

// New returns a Service. Every argument is required.
func New(store Store, ch Channels, m Media, rules Rules, authz tenants.Authorizer) *Service {
	return &Service{store: store, channels: ch, media: m, rules: rules, authz: authz}
}

// Detail is a post with everything that happened to it.
type Detail struct {
	*Post
	Deliveries []*Delivery
}

// Receipt is a post's whole story: each delivery, segment and attempt.
type Receipt struct {
	Detail
	Attempts []Attempt
}

// Measured is what a platform said of one live segment.
type Measured struct {
	Segment SegmentID
	At      time.Time
	Values  map[string]float64
}
