// Package events decides what a tenant is told about what happened in it, in
// which order, and who else hears of it.
//
// A change and its event commit in one transaction, so an event is never about
// something that did not happen and nothing happens unheard. Events are thin:
// they name a thing, and the reader fetches its present state, so the order of
// two events never decides what is true. The same envelope goes to the stream
// of a browser and to webhooks.
//
// Start with Service and List; event.go is the shape of an event, endpoint.go
// and delivery.go the rules of webhooks, hooks.go and send.go their use cases.
package events

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// What an actor may be allowed to do here.
const (
	ActRead          tenants.Action = "event.read"
	ActWebhookRead   tenants.Action = "webhook.read"
	ActWebhookManage tenants.Action = "webhook.manage"
)

// Figures of the stream.
const (
	// Retention is how long an event can be listed and replayed.
	Retention = 30 * 24 * time.Hour
	// ResumeWindow is how old the last event a stream saw may be to go on from it.
	ResumeWindow = 24 * time.Hour
	// MaxPage is the most events one List returns.
	MaxPage = 100
)

// Service is the use cases of events and webhooks. It is safe for concurrent use.
type Service struct {
	store  Store
	authz  tenants.Authorizer
	sealer Sealer
	sender Sender
	now    func() time.Time
}

// New returns a Service. Every argument is required.
func New(store Store, authz tenants.Authorizer, sealer Sealer, sender Sender, now func() time.Time) *Service {
	return &Service{store: store, authz: authz, sealer: sealer, sender: sender, now: now}
}

// Query chooses events.
type Query struct {
	After Cursor // "" and Start both mean from the oldest kept
	Types []Filter
	Limit int // 0 means 20; at most MaxPage
}

// Page is a run of events in order.
type Page struct {
	Events []Event
	// Next continues after this page. It is the query's own cursor if the page is empty.
	Next Cursor
	More bool
	// Unsettled says that events exist that are not in order yet, because an
	// older transaction is still open. They show within its lifetime.
	Unsettled bool
}

// List returns events in the order of the stream. It answers Invalid for a
// cursor that is malformed, foreign or older than Retention.
func (s *Service) List(ctx context.Context, who tenants.Scope, q Query) (Page, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return Page{}, err
	}
	q, err := q.checked()
	if err != nil {
		return Page{}, err
	}
	var page Page
	err = s.store.View(ctx, who.Tenant, func(tx Tx) error {
		page, err = list(ctx, tx, q)
		return err
	})
	return page, err
}

// Resume says where a stream that saw last goes on: after last, or, with
// reset, after the newest event, because last is unknown or older than
// ResumeWindow and the reader must fetch its state anew. An empty last starts
// after the newest event.
func (s *Service) Resume(ctx context.Context, who tenants.Scope, last Cursor) (from Place, reset bool, err error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return Place{}, false, err
	}
	err = s.store.View(ctx, who.Tenant, func(tx Tx) error {
		if last != "" && last.Valid() {
			switch from, err = tx.Place(ctx, last); {
			case err == nil && (last == Start || s.now().Sub(from.At) <= ResumeWindow):
				return nil
			case err != nil && !fault.Is(err, fault.NotFound):
				return err
			}
		}
		reset = last != ""
		from, err = tx.Head(ctx)
		return err
	})
	return from, reset, err
}

// Follow returns the settled events after from, for a stream.
func (s *Service) Follow(ctx context.Context, who tenants.Scope, from Place) (Page, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return Page{}, err
	}
	var page Page
	err := s.store.View(ctx, who.Tenant, func(tx Tx) (err error) {
		page, err = tx.Events(ctx, from, nil, MaxPage)
		return err
	})
	return page, err
}

func list(ctx context.Context, tx Tx, q Query) (Page, error) {
	from, err := tx.Place(ctx, q.After)
	if fault.Is(err, fault.NotFound) {
		return Page{}, badCursor().Because(err)
	}
	if err != nil {
		return Page{}, err
	}
	page, err := tx.Events(ctx, from, q.Types, q.Limit)
	if err == nil && page.Next == "" {
		page.Next = q.After
	}
	return page, err
}

func (q Query) checked() (Query, error) {
	if q.After == "" {
		q.After = Start
	}
	if q.Limit == 0 {
		q.Limit = 20
	}
	switch {
	case !q.After.Valid():
		return q, badCursor()
	case q.Limit < 1 || q.Limit > MaxPage:
		return q, fault.New(fault.Invalid, "limit.out_of_range", "Ask for 1 to %d events.", MaxPage).On("/query/limit")
	}
	return q, checkFilters(q.Types)
}

func badCursor() *fault.Error {
	return fault.New(fault.Invalid, "cursor.unknown", "This cursor is unknown or too old. Start again without one.").On("/query/cursor")
}
