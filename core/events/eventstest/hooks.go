package eventstest

import (
	"context"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
)

func keepsEndpoint(t *testing.T, s *shop) {
	want := endpoint()
	want.Types = []events.Filter{"post.*", "media.ready"}
	want.Rotate(events.SealedSecret{Row: "b", Sealed: []byte{4, 5}}, now().Add(time.Hour))
	want.State, want.Reason, want.FailingSince = events.Disabled, events.Failing, now()
	s.update(t, func(ctx context.Context, tx events.Tx) error { return tx.SaveEndpoint(ctx, want) })
	s.view(t, func(ctx context.Context, tx events.Tx) error {
		got, err := tx.Endpoint(ctx, want.ID)
		must(t, err)
		same(t, want, got)
		return nil
	})
	want.SetState(events.Enabled)
	want.Types = nil
	s.update(t, func(ctx context.Context, tx events.Tx) error { return tx.SaveEndpoint(ctx, want) })
	s.view(t, func(ctx context.Context, tx events.Tx) error {
		all, err := tx.Endpoints(ctx)
		must(t, err)
		same(t, []events.Endpoint{*want}, all)
		return nil
	})
}

func stale(t *testing.T, s *shop) {
	e := endpoint()
	s.update(t, func(ctx context.Context, tx events.Tx) error { return tx.SaveEndpoint(ctx, e) })
	old := *e
	s.update(t, func(ctx context.Context, tx events.Tx) error { return tx.SaveEndpoint(ctx, e) })
	err := s.s.Update(t.Context(), s.us, func(tx events.Tx) error { return tx.SaveEndpoint(t.Context(), &old) })
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("err = %v, want %s", err, fault.Conflict)
	}
}

func refusesEndpoint(t *testing.T, s *shop) {
	e := endpoint()
	e.URL = ""
	err := s.s.Update(t.Context(), s.us, func(tx events.Tx) error { return tx.SaveEndpoint(t.Context(), e) })
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("err = %v, want %s", err, fault.Invalid)
	}
}

func once(t *testing.T, s *shop) {
	e, event := endpoint(), &events.Event{ID: s.emit(t, events.PostCreated), Type: events.PostCreated}
	s.update(t, func(ctx context.Context, tx events.Tx) error { return tx.SaveEndpoint(ctx, e) })
	for i, tc := range []struct {
		replay string
		want   bool
	}{{"", true}, {"", false}, {"again", true}, {"again", false}} {
		s.update(t, func(ctx context.Context, tx events.Tx) error {
			added, err := tx.AddDelivery(ctx, events.NewDelivery(e.ID, event, tc.replay, now()))
			if added != tc.want {
				t.Errorf("%d: added = %v", i, added)
			}
			return err
		})
	}
}

func keepsDelivery(t *testing.T, s *shop) {
	e, event := endpoint(), &events.Event{ID: s.emit(t, events.PostCreated), Type: events.PostCreated}
	want := events.NewDelivery(e.ID, event, "", now())
	s.update(t, func(ctx context.Context, tx events.Tx) error {
		must(t, tx.SaveEndpoint(ctx, e))
		_, err := tx.AddDelivery(ctx, want)
		return err
	})
	want.Record(now(), time.Second, events.Answer{Status: 503, Excerpt: "später"}, nil)
	want.Record(now(), 2*time.Second, events.Answer{}, fault.New(fault.Unavailable, "egress.timeout", "No answer."))
	want.NextAt = want.NextAt.Truncate(time.Millisecond)
	s.update(t, func(ctx context.Context, tx events.Tx) error { return tx.SaveDelivery(ctx, want) })
	s.view(t, func(ctx context.Context, tx events.Tx) error {
		got, err := tx.Delivery(ctx, want.ID)
		must(t, err)
		same(t, want, got)
		return nil
	})
}

func lists(t *testing.T, s *shop) {
	e := endpoint()
	s.update(t, func(ctx context.Context, tx events.Tx) error { return tx.SaveEndpoint(ctx, e) })
	var want []events.DeliveryID
	for i := range 4 {
		d := events.NewDelivery(e.ID, &events.Event{ID: s.emit(t, events.PostCreated), Type: events.PostCreated}, "", now())
		if i == 0 {
			d.Cancel()
		}
		s.update(t, func(ctx context.Context, tx events.Tx) error { _, err := tx.AddDelivery(ctx, d); return err })
		want = append(want, d.ID)
	}
	s.view(t, func(ctx context.Context, tx events.Tx) error {
		var got []events.DeliveryID
		q := events.DeliveryQuery{Endpoint: e.ID, Limit: 3}
		for range 2 {
			page, err := tx.Deliveries(ctx, q)
			must(t, err)
			for _, d := range page {
				got = append([]events.DeliveryID{d.ID}, got...)
			}
			q.Before = page[len(page)-1].ID
		}
		same(t, sorted(want), got)
		canceled, err := tx.Deliveries(ctx, events.DeliveryQuery{Endpoint: e.ID, State: events.Canceled, Limit: 3})
		if len(canceled) != 1 {
			t.Errorf("canceled = %v", canceled)
		}
		return err
	})
}

func deletes(t *testing.T, s *shop) {
	e, event := endpoint(), &events.Event{ID: s.emit(t, events.PostCreated), Type: events.PostCreated}
	d := events.NewDelivery(e.ID, event, "", now())
	s.update(t, func(ctx context.Context, tx events.Tx) error {
		must(t, tx.SaveEndpoint(ctx, e))
		_, err := tx.AddDelivery(ctx, d)
		return err
	})
	s.update(t, func(ctx context.Context, tx events.Tx) error { return tx.DeleteEndpoint(ctx, e.ID) })
	s.view(t, func(ctx context.Context, tx events.Tx) error {
		_, err1 := tx.Endpoint(ctx, e.ID)
		_, err2 := tx.Delivery(ctx, d.ID)
		if !fault.Is(err1, fault.NotFound) || !fault.Is(err2, fault.NotFound) {
			t.Errorf("errs = %v, %v", err1, err2)
		}
		return nil
	})
}

func endpoint() *events.Endpoint {
	return &events.Endpoint{
		ID: events.NewEndpointID(), URL: "https://example.com/hook", Description: "ours", State: events.Enabled,
		APIVersion: events.APIVersion, Secrets: []events.SealedSecret{{Row: "a", Sealed: []byte{1, 2, 3}}}, CreatedAt: now(),
	}
}
