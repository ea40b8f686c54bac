package channelstest

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Opened is a store under test and two tenants that have nothing yet.
type Opened struct {
	Store    channels.Store
	Us, Them tenants.ID
}

// Run checks that a Store keeps its promises. open is called once a test.
func Run(t *testing.T, open func(*testing.T) Opened) {
	for name, test := range map[string]func(*world){
		"a channel comes back as it was saved":          roundTrip,
		"a stale save conflicts":                        staleSave,
		"an account is one channel":                     oneAccount,
		"servers number their accounts alike":           accountsOfServers,
		"a page follows the one before":                 pages,
		"their rows are not there":                      foreign,
		"a failed update leaves nothing":                rollback,
		"a bad channel is refused":                      badChannel,
		"a connection comes back as it was saved":       connection,
		"a state finds its connection in any tenant":    byState,
		"old connections are purged":                    purge,
		"an app comes back as it was saved":             app,
		"a grant is dropped with its last channel":      dropGrants,
		"one of many leases a grant":                    oneLease,
		"a lease runs out":                              leaseExpiry,
		"a renewal needs the latest lease":              fenced,
		"a secret is never overwritten with nothing":    noEmptySecret,
		"due grants are listed unless leased":           dueGrants,
		"an allowance is not overspent by many":         quotaRace,
		"all claims are taken or none":                  allOrNone,
		"what is given back can be spent again":         givenBack,
		"an allowance comes back after its window":      quotaWindow,
		"a parked allowance is closed, also to viewers": parkTenant,
		"apps have allowances across tenants":           quotaApp,
		"allowances long unused are forgotten":          quotaPurge,
		"a sunset is noted once":                        sunsets,
		"the lineage starts with the tenant":            lineage,
	} {
		t.Run(name, func(t *testing.T) { test(&world{T: t, Opened: open(t), ctx: t.Context()}) })
	}
}

// world is one test.
type world struct {
	*testing.T
	Opened
	ctx context.Context
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) want(code fault.Code, err error) {
	w.Helper()
	if !fault.Is(err, code) {
		w.Fatalf("err = %v, want %s", err, code)
	}
}

func (w *world) update(fn func(ctx context.Context, tx channels.Tx) error) error {
	return w.Store.Update(w.ctx, w.Us, fn)
}

func (w *world) view(fn func(ctx context.Context, tx channels.Tx) error) error {
	return w.Store.View(w.ctx, w.Us, fn)
}

// at is a time that every store keeps exactly.
func at(minutes int) time.Time {
	return time.Date(2026, 3, 1, 12, minutes, 0, 0, time.UTC)
}

func newGrant() *channels.Grant {
	return &channels.Grant{
		ID: channels.NewGrantID(), Platform: "test.platform", Instance: "example.org", Sealed: []byte("sealed"), Generation: 1,
		Scopes: []string{"read", "write"}, ExpiresAt: at(60), RefreshAt: at(50),
	}
}

func newChannel(g *channels.Grant) *channels.Channel {
	return &channels.Channel{
		ID: channels.NewID(), Platform: "test.platform", Instance: "example.org", Name: "Ann", Grant: g.ID, State: channels.Connected,
		Scopes: []string{"read"}, ConnectedBy: tenants.UserID(id.New("usr")), ConnectedAt: at(0),
		Account: social.Account{
			ID: rand.Text(), Handle: "@ann", Name: "Ann", URL: "https://example.org/@ann", Type: "profile",
			Limits: &social.Limits{MaxText: 500}, Public: map[string]string{"did": "did:plc:1"}, Formats: []string{"post"},
		},
	}
}

// connected saves a channel on a new grant.
func (w *world) connected() (*channels.Channel, *channels.Grant) {
	w.Helper()
	g := newGrant()
	c := newChannel(g)
	w.must(w.update(func(ctx context.Context, tx channels.Tx) error {
		if err := tx.AddGrant(ctx, g); err != nil {
			return err
		}
		return tx.SaveChannel(ctx, c)
	}))
	return c, g
}

func (w *world) channel(cid channels.ID) (c *channels.Channel, err error) {
	err = w.view(func(ctx context.Context, tx channels.Tx) error {
		c, err = tx.Channel(ctx, cid)
		return err
	})
	return c, err
}

func roundTrip(w *world) {
	c, g := w.connected()
	got, err := w.channel(c.ID)
	w.must(err)
	want := *c
	want.Health.ExpiresAt = g.ExpiresAt
	if got.UpdatedAt.IsZero() || got.Version != 1 {
		w.Errorf("updated at %v, version %d", got.UpdatedAt, got.Version)
	}
	if d := cmp.Diff(want, *got, sameTime); d != "" {
		w.Error(d)
	}
	got.State, got.Grant, got.Reason, got.Scopes, got.Paused, got.PausedOn = channels.Disconnected, "", "gone", nil, true, "holiday"
	w.must(w.update(func(ctx context.Context, tx channels.Tx) error { return tx.SaveChannel(ctx, got) }))
	again, err := w.channel(c.ID)
	w.must(err)
	if again.Version != 2 || again.State != channels.Disconnected || again.Grant != "" || len(again.Scopes) != 0 || again.PausedOn != "holiday" {
		w.Errorf("saved again: %+v", again)
	}
}

// sameTime compares instants, to the microsecond.
var sameTime = cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() < time.Millisecond })

func staleSave(w *world) {
	c, _ := w.connected()
	stale := *c
	save := func(c *channels.Channel) error {
		return w.update(func(ctx context.Context, tx channels.Tx) error { return tx.SaveChannel(ctx, c) })
	}
	w.must(save(c))
	w.want(fault.Conflict, save(&stale))
}

func oneAccount(w *world) {
	c, g := w.connected()
	other := newChannel(g)
	other.Account.ID = c.Account.ID
	w.want(fault.Conflict, w.update(func(ctx context.Context, tx channels.Tx) error { return tx.SaveChannel(ctx, other) }))
	w.must(w.view(func(ctx context.Context, tx channels.Tx) error {
		got, err := tx.ByAccount(ctx, c.Platform, c.Home(), c.Account.ID)
		if err == nil && got.ID != c.ID {
			w.Errorf("found %s, want %s", got.ID, c.ID)
		}
		_, missing := tx.ByAccount(ctx, "other.platform", c.Home(), c.Account.ID)
		w.want(fault.NotFound, missing)
		return err
	}))
}

// Servers number their accounts alike; a DID is the same account everywhere.
func accountsOfServers(w *world) {
	for account, code := range map[string]fault.Code{"1": "", "did:plc:1": fault.Conflict} {
		c, g := w.connected()
		c.Account.ID = account
		moved := newChannel(g)
		moved.Account.ID, moved.Instance = account, "example.net"
		for _, tc := range []struct {
			save *channels.Channel
			code fault.Code
		}{{c, ""}, {moved, code}} {
			err := w.update(func(ctx context.Context, tx channels.Tx) error { return tx.SaveChannel(ctx, tc.save) })
			if tc.code == "" && err != nil || tc.code != "" && !fault.Is(err, tc.code) {
				w.Errorf("%s on %s: %v", account, tc.save.Instance, err)
			}
		}
		want := moved.ID
		if code != "" {
			want = c.ID
		}
		w.must(w.view(func(ctx context.Context, tx channels.Tx) error {
			got, err := tx.ByAccount(ctx, c.Platform, moved.Home(), account)
			if err == nil && got.ID != want {
				w.Errorf("%s: found %s, want %s", account, got.ID, want)
			}
			return err
		}))
	}
}

func pages(w *world) {
	var want []channels.ID
	for range 5 {
		c, _ := w.connected()
		want = append(want, c.ID)
	}
	slices.Sort(want)
	var got []channels.ID
	var after channels.ID
	for range 3 {
		w.must(w.view(func(ctx context.Context, tx channels.Tx) error {
			page, err := tx.Channels(ctx, channels.Query{After: after, Limit: 2, State: channels.Connected, Platform: "test.platform"})
			for _, c := range page {
				got, after = append(got, c.ID), c.ID
			}
			return err
		}))
	}
	if d := cmp.Diff(want, got); d != "" {
		w.Error(d)
	}
}

func foreign(w *world) {
	c, g := w.connected()
	w.must(w.Store.Update(w.ctx, w.Them, func(ctx context.Context, tx channels.Tx) error {
		_, err := tx.Channel(ctx, c.ID)
		w.want(fault.NotFound, err)
		_, err = tx.Grant(ctx, g.ID)
		w.want(fault.NotFound, err)
		if _, ok, err := tx.Lease(ctx, g.ID, 1, time.Minute); ok || err != nil {
			w.Errorf("leased their grant: %v, %v", ok, err)
		}
		list, err := tx.Channels(ctx, channels.Query{})
		if len(list) > 0 {
			w.Errorf("listed %d of their channels", len(list))
		}
		return err
	}))
	w.want(fault.Unauthenticated, w.Store.View(w.ctx, "", func(context.Context, channels.Tx) error { return nil }))
}

func rollback(w *world) {
	g := newGrant()
	c := newChannel(g)
	boom := fault.New(fault.Internal, "boom", "boom")
	w.want(fault.Internal, w.update(func(ctx context.Context, tx channels.Tx) error {
		w.must(tx.AddGrant(ctx, g))
		w.must(tx.SaveChannel(ctx, c))
		return boom
	}))
	_, err := w.channel(c.ID)
	w.want(fault.NotFound, err)
}

func badChannel(w *world) {
	c, _ := w.connected()
	c.Name = " "
	w.want(fault.Invalid, w.update(func(ctx context.Context, tx channels.Tx) error { return tx.SaveChannel(ctx, c) }))
}

func (w *world) race(n int, fn func(context.Context) bool) int {
	var won atomic.Int64
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if fn(w.ctx) {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	return int(won.Load())
}

func lineage(w *world) {
	line, err := w.Store.Lineage(w.ctx, w.Us)
	if err != nil || len(line) == 0 || line[0] != w.Us {
		w.Errorf("%v, %v", line, err)
	}
}
