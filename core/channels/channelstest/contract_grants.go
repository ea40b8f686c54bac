package channelstest

import (
	"context"
	"slices"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
)

func (w *world) grant(id channels.GrantID) (g *channels.Grant, err error) {
	err = w.view(func(ctx context.Context, tx channels.Tx) error {
		g, err = tx.Grant(ctx, id)
		return err
	})
	return g, err
}

func (w *world) lease(g *channels.Grant, ttl time.Duration) (fence int64, ok bool) {
	w.Helper()
	w.must(w.update(func(ctx context.Context, tx channels.Tx) (err error) {
		fence, ok, err = tx.Lease(ctx, g.ID, g.Generation, ttl)
		return err
	}))
	return fence, ok
}

func (w *world) renew(g *channels.Grant, fence int64) (ok bool) {
	w.Helper()
	w.must(w.update(func(ctx context.Context, tx channels.Tx) (err error) {
		ok, err = tx.Renew(ctx, g, fence)
		return err
	}))
	return ok
}

// next is g renewed.
func next(g *channels.Grant) *channels.Grant {
	n := *g
	n.Generation++
	n.Sealed, n.RefreshedAt, n.ExpiresAt, n.RefreshAt = []byte("renewed"), at(1), at(120), at(110)
	return &n
}

func dropGrants(w *world) {
	c, g := w.connected()
	drop := func(ctx context.Context, tx channels.Tx) error { return tx.DropGrants(ctx) }
	w.must(w.update(drop))
	_, err := w.grant(g.ID)
	w.must(err)
	if _, ok := w.lease(g, time.Minute); !ok {
		w.Fatal("no lease")
	}
	c.State, c.Grant, c.Reason = channels.Disconnected, "", "gone"
	w.must(w.update(func(ctx context.Context, tx channels.Tx) error {
		w.must(tx.SaveChannel(ctx, c))
		return tx.DropGrants(ctx)
	}))
	_, err = w.grant(g.ID)
	w.want(fault.NotFound, err)
}

func oneLease(w *world) {
	_, g := w.connected()
	won := w.race(16, func(ctx context.Context) bool {
		var ok bool
		err := w.Store.Update(ctx, w.Us, func(ctx context.Context, tx channels.Tx) (err error) {
			_, ok, err = tx.Lease(ctx, g.ID, 1, time.Hour)
			return err
		})
		return ok && err == nil
	})
	if won != 1 {
		w.Errorf("%d hold the lease", won)
	}
	stored, err := w.grant(g.ID)
	w.must(err)
	if stored.LeasedUntil.IsZero() {
		w.Error("the lease does not show")
	}
}

func leaseExpiry(w *world) {
	_, g := w.connected()
	first, ok := w.lease(g, -time.Second) // whoever had it died
	if !ok {
		w.Fatal("no first lease")
	}
	second, ok := w.lease(g, time.Hour)
	if !ok || second <= first {
		w.Fatalf("second lease: %v, fence %d after %d", ok, second, first)
	}
	if w.renew(next(g), first) {
		w.Error("the dead one's result was taken")
	}
	if !w.renew(next(g), second) {
		w.Error("the holder's result was not taken")
	}
}

func fenced(w *world) {
	_, g := w.connected()
	fence, _ := w.lease(g, time.Hour)
	skipped := next(next(g))
	if w.renew(skipped, fence) {
		w.Error("a generation was skipped")
	}
	if !w.renew(next(g), fence) {
		w.Fatal("not renewed")
	}
	if w.renew(next(g), fence) {
		w.Error("renewed twice with one lease")
	}
	stored, err := w.grant(g.ID)
	w.must(err)
	if stored.Generation != 2 || string(stored.Sealed) != "renewed" || !stored.LeasedUntil.IsZero() || !stored.RefreshAt.Equal(at(110)) {
		w.Errorf("stored %+v", stored)
	}
	if _, ok := w.lease(g, time.Hour); ok {
		w.Error("leased to renew what was renewed already")
	}
	w.postponed(stored)
}

// postponed checks the other way a lease ends, and the journal.
func (w *world) postponed(g *channels.Grant) {
	fence, ok := w.lease(g, time.Hour)
	if !ok {
		w.Fatal("no lease")
	}
	w.must(w.update(func(ctx context.Context, tx channels.Tx) error {
		ok, err := tx.Postpone(ctx, g, fence, at(5), "oauth.unavailable")
		if !ok {
			w.Error("not postponed")
		}
		return err
	}))
	stored, err := w.grant(g.ID)
	w.must(err)
	if stored.Failures != 1 || stored.Problem != "oauth.unavailable" || !stored.RefreshAt.Equal(at(5)) || stored.Generation != 2 {
		w.Errorf("stored %+v", stored)
	}
	fence, _ = w.lease(g, time.Hour)
	w.must(w.update(func(ctx context.Context, tx channels.Tx) error {
		_, err := tx.Postpone(ctx, g, fence, time.Time{}, "oauth.invalid_grant")
		return err
	}))
	if stored, err = w.grant(g.ID); err != nil || !stored.RefreshAt.IsZero() {
		w.Errorf("to be renewed at %v, %v", stored.RefreshAt, err)
	}
	w.must(w.view(func(ctx context.Context, tx channels.Tx) error {
		journal, err := tx.Renewals(ctx, g.ID)
		var outcomes []string
		for _, line := range journal {
			outcomes = append(outcomes, line.Outcome)
		}
		if !slices.Equal(outcomes, []string{"oauth.invalid_grant", "oauth.unavailable", "renewed"}) {
			w.Errorf("journal: %+v", journal)
		}
		return err
	}))
}

func noEmptySecret(w *world) {
	_, g := w.connected()
	fence, _ := w.lease(g, time.Hour)
	empty := next(g)
	empty.Sealed = nil
	w.want(fault.Internal, w.update(func(ctx context.Context, tx channels.Tx) error {
		_, err := tx.Renew(ctx, empty, fence)
		return err
	}))
	w.want(fault.Internal, w.update(func(ctx context.Context, tx channels.Tx) error {
		g := newGrant()
		g.Sealed = nil
		return tx.AddGrant(ctx, g)
	}))
}

func dueGrants(w *world) {
	_, due := w.connected() // its time is in the past
	_, leased := w.connected()
	if _, ok := w.lease(leased, time.Hour); !ok {
		w.Fatal("no lease")
	}
	list, err := w.Store.DueGrants(w.ctx, 10_000)
	w.must(err)
	if !slices.Contains(list, channels.Due{Tenant: w.Us, Grant: due.ID}) {
		w.Error("the due grant is not listed")
	}
	if slices.Contains(list, channels.Due{Tenant: w.Us, Grant: leased.ID}) {
		w.Error("a leased grant is listed")
	}
}
