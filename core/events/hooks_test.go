package events_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func TestEndpointInput(t *testing.T) {
	w := setup(t)
	for name, tc := range map[string]struct {
		in    events.NewEndpoint
		field string
	}{
		"no address":    {events.NewEndpoint{}, "/url"},
		"refused":       {events.NewEndpoint{URL: "https://refused.example/"}, "/url"},
		"unknown type":  {events.NewEndpoint{URL: "https://example.com/", Types: []events.Filter{"post.created", "post.exploded"}}, "/types/1"},
		"unknown noun":  {events.NewEndpoint{URL: "https://example.com/", Types: []events.Filter{"ghost.*"}}, "/types/0"},
		"two lines":     {events.NewEndpoint{URL: "https://example.com/", Description: "a\nb"}, "/description"},
		"a long story":  {events.NewEndpoint{URL: "https://example.com/", Description: strings.Repeat("é", 501)}, "/description"},
		"no such thing": {events.NewEndpoint{URL: "https://example.com/", Types: []events.Filter{""}}, "/types/0"},
	} {
		_, _, err := w.CreateEndpoint(t.Context(), w.us, tc.in)
		if f := fault.Of(err); f == nil || f.Code != fault.Invalid || f.Field != tc.field {
			t.Errorf("%s: %v on %q", name, err, f.Field)
		}
	}
	for range events.MaxEndpoints {
		w.endpoint(t)
	}
	if _, _, err := w.CreateEndpoint(t.Context(), w.us, events.NewEndpoint{URL: "https://example.com/"}); !fault.Is(err, fault.Quota) {
		t.Errorf("one too many: %v", err)
	}
}

func TestUpdateEndpoint(t *testing.T) {
	w := setup(t)
	e := w.endpoint(t)
	got, err := w.UpdateEndpoint(t.Context(), w.us, e.ID, e.Version, events.EndpointPatch{Description: ptr("new"), Types: &[]events.Filter{"post.*"}})
	if err != nil || got.Description != "new" || got.URL != e.URL || len(got.Types) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.UpdateEndpoint(t.Context(), w.us, e.ID, e.Version, events.EndpointPatch{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a stale version: %v", err)
	}
	must(t, w.DeleteEndpoint(t.Context(), w.us, e.ID))
	for name, err := range map[string]error{
		"get":    second(w.Endpoint(t.Context(), w.us, e.ID)),
		"delete": w.DeleteEndpoint(t.Context(), w.us, e.ID),
		"test":   second(w.Test(t.Context(), w.us, e.ID)),
		"replay": second(w.Replay(t.Context(), w.us, e.ID, w.now)),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each use case asks for the right thing.
func TestUseCasesAskForTheirAction(t *testing.T) {
	ctx := context.Background()
	denied := &authz{}
	s := events.New(nil, denied, nil, nil, time.Now) // reaching any of them would panic
	who := tenants.SystemScope(tenants.NewID())
	got := map[tenants.Action]int{}
	for _, call := range []func() error{
		func() error { return second(s.List(ctx, who, events.Query{})) },
		func() error { _, _, err := s.Resume(ctx, who, ""); return err },
		func() error { return second(s.Follow(ctx, who, events.Place{})) },
		func() error { return second(s.Endpoint(ctx, who, "")) },
		func() error { return second(s.Endpoints(ctx, who)) },
		func() error { _, _, err := s.Deliveries(ctx, who, events.DeliveryQuery{}); return err },
		func() error { _, _, err := s.CreateEndpoint(ctx, who, events.NewEndpoint{}); return err },
		func() error { return second(s.UpdateEndpoint(ctx, who, "", 0, events.EndpointPatch{})) },
		func() error { return s.DeleteEndpoint(ctx, who, "") },
		func() error { _, _, err := s.Rotate(ctx, who, "", 0); return err },
		func() error { return second(s.Test(ctx, who, "")) },
		func() error { return second(s.Resend(ctx, who, "")) },
		func() error { return second(s.Replay(ctx, who, "", time.Time{})) },
		func() error { return s.ReplayPage(ctx, who, events.Replay{}) },
		func() error { return s.FanOut(ctx, who, "") },
		func() error { return s.Deliver(ctx, who, "", 1) },
	} {
		if err := call(); !fault.Is(err, fault.Forbidden) {
			t.Errorf("err = %v", err)
		}
		got[denied.asked]++
	}
	want := map[tenants.Action]int{events.ActRead: 3, events.ActWebhookRead: 3, events.ActWebhookManage: 10}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

type authz struct{ asked tenants.Action }

func (a *authz) Allow(_ context.Context, _ tenants.Scope, act tenants.Action) error {
	a.asked = act
	return fault.New(fault.Forbidden, "x", "x")
}
