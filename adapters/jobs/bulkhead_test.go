package jobs

import (
	"errors"
	"testing"

	"github.com/riverqueue/river/rivertype"
)

func TestBulkhead(t *testing.T) {
	b := &bulkhead{all: 3, each: 2}
	postponed := func(key string) bool {
		var snoozed *rivertype.JobSnoozeError
		return errors.As(b.do(key, func() error { return nil }), &snoozed)
	}
	for name, tc := range map[string]struct {
		inside []string
		key    string
		want   bool
	}{
		"room":              {[]string{"a"}, "a", false},
		"its share is full": {[]string{"a", "a"}, "a", true},
		"another's is":      {[]string{"a", "a"}, "b", false},
		"all is full":       {[]string{"a", "a", "b"}, "c", true},
	} {
		for _, key := range tc.inside {
			b.enter(key)
		}
		if got := postponed(tc.key); got != tc.want {
			t.Errorf("%s: postponed = %v", name, got)
		}
		for _, key := range tc.inside {
			b.leave(key)
		}
	}
	if b.total != 0 || len(b.of) != 0 {
		t.Errorf("left behind: %d, %v", b.total, b.of)
	}
}
