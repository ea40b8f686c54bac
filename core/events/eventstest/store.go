// Package eventstest has a Store for tests and the contract both it and the
// real one must meet.
package eventstest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit/audittest"
)

// Store is an events.Store in memory. Its zero value is ready to use, and safe
// for concurrent use: transactions run one at a time.
type Store struct {
	Now func() time.Time // nil means time.Now

	mu     sync.Mutex
	commit uint64
	all    map[tenants.ID]*state
}

// state is one tenant's rows and the work it asked for.
type state struct {
	log        []events.Event
	endpoints  map[events.EndpointID]events.Endpoint
	deliveries map[events.DeliveryID]events.Delivery
	asked      Work
}

// Work is what a tenant's transactions asked the job runner for.
type Work struct {
	FanOuts  []events.ID
	Delivers []Deliver
	Replays  []events.Replay
}

// Deliver is one call of Service.Deliver.
type Deliver struct {
	ID      events.DeliveryID
	Attempt int
	At      time.Time
}

// Take returns the work asked for so far, once.
func (s *Store) Take(who tenants.ID) Work {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.of(who)
	w := st.asked
	st.asked = Work{}
	return w
}

// View implements events.Store.
func (s *Store) View(_ context.Context, who tenants.ID, fn func(events.Tx) error) error {
	_, err := s.run(who, fn)
	return err
}

// Update implements events.Store.
func (s *Store) Update(_ context.Context, who tenants.ID, fn func(events.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	tx, err := s.try(who, fn)
	if err != nil {
		return err
	}
	s.all[who] = tx.state
	return nil
}

func (s *Store) run(who tenants.ID, fn func(events.Tx) error) (*memTx, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.try(who, fn)
}

func (s *Store) try(who tenants.ID, fn func(events.Tx) error) (*memTx, error) {
	if !who.Valid() {
		return nil, fault.New(fault.Unauthenticated, "auth.required", "Please sign in.")
	}
	s.commit++
	old := s.of(who)
	tx := &memTx{who: who, commit: s.commit, now: s.Now, state: &state{
		log: slices.Clone(old.log), endpoints: maps.Clone(old.endpoints), deliveries: maps.Clone(old.deliveries),
		asked: Work{slices.Clone(old.asked.FanOuts), slices.Clone(old.asked.Delivers), slices.Clone(old.asked.Replays)},
	}}
	if tx.now == nil {
		tx.now = time.Now
	}
	return tx, fn(tx)
}

func (s *Store) of(who tenants.ID) *state {
	if s.all == nil {
		s.all = map[tenants.ID]*state{}
	}
	if s.all[who] == nil {
		s.all[who] = &state{endpoints: map[events.EndpointID]events.Endpoint{}, deliveries: map[events.DeliveryID]events.Delivery{}}
	}
	return s.all[who]
}

type memTx struct {
	audittest.Recorder
	*state
	who    tenants.ID
	commit uint64
	nth    int64
	now    func() time.Time
}

func (tx *memTx) Emit(ctx context.Context, d events.Draft) (events.ID, error) {
	data, err := d.Encode()
	if err != nil {
		return "", err
	}
	tx.nth++
	e := events.Event{
		ID: events.NewID(), Tenant: tx.who, Type: d.Type, Subject: d.Subject, Data: data,
		Request: events.RequestOf(ctx), At: tx.now(),
	}
	e.Place = events.Place{Cursor: e.Seq(), Commit: tx.commit, Nth: tx.nth, At: e.At}
	tx.log = append(tx.log, e)
	for _, to := range tx.endpoints {
		if to.Wants(e.Type) {
			tx.asked.FanOuts = append(tx.asked.FanOuts, e.ID)
			break
		}
	}
	return e.ID, nil
}

func (tx *memTx) Event(_ context.Context, id events.ID) (*events.Event, error) {
	for _, e := range tx.log {
		if e.ID == id {
			return &e, nil
		}
	}
	return nil, fault.New(fault.NotFound, "event.not_found", "There is no such event.")
}

func (tx *memTx) Place(ctx context.Context, c events.Cursor) (events.Place, error) {
	if c == events.Start {
		return events.Place{Cursor: events.Start}, nil
	}
	e, err := tx.Event(ctx, events.ID(c))
	if err != nil {
		return events.Place{}, err
	}
	return e.Place, nil
}

func (tx *memTx) Head(context.Context) (events.Place, error) {
	if len(tx.log) == 0 {
		return events.Place{Cursor: events.Start}, nil
	}
	return tx.log[len(tx.log)-1].Place, nil
}

func (tx *memTx) Events(_ context.Context, from events.Place, types []events.Filter, limit int) (events.Page, error) {
	page := events.Page{Next: from.Cursor}
	for _, e := range tx.log {
		if !e.Place.After(from) || !events.Matches(types, e.Type) {
			continue
		}
		if len(page.Events) == limit {
			page.More = true
			break
		}
		page.Events = append(page.Events, e)
		page.Next = e.Seq()
	}
	return page, nil
}

func (tx *memTx) FirstSince(_ context.Context, t time.Time) (events.Place, error) {
	for _, e := range tx.log {
		if !e.At.Before(t) {
			return events.Place{Commit: e.Place.Commit, Nth: e.Place.Nth - 1}, nil
		}
	}
	return tx.Head(context.Background())
}

func (tx *memTx) Endpoint(_ context.Context, id events.EndpointID) (*events.Endpoint, error) {
	e, ok := tx.endpoints[id]
	if !ok {
		return nil, fault.New(fault.NotFound, "webhook.not_found", "There is no such endpoint.")
	}
	return &e, nil
}

func (tx *memTx) Endpoints(context.Context) ([]events.Endpoint, error) {
	return slices.SortedFunc(maps.Values(tx.endpoints), func(a, b events.Endpoint) int { return cmp.Compare(a.ID, b.ID) }), nil
}

func (tx *memTx) CountEndpoints(context.Context) (int, error) { return len(tx.endpoints), nil }

func (tx *memTx) SaveEndpoint(_ context.Context, e *events.Endpoint) error {
	if err := e.Check(); err != nil {
		return err
	}
	if tx.endpoints[e.ID].Version != e.Version {
		return fault.New(fault.Conflict, "webhook.stale", "Someone else changed this endpoint.")
	}
	e.Version++
	tx.endpoints[e.ID] = *e
	return nil
}

func (tx *memTx) DeleteEndpoint(ctx context.Context, id events.EndpointID) error {
	if _, err := tx.Endpoint(ctx, id); err != nil {
		return err
	}
	delete(tx.endpoints, id)
	maps.DeleteFunc(tx.deliveries, func(_ events.DeliveryID, d events.Delivery) bool { return d.Endpoint == id })
	return nil
}

// AddJob implements events.Tx. Nobody asks it for jobs.
func (tx *memTx) AddJob(ctx context.Context, d *events.Delivery) error {
	_, err := tx.AddDelivery(ctx, d)
	return err
}

func (tx *memTx) AddDelivery(_ context.Context, d *events.Delivery) (bool, error) {
	for _, old := range tx.deliveries {
		if old.Endpoint == d.Endpoint && old.Event == d.Event && old.Replay == d.Replay {
			return false, nil
		}
	}
	tx.deliveries[d.ID] = *d
	tx.ask(d)
	return true, nil
}

func (tx *memTx) Delivery(_ context.Context, id events.DeliveryID) (*events.Delivery, error) {
	d, ok := tx.deliveries[id]
	if !ok {
		return nil, fault.New(fault.NotFound, "webhook.delivery_not_found", "There is no such delivery.")
	}
	d.Log = slices.Clone(d.Log)
	return &d, nil
}

func (tx *memTx) SaveDelivery(_ context.Context, d *events.Delivery) error {
	tx.deliveries[d.ID] = *d
	if d.State == events.Pending {
		tx.ask(d)
	}
	return nil
}

func (tx *memTx) ask(d *events.Delivery) {
	tx.asked.Delivers = append(tx.asked.Delivers, Deliver{d.ID, d.Attempts + 1, d.NextAt})
}

func (tx *memTx) Deliveries(_ context.Context, q events.DeliveryQuery) (out []events.Delivery, err error) {
	newest := slices.SortedFunc(maps.Values(tx.deliveries), func(a, b events.Delivery) int { return cmp.Compare(b.ID, a.ID) })
	for _, d := range newest {
		if d.Endpoint == q.Endpoint && (q.State == "" || d.State == q.State) && (q.Before == "" || d.ID < q.Before) && len(out) < q.Limit {
			out = append(out, d)
		}
	}
	return out, nil
}

func (tx *memTx) ReplayFrom(_ context.Context, r events.Replay) error {
	tx.asked.Replays = append(tx.asked.Replays, r)
	return nil
}
