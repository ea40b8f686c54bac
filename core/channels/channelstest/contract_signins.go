package channelstest

import (
	"context"
	"crypto/rand"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

func newConnection() *channels.Connection {
	return &channels.Connection{
		ID: channels.NewConnectionID(), Platform: "test.platform", Stage: channels.AwaitsRedirect, ReturnURL: "/channels",
		User: tenants.UserID(id.New("usr")), CreatedAt: at(0), ExpiresAt: at(10), StateHash: []byte(rand.Text()), BindingHash: []byte("b"),
		Sealed: []byte("sealed"), Redirect: "https://example.org/authorize", Binding: "secret",
	}
}

func (w *world) saveConnection(c *channels.Connection) {
	w.Helper()
	w.must(w.update(func(ctx context.Context, tx channels.Tx) error { return tx.SaveConnection(ctx, c) }))
}

func connection(w *world) {
	c := newConnection()
	w.saveConnection(c)
	c.Stage, c.Form, c.Channels = channels.AwaitsChoice, []byte(`{"type": "object"}`), []channels.ID{channels.NewID()}
	c.Choices = []social.Account{{ID: "1", Handle: "@ann"}}
	c.StateHash = nil
	w.saveConnection(c)
	w.must(w.view(func(ctx context.Context, tx channels.Tx) error {
		got, err := tx.Connection(ctx, c.ID)
		if err != nil {
			return err
		}
		want := *c
		want.Redirect, want.Binding = "", "" // never kept
		if d := cmp.Diff(want, *got, sameTime); d != "" {
			w.Error(d)
		}
		return nil
	}))
	stale := *c
	w.saveConnection(c)
	w.want(fault.Conflict, w.update(func(ctx context.Context, tx channels.Tx) error { return tx.SaveConnection(ctx, &stale) }))
}

func byState(w *world) {
	c := newConnection()
	w.saveConnection(c)
	tenant, cid, err := w.Store.ByState(w.ctx, c.StateHash)
	if err != nil || tenant != w.Us || cid != c.ID {
		w.Errorf("%s, %s, %v", tenant, cid, err)
	}
	for name, hash := range map[string][]byte{"other": []byte("other"), "none": nil} {
		if _, _, err := w.Store.ByState(w.ctx, hash); !fault.Is(err, fault.NotFound) {
			w.Errorf("%s: %v", name, err)
		}
	}
}

func purge(w *world) {
	old, recent := newConnection(), newConnection()
	recent.ExpiresAt = at(100)
	w.saveConnection(old)
	w.saveConnection(recent)
	if _, err := w.Store.PurgeConnections(w.ctx, at(50)); err != nil {
		w.Fatal(err)
	}
	w.must(w.view(func(ctx context.Context, tx channels.Tx) error {
		_, err := tx.Connection(ctx, old.ID)
		w.want(fault.NotFound, err)
		_, err = tx.Connection(ctx, recent.ID)
		return err
	}))
}

func app(w *world) {
	a := &channels.App{
		Platform: "test.platform", Instance: "example.org", ClientID: "c", Settings: map[string]string{"k": "v"}, Sealed: []byte("s"), Registered: "r",
	}
	save := func(a *channels.App) error {
		return w.update(func(ctx context.Context, tx channels.Tx) error { return tx.SaveApp(ctx, a) })
	}
	first := *a
	w.must(save(a))
	w.want(fault.Conflict, save(&first))
	a.ClientID = "d"
	w.must(save(a))
	w.must(w.view(func(ctx context.Context, tx channels.Tx) error {
		got, err := tx.App(ctx, a.Platform, a.Instance)
		if err != nil {
			return err
		}
		if d := cmp.Diff(a, got, cmpopts.IgnoreUnexported(channels.App{})); d != "" {
			w.Error(d)
		}
		_, err = tx.App(ctx, a.Platform, "")
		w.want(fault.NotFound, err)
		return nil
	}))
}
