package publishing

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// LocalLayout is how a wall time is written, without an offset: the offset is
// the zone's business on that day.
const LocalLayout = "2006-01-02T15:04:05"

// MaxAhead is how far in the future a post may be planned.
const MaxAhead = 2 * 366 * 24 * time.Hour

// A Schedule is when a post goes out. The person's intent, a wall time in a
// zone, is kept beside the instant it meant when it was planned.
type Schedule struct {
	Local string    // LocalLayout; empty for "now" and for a draft
	Zone  string    // IANA name, such as "Europe/Lisbon"
	At    time.Time // the instant; zero until planned
}

// Resolve returns the schedule with its instant. A wall time that the clocks
// skip is refused, because nobody meant it; one that happens twice means the
// first.
func (s Schedule) Resolve() (Schedule, error) {
	loc, err := zone(s.Zone)
	if err != nil {
		return s, err
	}
	wall, err := time.Parse(LocalLayout, s.Local)
	if err != nil {
		return s, notATime(s.Local, err)
	}
	at := first(wall, loc)
	if got := at.Format(LocalLayout); got != s.Local {
		return s, fault.New(fault.Invalid, "schedule.skipped",
			"The clocks skip %s on that day in %s.", wall.Format("15:04"), s.Zone).On("/schedule/local_time")
	}
	s.At = at.UTC()
	return s, nil
}

// notATime says what is wrong with a wall time.
func notATime(local string, err error) error {
	var day, month, year int
	var f *fault.Error
	switch n, _ := fmt.Sscanf(local, "%4d-%2d-%2dT", &year, &month, &day); {
	case n < 3 || !strings.Contains(err.Error(), "out of range"):
		f = fault.New(fault.Invalid, "schedule.malformed", "Write the time as 2026-03-01T09:00:00, without an offset.")
	case month < 1 || month > 12:
		f = fault.New(fault.Invalid, "schedule.no_such_time", "There is no month %d: write the time as 2026-03-01T09:00:00.", month)
	case day < 1 || day > lastDay(year, month):
		f = fault.New(fault.Invalid, "schedule.no_such_time", "There is no day %d in that month: %s %d has %d days.", day, time.Month(month), year, lastDay(year, month))
	default:
		f = fault.New(fault.Invalid, "schedule.no_such_time", "There is no such time of day: hours go from 00 to 23, minutes and seconds from 00 to 59.")
	}
	return f.On("/schedule/local_time").Because(err)
}

func lastDay(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// intent is the schedule of a draft: where it shows in a calendar, if it has a
// time at all.
func (s Schedule) intent() (Schedule, error) {
	if s.Local == "" && s.Zone == "" {
		return Schedule{}, nil
	}
	return s.Resolve()
}

// feasible refuses a wished time that no plan could keep, by the database's
// clock. None is feasible.
func (s Schedule) feasible(ctx context.Context, tx Tx) error {
	if s.Local == "" {
		return nil
	}
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	return s.ahead(now)
}

// first is the earliest instant that reads wall in loc.
func first(wall time.Time, loc *time.Location) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, loc)
	// Zones fold by at most two hours (Antarctica/Troll); look that far back.
	for _, back := range []time.Duration{2 * time.Hour, time.Hour, 30 * time.Minute} {
		if earlier := at.Add(-back); earlier.Format(LocalLayout) == at.Format(LocalLayout) {
			return earlier
		}
	}
	return at
}

func zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fault.New(fault.Invalid, "schedule.no_zone", "Name a time zone, such as Europe/Lisbon.").On("/schedule/timezone")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fault.New(fault.Invalid, "schedule.unknown_zone", "There is no time zone %q.", name).On("/schedule/timezone").Because(err)
	}
	return loc, nil
}

// ahead refuses an instant that is past or too far away.
func (s Schedule) ahead(now time.Time) error {
	switch {
	case !s.At.After(now):
		return fault.New(fault.Invalid, "schedule.past", "Choose a time in the future.").On("/schedule/local_time")
	case s.At.Sub(now) > MaxAhead:
		return fault.New(fault.Invalid, "schedule.too_far", "Choose a time within two years.").On("/schedule/local_time")
	}
	return nil
}
