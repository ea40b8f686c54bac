package sdk_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
)

func TestHowLongToWait(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		ms, said string
		want     time.Duration
	}{
		"nothing said":          {"", "", 0},
		"seconds":               {"", "7", 7 * time.Second},
		"a date":                {"", "Fri, 02 Jan 2026 03:05:05 GMT", time.Minute},
		"a date that has been":  {"", "Fri, 02 Jan 2026 03:00:00 GMT", 0},
		"milliseconds are best": {"1250", "2", 1250 * time.Millisecond},
		"milliseconds unread":   {"soon", "2", 2 * time.Second},
		"no number":             {"", "-3", 0},
		"at most a day":         {"", "400000", 24 * time.Hour},
		"at most a day of ms":   {"4000000000", "1", 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			h.Set("retry-after-ms", tc.ms)
			h.Set("retry-after", tc.said)
			if got := sdk.RetryAfter(h, now); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}
