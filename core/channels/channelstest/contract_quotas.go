package channelstest

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

func claim(limit int, window time.Duration) channels.Claim {
	return channels.Claim{Name: "publish", Scope: social.ScopeAccount, Subject: rand.Text(), Limit: limit, Window: window, Cost: 1}
}

// spend takes claims in a transaction of their own.
func (w *world) spend(ctx context.Context, claims ...channels.Claim) *channels.Refusal {
	var r *channels.Refusal
	refused := fault.New(fault.RateLimited, "test.refused", "Refused.")
	err := w.Store.Update(ctx, w.Us, func(ctx context.Context, tx channels.Tx) (err error) {
		if r, err = tx.Spend(ctx, "test.platform", claims); err == nil && r != nil {
			err = refused
		}
		return err
	})
	if err != nil && r == nil {
		w.Error(err)
	}
	return r
}

func quotaRace(w *world) {
	c := claim(40, time.Hour)
	if won := w.race(100, func(ctx context.Context) bool { return w.spend(ctx, c) == nil }); won != 40 {
		w.Errorf("%d of 40 were given out", won)
	}
	if r := w.spend(w.ctx, c); r == nil || r.RetryAfter <= 0 || r.RetryAfter > time.Hour+5*time.Minute || r.Name != "publish" {
		w.Errorf("refusal: %+v", r)
	}
}

func allOrNone(w *world) {
	roomy, tight := claim(2, time.Hour), claim(1, time.Hour)
	if r := w.spend(w.ctx, roomy, tight); r != nil {
		w.Fatalf("refused: %+v", r)
	}
	if r := w.spend(w.ctx, roomy, tight); r == nil || r.Subject != tight.Subject {
		w.Fatalf("refusal: %+v", r)
	}
	if r := w.spend(w.ctx, roomy); r != nil {
		w.Errorf("the refused transaction took something: %+v", r)
	}
	big := claim(3, time.Hour)
	big.Cost = 4
	if w.spend(w.ctx, big) == nil {
		w.Error("more than the whole allowance was given")
	}
}

func givenBack(w *world) {
	a, b := claim(2, time.Hour), claim(1, time.Hour)
	b.Cost, b.Limit = 3, 3
	giveBack := func(claims ...channels.Claim) {
		w.Helper()
		w.must(w.update(func(ctx context.Context, tx channels.Tx) error { return tx.GiveBack(ctx, "test.platform", claims) }))
	}
	giveBack(a) // never spent
	for range 5 {
		if r := w.spend(w.ctx, a, b); r != nil {
			w.Fatalf("refused: %+v", r)
		}
		giveBack(a, b)
	}
	giveBack(a) // more than was spent
	platform := "test." + string(w.Us)
	for range 5 { // what tenants share
		if r, err := w.Store.SpendApp(w.ctx, platform, []channels.Claim{b}); r != nil || err != nil {
			w.Fatalf("an app's: %+v, %v", r, err)
		}
		w.must(w.Store.GiveBackApp(w.ctx, platform, []channels.Claim{b}))
	}
	for i, want := range []bool{true, true, false} {
		if r := w.spend(w.ctx, a); (r == nil) != want {
			w.Errorf("spending no. %d: %+v", i+1, r)
		}
	}
}

func quotaWindow(w *world) {
	c := claim(1, 320*time.Millisecond)
	if w.spend(w.ctx, c) != nil {
		w.Fatal("refused at once")
	}
	start := time.Now()
	deadline := time.After(10 * time.Second)
	for {
		r := w.spend(w.ctx, c)
		if r == nil {
			break
		}
		select {
		case <-time.After(min(r.RetryAfter, 50*time.Millisecond)):
		case <-deadline:
			w.Fatal("the allowance never came back")
		}
	}
	if took := time.Since(start); took < 250*time.Millisecond {
		w.Errorf("the allowance was back after %v", took)
	}
}

func parkTenant(w *world) {
	c := claim(10, time.Hour)
	park := func(d time.Duration) {
		w.must(w.update(func(ctx context.Context, tx channels.Tx) error { return tx.Park(ctx, "test.platform", c, d) }))
	}
	park(time.Hour)
	park(time.Minute) // does not shorten it
	ask := c
	ask.Cost = 0
	for _, c := range []channels.Claim{c, ask} {
		w.must(w.view(func(ctx context.Context, tx channels.Tx) error {
			r, err := tx.Spend(ctx, "test.platform", []channels.Claim{ask})
			if r == nil || r.RetryAfter < 50*time.Minute || r.RetryAfter > time.Hour || r.Scope != social.ScopeAccount {
				w.Errorf("cost %d: %+v", c.Cost, r)
			}
			return err
		}))
	}
	if w.spend(w.ctx, c) == nil {
		w.Error("a closed allowance was spent")
	}
	other := c
	other.Subject = "other"
	if r := w.spend(w.ctx, other); r != nil {
		w.Errorf("another account is closed, too: %+v", r)
	}
}

func quotaApp(w *world) {
	platform := "test." + rand.Text()
	c := claim(20, time.Hour)
	c.Scope = social.ScopeApp
	won := w.race(50, func(ctx context.Context) bool {
		r, err := w.Store.SpendApp(ctx, platform, []channels.Claim{c})
		return r == nil && err == nil
	})
	if won != 20 {
		w.Errorf("%d of 20 were given out", won)
	}
	w.must(w.Store.ParkApp(w.ctx, platform, c, time.Minute))
	list, err := w.Store.ParkedApps(w.ctx, platform)
	w.must(err)
	if len(list) != 1 || list[0].Subject != c.Subject || list[0].Name != c.Name || list[0].RetryAfter <= 0 {
		w.Errorf("parked: %+v", list)
	}
}

// quotaPurge looks from two hours ahead, where an hour's window is over and a
// day's is not.
func quotaPurge(w *world) {
	hour, day, closed := claim(1, time.Hour), claim(1, 24*time.Hour), claim(1, time.Hour)
	app := claim(1, time.Hour)
	app.Scope = social.ScopeApp
	if r := w.spend(w.ctx, hour, day, closed); r != nil {
		w.Fatalf("refused: %+v", r)
	}
	_, err := w.Store.SpendApp(w.ctx, "test.platform", []channels.Claim{app})
	w.must(err)
	w.must(w.update(func(ctx context.Context, tx channels.Tx) error {
		return tx.Park(ctx, "test.platform", closed, 24*time.Hour)
	}))
	if _, err := w.Store.PurgeQuotas(w.ctx, 0); err != nil {
		w.Fatal(err)
	}
	for name, c := range map[string]channels.Claim{"an hour's": hour, "a day's": day} {
		if w.spend(w.ctx, c) == nil {
			w.Errorf("%s is forgotten at once", name)
		}
	}
	if n, err := w.Store.PurgeQuotas(w.ctx, -2*time.Hour); err != nil || n < 2 {
		w.Errorf("%d forgotten, %v", n, err)
	}
	for name, tc := range map[string]struct {
		claim channels.Claim
		kept  bool
	}{"an hour's": {hour, false}, "a day's": {day, true}, "a closed one": {closed, true}} {
		if kept := w.spend(w.ctx, tc.claim) != nil; kept != tc.kept {
			w.Errorf("%s: kept %v", name, kept)
		}
	}
	if r, err := w.Store.SpendApp(w.ctx, "test.platform", []channels.Claim{app}); r != nil || err != nil {
		w.Errorf("an app's: %+v, %v", r, err)
	}
}
