package events

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// FanOut makes a delivery of an event for each endpoint that wants it. The job
// runner calls it once or more; a delivery is made once.
func (s *Service) FanOut(ctx context.Context, who tenants.Scope, event ID) error {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return err
	}
	return s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		e, err := tx.Event(ctx, event)
		if err != nil {
			return err
		}
		all, err := tx.Endpoints(ctx)
		if err != nil {
			return err
		}
		for _, to := range all {
			if !to.Wants(e.Type) {
				continue
			}
			if _, err := tx.AddDelivery(ctx, NewDelivery(to.ID, e, "", s.now())); err != nil {
				return err
			}
		}
		return nil
	})
}

// Deliver makes try number attempt (from 1) of a delivery. The job runner
// calls it; a call for a try that was already recorded does nothing. The
// request happens between two transactions: a crash in the middle sends it
// again under the same webhook-id.
func (s *Service) Deliver(ctx context.Context, who tenants.Scope, did DeliveryID, attempt int) error {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return err
	}
	var d *Delivery
	var to *Endpoint
	var e *Event
	err := s.store.View(ctx, who.Tenant, func(tx Tx) (err error) {
		if d, err = tx.Delivery(ctx, did); err != nil {
			return err
		}
		if to, err = tx.Endpoint(ctx, d.Endpoint); err != nil {
			return err
		}
		e, err = tx.Event(ctx, d.Event)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil // deleted meanwhile
	}
	if err != nil || d.State != Pending || d.Attempts != attempt-1 {
		return err
	}
	if to.State != Enabled && d.Type != WebhookTest {
		return s.settle(ctx, who, did, attempt, (*Delivery).Cancel)
	}
	at := s.now()
	m, err := s.compose(ctx, who.Tenant, to, e, at)
	if err != nil {
		return err // ours, not the endpoint's: the try does not count
	}
	answer, sendErr := s.sender.Send(ctx, m)
	if ctx.Err() != nil {
		return ctx.Err() // so is this
	}
	return s.settle(ctx, who, did, attempt, func(d *Delivery) { d.Record(at, s.now().Sub(at), answer, sendErr) })
}

func (s *Service) compose(ctx context.Context, tenant tenants.ID, to *Endpoint, e *Event, at time.Time) (Message, error) {
	var secrets []string
	for _, sealed := range to.Active(at) {
		secret, err := s.sealer.Open(ctx, tenant, sealed.Row, sealed.Sealed)
		if err != nil {
			return Message{}, err
		}
		secrets = append(secrets, string(secret))
	}
	return message(to.URL, e, secrets, at)
}

// settle records what became of a try, on the delivery and on its endpoint.
func (s *Service) settle(ctx context.Context, who tenants.Scope, did DeliveryID, attempt int, record func(*Delivery)) error {
	return s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		d, err := tx.Delivery(ctx, did)
		if fault.Is(err, fault.NotFound) || err == nil && (d.State != Pending || d.Attempts != attempt-1) {
			return nil // someone else was faster
		}
		if err != nil {
			return err
		}
		record(d)
		if err := tx.SaveDelivery(ctx, d); err != nil || d.State == Canceled {
			return err
		}
		return s.hear(ctx, tx, d)
	})
}

// hear tells the endpoint of d what came of it, and its people if that was too much.
func (s *Service) hear(ctx context.Context, tx Tx, d *Delivery) error {
	to, err := tx.Endpoint(ctx, d.Endpoint)
	if err != nil {
		return err
	}
	was, since := to.State, to.FailingSince
	disabled := to.Heard(d, s.now())
	if to.State == was && to.FailingSince.Equal(since) {
		return nil
	}
	if err := tx.SaveEndpoint(ctx, to); err != nil {
		return err
	}
	if disabled && was == Enabled {
		_, err = tx.Emit(ctx, Draft{Type: WebhookDisabled, Subject: string(to.ID), Data: map[string]string{"reason": string(to.Reason)}})
	}
	return err
}

// Deliveries returns an endpoint's log, newest first, and whether there is more.
func (s *Service) Deliveries(ctx context.Context, who tenants.Scope, q DeliveryQuery) (all []Delivery, more bool, err error) {
	if err := s.authz.Allow(ctx, who, ActWebhookRead); err != nil {
		return nil, false, err
	}
	if q, err = q.checked(); err != nil {
		return nil, false, err
	}
	limit := q.Limit
	q.Limit++
	err = s.store.View(ctx, who.Tenant, func(tx Tx) error {
		if _, err := tx.Endpoint(ctx, q.Endpoint); err != nil {
			return err
		}
		all, err = tx.Deliveries(ctx, q)
		return err
	})
	if len(all) > limit {
		all, more = all[:limit], true
	}
	return all, more, err
}

// Test sends a webhook.test event to an endpoint, whatever its types and even
// if it is disabled. The delivery it returns is pending.
func (s *Service) Test(ctx context.Context, who tenants.Scope, eid EndpointID) (d *Delivery, err error) {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if _, err := tx.Endpoint(ctx, eid); err != nil {
			return err
		}
		event, err := tx.Emit(ctx, Draft{Type: WebhookTest, Subject: string(eid)})
		if err != nil {
			return err
		}
		d = NewDelivery(eid, &Event{ID: event, Type: WebhookTest}, "", s.now())
		if _, err = tx.AddDelivery(ctx, d); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "webhook.test", string(eid)))
	})
	return d, err
}

// Resend sends what a delivery carried once more, as a delivery of its own. Its
// Replay is the name of the job that does it.
func (s *Service) Resend(ctx context.Context, who tenants.Scope, did DeliveryID) (d *Delivery, err error) {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		old, err := tx.Delivery(ctx, did)
		if err != nil {
			return err
		}
		if err := enabled(ctx, tx, old.Endpoint); err != nil {
			return err
		}
		d = NewDelivery(old.Endpoint, &Event{ID: old.Event, Type: old.Type}, newReplay(), s.now())
		if err := tx.AddJob(ctx, d); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "webhook.resend", string(did)))
	})
	return d, err
}

// Replay sends every event since a time to an endpoint again, those that it
// wants, oldest first. It answers the replay, which goes on in the background.
func (s *Service) Replay(ctx context.Context, who tenants.Scope, eid EndpointID, since time.Time) (r Replay, err error) {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return Replay{}, err
	}
	if now := s.now(); since.After(now) || now.Sub(since) > Retention {
		return Replay{}, fault.New(fault.Invalid, "webhook.bad_since", "Choose a time within the last %d days.", int(Retention.Hours()/24)).On("/since")
	}
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if err := enabled(ctx, tx, eid); err != nil {
			return err
		}
		head, err := tx.Head(ctx)
		if err != nil {
			return err
		}
		r = Replay{ID: newReplay(), Endpoint: eid, Since: since, Until: head.Cursor}
		if err := tx.ReplayFrom(ctx, r); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "webhook.replay", string(eid), "job", r.ID))
	})
	return r, err
}

// ReplayPage sends the next MaxPage events of r and asks for the page after.
// The job runner calls it once or more; a delivery is made once.
func (s *Service) ReplayPage(ctx context.Context, who tenants.Scope, r Replay) error {
	if err := s.authz.Allow(ctx, who, ActWebhookManage); err != nil {
		return err
	}
	err := s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		to, err := tx.Endpoint(ctx, r.Endpoint)
		if err != nil {
			return err
		}
		from, until, err := r.bounds(ctx, tx)
		if err != nil {
			return err
		}
		page, err := tx.Events(ctx, from, nil, MaxPage)
		if err != nil {
			return err
		}
		for i := range page.Events {
			e := &page.Events[i]
			if e.Place.After(until) {
				return nil
			}
			if !to.Wants(e.Type) {
				continue
			}
			if _, err := tx.AddDelivery(ctx, NewDelivery(to.ID, e, r.ID, s.now())); err != nil {
				return err
			}
		}
		if r.After = page.Next; !page.More {
			return nil
		}
		return tx.ReplayFrom(ctx, r)
	})
	if fault.Is(err, fault.NotFound) {
		return nil // the endpoint, or what was to be replayed, is gone
	}
	return err
}

func (r Replay) bounds(ctx context.Context, tx Tx) (from, until Place, err error) {
	if r.After == "" {
		from, err = tx.FirstSince(ctx, r.Since)
	} else {
		from, err = tx.Place(ctx, r.After)
	}
	if err == nil {
		until, err = tx.Place(ctx, r.Until)
	}
	return from, until, err
}

func enabled(ctx context.Context, tx Tx, eid EndpointID) error {
	to, err := tx.Endpoint(ctx, eid)
	if err == nil && to.State != Enabled {
		err = fault.New(fault.Conflict, "webhook.disabled", "Enable this endpoint first.")
	}
	return err
}

func newReplay() string { return id.New("job") }
