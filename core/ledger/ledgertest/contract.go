// Package ledgertest holds the contract of ledger.Store as a test suite, and a
// store in memory that keeps it.
package ledgertest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/ledger"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// Opened is a store with two workspaces and the agency above both.
type Opened struct {
	Store            ledger.Store
	Us, Them, Agency tenants.ID
}

// Run holds a Store to its contract.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	for name, test := range map[string]func(*testing.T, *world){
		"a hold is settled and the rest given back":   settles,
		"a hold is released":                          releases,
		"every level is held or none":                 allOrNone,
		"a key is one hold":                           once,
		"a stuck hold is freed, a late cost booked":   frees,
		"a cost over its hold is booked":              overdrawn,
		"holds of others are not there":               apart,
		"nothing goes over, however many at once":     crowd,
		"levels in any order do not block each other": crossed,
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			w := &world{Opened: o, now: time.Date(2026, 5, 9, 12, 0, 0, 0, time.UTC), user: tenants.UserID(id.New("usr"))}
			w.limits = []ledger.Limit{{Tenant: o.Us, Subject: string(w.user), Micros: 600}, {Tenant: o.Us, Micros: 1000}, {Tenant: o.Agency, Name: "Hill & Co", Micros: 1500}}
			w.service = &ledger.Service{Store: o.Store, Budgets: w, Now: func() time.Time { return w.now }}
			test(t, w)
		})
	}
}

type world struct {
	Opened
	now     time.Time
	user    tenants.UserID
	limits  []ledger.Limit
	wait    time.Duration // between the check of budgets and their use
	service *ledger.Service
}

// Limits implements ledger.Budgets.
func (w *world) Limits(_ context.Context, who tenants.Scope) ([]ledger.Limit, error) {
	if w.wait > 0 {
		<-time.After(w.wait)
	}
	if who.Tenant == w.Them {
		return []ledger.Limit{{Tenant: w.Agency, Name: "Hill & Co", Micros: 1500}, {Tenant: w.Them, Micros: 1000}}, nil
	}
	return w.limits, nil
}

func (w *world) us() tenants.Scope { return tenants.Scope{Tenant: w.Us, User: w.user} }

func (w *world) hold(t *testing.T, micros int64) ledger.Entry {
	t.Helper()
	e, err := w.service.Hold(t.Context(), w.us(), ledger.Request{Micros: micros, Vendor: "v", Model: "m", Feature: "caption"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sums checks what the levels hold and have spent.
func (w *world) sums(t *testing.T, want ...[2]int64) {
	t.Helper()
	list, err := w.Store.Balances(t.Context(), w.Us, w.limits, ledger.Period(w.now))
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range list {
		is := want[min(i, len(want)-1)]
		if b.Held != is[0] || b.Spent != is[1] || b.Left != b.Micros-is[0]-is[1] {
			t.Errorf("level %d: %d held, %d spent, %d left; want %v", i, b.Held, b.Spent, b.Left, is)
		}
	}
}

func settles(t *testing.T, w *world) {
	e := w.hold(t, 400)
	w.sums(t, [2]int64{400, 0})
	for range 2 {
		if err := w.service.Settle(t.Context(), w.us(), e.ID, 150); err != nil {
			t.Fatal(err)
		}
	}
	w.sums(t, [2]int64{0, 150})
	if err := w.service.Settle(t.Context(), w.us(), e.ID, 151); !fault.Is(err, fault.Conflict) {
		t.Errorf("another figure: %v", err)
	}
	if err := w.service.Release(t.Context(), w.us(), e.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("released after it was settled: %v", err)
	}
}

func releases(t *testing.T, w *world) {
	e := w.hold(t, 400)
	for range 2 {
		if err := w.service.Release(t.Context(), w.us(), e.ID); err != nil {
			t.Fatal(err)
		}
	}
	w.sums(t, [2]int64{0, 0})
	if err := w.service.Settle(t.Context(), w.us(), e.ID, 1); !fault.Is(err, fault.Conflict) {
		t.Errorf("settled after it was released: %v", err)
	}
	if err := w.service.Extend(t.Context(), w.us(), e.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("extended after it was released: %v", err)
	}
}

func allOrNone(t *testing.T, w *world) {
	them := tenants.Scope{Tenant: w.Them}
	if _, err := w.service.Hold(t.Context(), them, ledger.Request{Micros: 1000}); err != nil {
		t.Fatal(err)
	}
	_, err := w.service.Hold(t.Context(), w.us(), ledger.Request{Micros: 501})
	if f := fault.Of(err); !fault.Is(err, fault.Quota) || f.Reason != "budget.exhausted" || f.Message != "The budget of Hill & Co does not reach for this." {
		t.Errorf("over the agency's: %v", err)
	}
	w.sums(t, [2]int64{0, 0}, [2]int64{0, 0}, [2]int64{1000, 0})
	if _, err := w.service.Hold(t.Context(), w.us(), ledger.Request{Micros: 601}); !fault.Is(err, fault.Quota) {
		t.Errorf("over one's own: %v", err)
	}
	w.hold(t, 500)
}

func once(t *testing.T, w *world) {
	r := ledger.Request{Key: "work-1", Micros: 100}
	for range 3 {
		if e, err := w.service.Hold(t.Context(), w.us(), r); err != nil || e.State != ledger.Held || e.Held != 100 {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	w.sums(t, [2]int64{100, 0})
	r.Micros = 200
	if _, err := w.service.Hold(t.Context(), w.us(), r); !fault.Is(err, fault.Conflict) {
		t.Errorf("another amount: %v", err)
	}
	if err := w.service.Settle(t.Context(), w.us(), "work-1", 90); err != nil {
		t.Fatal(err)
	}
	r.Micros = 100
	if _, err := w.service.Hold(t.Context(), w.us(), r); !fault.Is(err, fault.Conflict) {
		t.Errorf("a settled key: %v", err)
	}
}

func frees(t *testing.T, w *world) {
	stuck, kept := w.hold(t, 100), w.hold(t, 200)
	w.now = w.now.Add(ledger.Life - time.Second)
	if err := w.service.Extend(t.Context(), w.us(), kept.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.Free(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sums(t, [2]int64{300, 0})
	w.now = w.now.Add(ledger.Sweeps + time.Second)
	if n, err := w.service.Free(t.Context()); n < 1 || err != nil {
		t.Fatalf("freed %d, %v", n, err)
	}
	w.sums(t, [2]int64{200, 0})
	if err := w.service.Settle(t.Context(), w.us(), stuck.ID, 70); err != nil {
		t.Fatal(err)
	}
	w.sums(t, [2]int64{200, 70})
}

func overdrawn(t *testing.T, w *world) {
	e := w.hold(t, 100)
	if err := w.service.Settle(t.Context(), w.us(), e.ID, 130); err != nil {
		t.Fatal(err)
	}
	w.sums(t, [2]int64{0, 130})
}

func apart(t *testing.T, w *world) {
	e := w.hold(t, 100)
	them := tenants.Scope{Tenant: w.Them}
	for name, err := range map[string]error{
		"settle":  w.service.Settle(t.Context(), them, e.ID, 1),
		"release": w.service.Release(t.Context(), them, e.ID),
		"extend":  w.service.Extend(t.Context(), them, e.ID),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.sums(t, [2]int64{100, 0})
}

// crowd is 500 at once against a budget that reaches for 60, with 100 ms
// between the look at the budgets and their use.
func crowd(t *testing.T, w *world) {
	w.wait = 100 * time.Millisecond
	var took, refused atomic.Int64
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			e, err := w.service.Hold(t.Context(), w.us(), ledger.Request{Micros: 10})
			switch {
			case err == nil:
				took.Add(1)
				if err := w.service.Settle(t.Context(), w.us(), e.ID, 10); err != nil {
					t.Error(err)
				}
			case fault.Is(err, fault.Quota):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if took.Load() != 60 || refused.Load() != 440 {
		t.Errorf("%d took, %d were refused", took.Load(), refused.Load())
	}
	w.sums(t, [2]int64{0, 600})
}

// crossed are two workspaces whose levels are named in opposite orders.
func crossed(t *testing.T, w *world) {
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			who := w.us()
			if i%2 == 0 {
				who = tenants.Scope{Tenant: w.Them}
			}
			e, err := w.service.Hold(t.Context(), who, ledger.Request{Micros: 10})
			if err == nil {
				err = w.service.Release(t.Context(), who, e.ID)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.sums(t, [2]int64{0, 0})
}
