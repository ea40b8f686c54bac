package events

import (
	"math/rand/v2"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

// DeliveryID names an event on its way to an endpoint, such as "whd_01jd…".
type DeliveryID string

// NewDeliveryID returns a fresh delivery name.
func NewDeliveryID() DeliveryID { return DeliveryID(id.New("whd")) }

// DeliveryState is where a delivery stands.
type DeliveryState string

// A delivery leaves Pending once.
const (
	Pending   DeliveryState = "pending"
	Delivered DeliveryState = "delivered" // a 2xx
	Failed    DeliveryState = "failed"    // every try is spent, or the endpoint is gone
	Canceled  DeliveryState = "canceled"  // the endpoint was disabled meanwhile
)

// MaxExcerpt is how many bytes of an answer are kept.
const MaxExcerpt = 2 << 10

const statusGone = 410

// waits is the time between tries: eight tries over about 40 hours, dense at
// first for a deploy that restarts a receiver, then sparse for a night's outage.
var waits = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 12 * time.Hour, 20 * time.Hour,
}

// MaxAttempts is how often a delivery is tried.
var MaxAttempts = len(waits) + 1

// A Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID        DeliveryID
	Endpoint  EndpointID
	Event     ID
	Type      Type
	Replay    string // tells a replay from the first time; empty for that
	State     DeliveryState
	Attempts  int       // how many were made
	NextAt    time.Time // of the next try; zero unless Pending
	Status    int       // HTTP status of the last try; 0 if nothing answered
	Excerpt   string    // of the last answer
	Log       []Attempt // every try, oldest first
	CreatedAt time.Time
}

// An Attempt is one try of a delivery.
type Attempt struct {
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"duration"`
	Status   int           `json:"status,omitempty"`
	Reason   string        `json:"reason,omitempty"` // a fault's reason when nothing answered
}

// Took is how long the last try took.
func (d *Delivery) Took() time.Duration {
	if len(d.Log) == 0 {
		return 0
	}
	return d.Log[len(d.Log)-1].Duration
}

// NewDelivery is e on its way to an endpoint, due at once.
func NewDelivery(to EndpointID, e *Event, replay string, now time.Time) *Delivery {
	return &Delivery{
		ID: NewDeliveryID(), Endpoint: to, Event: e.ID, Type: e.Type, Replay: replay,
		State: Pending, NextAt: now, CreatedAt: now,
	}
}

// Record adds a try and decides what follows. err is what Sender.Send said.
func (d *Delivery) Record(at time.Time, took time.Duration, a Answer, err error) {
	try := Attempt{At: at, Duration: took, Status: a.Status}
	if err != nil {
		try.Reason = fault.Of(err).Reason
	}
	d.Attempts++
	d.Log = append(d.Log, try)
	d.Status, d.Excerpt, d.NextAt = a.Status, clip(a.Excerpt, MaxExcerpt), time.Time{}
	switch {
	case err == nil && a.Status >= 200 && a.Status < 300:
		d.State = Delivered
	case a.Status == statusGone || d.Attempts >= MaxAttempts:
		d.State = Failed
	default:
		d.NextAt = at.Add(max(jitter(waits[d.Attempts-1]), min(a.RetryAfter, 24*time.Hour)))
	}
}

// Cancel gives up on a pending delivery.
func (d *Delivery) Cancel() { d.State, d.NextAt = Canceled, time.Time{} }

// jitter spreads w by a tenth either way, so that receivers that came back do
// not get everything they missed in one second.
func jitter(w time.Duration) time.Duration {
	return w + time.Duration((rand.Float64()-0.5)*0.2*float64(w))
}

// DeliveryQuery chooses from an endpoint's log.
type DeliveryQuery struct {
	Endpoint EndpointID
	State    DeliveryState // "" for all
	Before   DeliveryID    // "" for the newest
	Limit    int           // 0 means 20; at most MaxPage
}

func (q DeliveryQuery) checked() (DeliveryQuery, error) {
	if q.Limit == 0 {
		q.Limit = 20
	}
	switch {
	case q.Limit < 1 || q.Limit > MaxPage:
		return q, fault.New(fault.Invalid, "limit.out_of_range", "Ask for 1 to %d deliveries.", MaxPage).On("/query/limit")
	case q.Before != "" && !id.Is("whd", string(q.Before)):
		return q, fault.New(fault.Invalid, "cursor.unknown", "This cursor is not one of ours.").On("/query/cursor")
	case q.State != "" && q.State != Pending && q.State != Delivered && q.State != Failed && q.State != Canceled:
		return q, fault.New(fault.Invalid, "webhook.bad_state", "There is no such state.")
	}
	return q, nil
}

// A Replay is a run of past events on its way to one endpoint again.
type Replay struct {
	ID       string // told apart from other replays; deliveries carry it
	Endpoint EndpointID
	Since    time.Time
	After    Cursor // how far it got; empty at first
	Until    Cursor // the newest event when it was asked for
}
