package ledger

import (
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// State is how an entry stands.
type State string

// The states. Held becomes one of the others; Expired can still be settled.
const (
	Held     State = "held"
	Settled  State = "settled"
	Released State = "released"
	Expired  State = "expired"
)

// An Entry is one thing that was bought, or was about to be.
type Entry struct {
	ID      string
	User    tenants.UserID
	Vendor  string
	Model   string
	Feature string
	Held    int64 // micros
	Cost    int64 // micros, once settled
	State   State
	At      time.Time
	Until   time.Time // when the hold ends by itself
	Period  time.Time // the month that it counts in
}

// A Balance is one budget this month.
type Balance struct {
	Limit
	Held, Spent int64
	Left        int64 // negative: without limit
}

// Period is the month of an instant: its first day, in UTC.
func Period(at time.Time) time.Time {
	return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// LeftOf is what a budget has left; -1 without limit.
func LeftOf(l Limit, held, spent int64) int64 {
	if l.Micros < 0 {
		return -1
	}
	return max(0, l.Micros-held-spent)
}

// Exhausted is the fault of a budget that does not reach.
func Exhausted(l Limit) error {
	what := "The budget"
	switch {
	case l.Subject != "":
		what = "Your own budget"
	case l.Name != "":
		what = "The budget of " + l.Name
	}
	return fault.New(fault.Quota, "budget.exhausted", "%s does not reach for this.", what)
}

// NoHold is the fault of a hold that is not there.
func NoHold() error { return fault.New(fault.NotFound, "ledger.no_hold", "There is no such hold.") }

// Ended is the fault of a hold that has come to another end.
func Ended(s State) error {
	return fault.New(fault.Conflict, "ledger.ended", "This hold was %s already.", s)
}
