package social_test

import (
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

func TestEnding(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		sunset time.Time
		says   string
	}{
		"nobody knows": {},
		"far away":     {now.Add(social.SunsetNotice + time.Hour), ""},
		"in 89 days":   {now.AddDate(0, 0, 89), "2026-05-29, in 89 days"},
		"today":        {now.Add(time.Hour), "in 0 days"},
		"it is over":   {now.AddDate(0, 0, -1), "has ended"},
	} {
		t.Run(name, func(t *testing.T) {
			got := social.Manifest{Name: "Forum", APIVersion: "v2", Sunset: tc.sunset}.Ending(now)
			if (got == "") != (tc.says == "") || !strings.Contains(got, tc.says) {
				t.Errorf("said %q, want %q", got, tc.says)
			}
		})
	}
}
