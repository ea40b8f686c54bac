package publishing

import (
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// elsewhereWait is the longest a segment rests after a failure of one process
// alone. Another one may have the plugin that this one lacks, and whoever is
// free takes the segment next.
const elsewhereWait = 15 * time.Second

// pauseAfter is how long to rest after the tries-th failure in a row. after is
// what the answer asked for, if there was one.
func pauseAfter(tries int, f *social.Fault, after time.Duration) time.Duration {
	if f != nil && f.Local {
		return min(backoff(tries, 0), elsewhereWait)
	}
	return backoff(tries, max(after, retryAfter(f)))
}

// lostItsPlace reports whether a step that had no effect cannot go on from
// where it was: the version of the plugin that prepared it is gone.
func lostItsPlace(f *social.Fault) bool { return f.Key == social.StateUnreadable }

// anew puts a segment that is not in doubt back to before its preparation.
func (s *Segment) anew(f *social.Fault, now time.Time) {
	s.State, s.Step, s.Label = Scheduled, nil, ""
	s.again(f, now)
}
