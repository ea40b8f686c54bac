package publishing

import (
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// A failure of one process alone says little of the others. Another one may
// have the plugin that this one lacks, and whoever is free takes the segment
// next: it rests no longer than elsewhereWait, for elsewhereTries in a row. By
// then no process has it, and the pauses grow as after any failure.
const (
	elsewhereWait  = 15 * time.Second
	elsewhereTries = 20
)

// pauseAfter is how long to rest after the tries-th failure in a row. after is
// what the answer asked for, if there was one.
func pauseAfter(tries int, f *social.Fault, after time.Duration) time.Duration {
	switch {
	case f == nil || !f.Local:
		return backoff(tries, max(after, retryAfter(f)))
	case tries <= elsewhereTries:
		return min(backoff(tries, 0), elsewhereWait)
	}
	return backoff(tries-elsewhereTries+4, 0) // on from where elsewhereWait cut it off
}

// lostItsPlace reports whether a step that had no effect cannot go on from
// where it was: the version of the plugin that prepared it is gone.
func lostItsPlace(f *social.Fault) bool { return f.Key == social.StateUnreadable }

// anew puts a segment that is not in doubt back to before its preparation.
func (s *Segment) anew(f *social.Fault, now time.Time) {
	s.State, s.Step, s.Label = Scheduled, nil, ""
	s.again(f, now)
}
