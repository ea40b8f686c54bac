package publishing_test

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
)

// What docs/scheduling.md says of times that are none, and of those that are two.
func TestWallTimes(t *testing.T) {
	for local, tc := range map[string]struct{ want, reason, says string }{
		"2027-03-01T09:00:00": {"2027-03-01T08:00:00Z", "", ""},
		"2027-02-30T09:00:00": {"", "schedule.no_such_time", "February 2027 has 28 days"},
		"2028-02-30T09:00:00": {"", "schedule.no_such_time", "February 2028 has 29 days"},
		"2027-13-01T09:00:00": {"", "schedule.no_such_time", "no month 13"},
		"2027-03-01T24:00:00": {"", "schedule.no_such_time", "time of day"},
		"2027-03-01T09:60:00": {"", "schedule.no_such_time", "time of day"},
		"2027-03-01 09:00":    {"", "schedule.malformed", "2026-03-01T09:00:00"},
		"tomorrow":            {"", "schedule.malformed", "2026-03-01T09:00:00"},
		"2027-03-28T02:30:00": {"", "schedule.skipped", "02:30"},
		"2027-10-31T02:30:00": {"2027-10-31T00:30:00Z", "", ""},
	} {
		t.Run(local, func(t *testing.T) {
			got, err := publishing.Schedule{Local: local, Zone: "Europe/Berlin"}.Resolve()
			if tc.reason == "" {
				if at := got.At.Format("2006-01-02T15:04:05Z07:00"); err != nil || at != tc.want {
					t.Errorf("%s, %v; want %s", at, err, tc.want)
				}
				return
			}
			if f := fault.Of(err); f == nil || f.Reason != tc.reason || f.Field != "/schedule/local_time" || !strings.Contains(f.Message, tc.says) {
				t.Errorf("err = %v, want %s with %q", err, tc.reason, tc.says)
			}
		})
	}
}
