package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/tenants"
)

// WebhookFanOut makes the deliveries of an event.
type WebhookFanOut struct {
	Tenant string `json:"tenant"`
	Event  string `json:"event"`
}

// Kind implements river.JobArgs.
func (WebhookFanOut) Kind() string { return "webhooks.fan_out" }

// WebhookDeliver makes one try of a delivery. Retries are jobs of their own:
// the schedule belongs to the delivery, not to the queue.
type WebhookDeliver struct {
	Tenant   string `json:"tenant"`
	Delivery string `json:"delivery"`
	Attempt  int    `json:"attempt"` // from 1
}

// Kind implements river.JobArgs.
func (WebhookDeliver) Kind() string { return "webhooks.deliver" }

// WebhookReplay makes the deliveries of the next page of past events.
type WebhookReplay struct {
	Tenant   string    `json:"tenant"`
	Replay   string    `json:"replay"`
	Endpoint string    `json:"endpoint"`
	Since    time.Time `json:"since"`
	After    string    `json:"after,omitempty"`
	Until    string    `json:"until"`
}

// Kind implements river.JobArgs.
func (WebhookReplay) Kind() string { return "webhooks.replay" }

// EventsPrune forgets what is past its retention, in every tenant.
type EventsPrune struct{}

// Kind implements river.JobArgs.
func (EventsPrune) Kind() string { return "events.prune" }

// Webhooks is the part of events.Service that workers need.
type Webhooks interface {
	FanOut(ctx context.Context, who tenants.Scope, event events.ID) error
	Deliver(ctx context.Context, who tenants.Scope, d events.DeliveryID, attempt int) error
	ReplayPage(ctx context.Context, who tenants.Scope, r events.Replay) error
}

// Pruner forgets events older than keep, and finds deliveries nobody is
// working on any more.
type Pruner interface {
	PruneEvents(ctx context.Context, keep time.Duration) error
}

// RegisterWebhooks adds the workers of events and webhooks.
func RegisterWebhooks(ws *river.Workers, hooks Webhooks, prune Pruner) {
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[WebhookFanOut]) error {
		return Verdict(hooks.FanOut(ctx, system(job.Args.Tenant), events.ID(job.Args.Event)))
	}))
	room := &bulkhead{all: 20, each: 4}
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[WebhookDeliver]) error {
		return room.do(job.Args.Tenant, func() error {
			return Verdict(hooks.Deliver(ctx, system(job.Args.Tenant), events.DeliveryID(job.Args.Delivery), job.Args.Attempt))
		})
	}))
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, job *river.Job[WebhookReplay]) error {
		a := job.Args
		return Verdict(hooks.ReplayPage(ctx, system(a.Tenant), events.Replay{
			ID: a.Replay, Endpoint: events.EndpointID(a.Endpoint), Since: a.Since,
			After: events.Cursor(a.After), Until: events.Cursor(a.Until),
		}))
	}))
	river.AddWorker(ws, river.WorkFunc(func(ctx context.Context, _ *river.Job[EventsPrune]) error {
		return Verdict(prune.PruneEvents(ctx, events.Retention))
	}))
}

// PeriodicWebhooks is what runs by the clock, for river.Config.PeriodicJobs.
func PeriodicWebhooks() []*river.PeriodicJob {
	return []*river.PeriodicJob{every(time.Hour, EventsPrune{}, river.QueueDefault)}
}

func system(tenant string) tenants.Scope { return tenants.SystemScope(tenants.ID(tenant)) }
