package channels_test

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

func ptr[T any](v T) *T { return &v }

func TestAPausedChannelPublishesNothing(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	ch, err := w.Update(t.Context(), w.who, ch.ID, ch.Version, channels.Change{Paused: ptr(true), PauseReason: ptr("holiday")})
	w.must(err)
	if !ch.Paused || ch.PausedBy != string(w.who.User) || ch.PausedOn != "holiday" {
		t.Errorf("channel: %+v", ch)
	}
	calls := w.net.count()
	if err := w.publish(ch.ID, true); kindOf(err) != social.Transient || w.net.count() != calls {
		t.Errorf("err = %v", err)
	}
	if _, err := w.Find(t.Context(), tenants.SystemScope(w.who.Tenant), ch.ID, social.FindRequest{}); err != nil {
		t.Errorf("a paused channel cannot be looked at: %v", err)
	}
	ch, err = w.Update(t.Context(), w.who, ch.ID, 0, channels.Change{Paused: ptr(false)})
	w.must(err)
	if ch.Paused || ch.PausedBy != "" || ch.PausedOn != "" {
		t.Errorf("channel: %+v", ch)
	}
	w.must(w.publish(ch.ID, true))
	var told []string
	for _, e := range w.store.Events(w.who.Tenant) {
		if e.Type == channels.EventUpdated && e.Subject == string(ch.ID) {
			told = append(told, e.Data)
		}
	}
	if len(told) != 2 || !strings.Contains(told[0], `"paused":true`) || strings.Contains(told[1], "paused") {
		t.Errorf("told of the pause and its end: %q", told)
	}
}

func TestUpdateRefuses(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	viewer := w.who
	viewer.Role = tenants.Viewer
	for name, tc := range map[string]struct {
		who     tenants.Scope
		id      channels.ID
		version int
		change  channels.Change
		code    fault.Code
	}{
		"an old version":  {w.who, ch.ID, ch.Version + 1, channels.Change{Name: ptr("x")}, fault.Conflict},
		"an empty name":   {w.who, ch.ID, 0, channels.Change{Name: ptr(" ")}, fault.Invalid},
		"a long name":     {w.who, ch.ID, 0, channels.Change{Name: ptr(strings.Repeat("x", channels.MaxName+1))}, fault.Invalid},
		"a long reason":   {w.who, ch.ID, 0, channels.Change{Paused: ptr(true), PauseReason: ptr(strings.Repeat("x", 2000))}, fault.Invalid},
		"a viewer":        {viewer, ch.ID, 0, channels.Change{Name: ptr("x")}, fault.Forbidden},
		"another tenant":  {w.person(), ch.ID, 0, channels.Change{Name: ptr("x")}, fault.NotFound},
		"unknown channel": {w.who, channels.NewID(), 0, channels.Change{Name: ptr("x")}, fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.Update(t.Context(), tc.who, tc.id, tc.version, tc.change); !fault.Is(err, tc.code) {
				t.Errorf("err = %v, want %s", err, tc.code)
			}
		})
	}
}

func TestAViewerOnlyReads(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	viewer := w.who
	viewer.Role = tenants.Viewer
	ctx := t.Context()
	for name, err := range map[string]error{
		"start":      second(w.Start(ctx, viewer, channels.StartRequest{Platform: "test.network"})),
		"continue":   second(w.Continue(ctx, viewer, channels.NewConnectionID(), nil)),
		"choose":     second(w.Choose(ctx, viewer, channels.NewConnectionID(), nil)),
		"connection": second(w.Connection(ctx, viewer, channels.NewConnectionID())),
		"disconnect": second(w.Disconnect(ctx, viewer, ch.ID, 0)),
		"renew":      w.Renew(ctx, viewer, ch.Grant),
		"renewals":   second(w.Renewals(ctx, viewer, ch.ID)),
		"set app":    w.SetApp(ctx, viewer, channels.AppSettings{Platform: "test.network"}),
		"get app":    second(w.GetApp(ctx, viewer, "test.network", "")),
		"publish":    second(w.Publish(ctx, viewer, ch.ID, social.PublishRequest{})),
		"find":       second(w.Find(ctx, viewer, ch.ID, social.FindRequest{})),
		"metrics":    second(w.Metrics(ctx, viewer, ch.ID, nil)),
	} {
		if !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"get":       second(w.Get(ctx, viewer, ch.ID)),
		"describe":  second(w.Describe(ctx, viewer, ch.ID)),
		"platforms": second(w.Platforms(ctx, viewer)),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestDisconnectDeletesAndRevokesTheCredential(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	gone, err := w.Disconnect(t.Context(), w.who, ch.ID, ch.Version)
	w.must(err)
	if gone.State != channels.Disconnected || gone.Grant != "" {
		t.Errorf("channel: %+v", gone)
	}
	if len(w.auth.revoked) != 2 || w.auth.revoked[0] != canary+" refresh 0" || w.auth.revoked[1] != canary+" access 0" {
		t.Errorf("revoked: %q", w.auth.revoked)
	}
	if err := w.publish(ch.ID, true); kindOf(err) != social.AuthRevoked {
		t.Errorf("err = %v", err)
	}
	if again, err := w.Disconnect(t.Context(), w.who, ch.ID, 0); err != nil || again.State != channels.Disconnected || len(w.auth.revoked) != 2 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if back := w.connected(w.who); back.ID != ch.ID {
		t.Errorf("back as %s", back.ID)
	}
}

func TestASharedGrantOutlivesItsFirstChannel(t *testing.T) {
	w := setup(t)
	w.net.accounts = []social.Account{{ID: "1"}, {ID: "2"}}
	c, state := w.start(w.who)
	c, err := w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "c"})
	w.must(err)
	c, err = w.Choose(t.Context(), w.who, c.ID, []string{"1", "2"})
	w.must(err)
	if _, err := w.Disconnect(t.Context(), w.who, c.Channels[0], 0); err != nil || len(w.auth.revoked) != 0 {
		t.Fatalf("revoked %q, %v", w.auth.revoked, err)
	}
	w.must(w.publish(c.Channels[1], true))
	_, err = w.Disconnect(t.Context(), w.who, c.Channels[1], 0)
	w.must(err)
	if len(w.auth.revoked) != 2 {
		t.Errorf("revoked %q", w.auth.revoked)
	}
}

func TestListPages(t *testing.T) {
	w := setup(t)
	for _, id := range []string{"1", "2", "3"} {
		w.net.accounts = []social.Account{{ID: id}}
		w.connected(w.who)
	}
	first, more, err := w.List(t.Context(), w.who, channels.Query{Limit: 2})
	w.must(err)
	if len(first) != 2 || !more {
		t.Fatalf("%d channels, more %v", len(first), more)
	}
	rest, more, err := w.List(t.Context(), w.who, channels.Query{Limit: 2, After: first[1].ID})
	w.must(err)
	if len(rest) != 1 || more {
		t.Errorf("%d channels, more %v", len(rest), more)
	}
}
