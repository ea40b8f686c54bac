package publishing

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// Tunables of the protocol that do not depend on each other; those that do
// are a Timing.
const (
	// patience is how long a platform may be out of order before a segment
	// that was provably never applied is given up.
	patience = 24 * time.Hour
	// lookPatience is how long an unknown outcome is looked up before a
	// person is asked.
	lookPatience = time.Hour
)

// advance notes a repeatable step's result and when to go on: at once, by the
// same holder, or after a rest.
func (s *Segment) advance(next *social.Next, now time.Time, lease time.Duration) {
	s.State, s.Step, s.Label, s.Tries, s.Problem = Preparing, next.State, next.Label, 0, nil
	if next.Commit {
		s.State = Armed
	}
	if next.After > 0 {
		s.wake(now.Add(next.After))
		return
	}
	s.NextAt = now.Add(lease)
}

// applied ends a segment: it is on the platform, and here is how we know.
func (s *Segment) applied(r social.Receipt, by Evidence, now time.Time) {
	ref := r.Ref
	s.State, s.Ref, s.Evidence, s.LiveAt = Live, &ref, by, now
	s.Hidden, s.Warnings = hidden(r.Status), bounded(r.Warnings)
	if !r.PublishedAt.IsZero() {
		s.LiveAt = r.PublishedAt
	}
	s.settle(nil)
	s.DoubtAt, s.Verify, s.Canceling = time.Time{}, false, false
}

func hidden(s social.Status) Hidden {
	switch s {
	case social.Processing:
		return Processing
	case social.InReview:
		return InReview
	}
	return ""
}

// Bounds of what is kept of a platform's warnings.
const (
	maxWarnings = 20
	maxWarning  = 500 // characters
)

func bounded(warnings []string) []string {
	var out []string
	for _, w := range warnings[:min(len(warnings), maxWarnings)] {
		w = strings.ToValidUTF8(strings.ReplaceAll(w, "\x00", ""), "\uFFFD")
		if r := []rune(w); len(r) > maxWarning {
			w = string(r[:maxWarning])
		}
		out = append(out, w)
	}
	return out
}

// disarm takes a segment back to before its commit: the last attempt surely
// had no effect. If somebody canceled it meanwhile, that is its end.
func (s *Segment) disarm(at time.Time) {
	if s.Canceling {
		s.cancel()
		return
	}
	s.State, s.DoubtAt = Armed, time.Time{}
	s.wake(at)
}

// restart takes a segment that a restored database doubted back to its start:
// what was prepared before the restore may be gone.
func (s *Segment) restart(at time.Time) {
	s.State, s.Step, s.Verify, s.DoubtAt, s.CalledAt, s.Problem = Scheduled, nil, false, time.Time{}, time.Time{}, nil
	s.wake(at)
}

// cleared is segment i and what follows it, none of which is to be doubted any
// more: i is not there, and the rest could only have followed it.
func (d *Delivery) cleared(i int) []*Segment {
	for _, s := range d.Segments[i:] {
		s.Verify = false
	}
	return d.Segments[i:]
}

func (s *Segment) cancel() {
	s.State, s.DoubtAt, s.Canceling, s.Verify = Canceled, time.Time{}, false, false
	s.settle(nil)
}

// doubt marks the outcome as unknown until somebody finds out. The platform may
// have been at work until now.
func (s *Segment) doubt(f *social.Fault, now time.Time) {
	s.State, s.Problem, s.CalledAt = Unknown, problemOf(f), now
	s.wake(now)
}

// reject ends a segment that the platform will not take.
func (s *Segment) reject(f *social.Fault) {
	s.State, s.DoubtAt = Rejected, time.Time{}
	s.settle(problemOf(f))
}

// ask hands the segment to a person. Nothing happens to it until they answer.
func (s *Segment) ask(f *social.Fault) {
	s.State = NeedsReview
	s.settle(problemOf(f))
}

func (s *Segment) settle(p *Problem) {
	s.NextAt, s.Holder, s.Problem, s.Label, s.Tries = time.Time{}, "", p, "", 0
	s.Generation++
}

// wake releases the segment until at.
func (s *Segment) wake(at time.Time) { s.NextAt, s.Holder = at, "" }

// park releases the segment until a rate limit is over. Others wait for the
// same moment, so they do not all come back in it.
func (s *Segment) park(f *social.Fault, now time.Time) {
	s.Problem = problemOf(f)
	d := max(f.RetryAfter, time.Second)
	s.wake(now.Add(d + rand.N(min(d/10, 5*time.Second)+1)))
}

// again backs off after a failure that had no effect.
func (s *Segment) again(f *social.Fault, now time.Time) {
	s.Tries++
	s.Problem = problemOf(f)
	s.wake(now.Add(pauseAfter(s.Tries, f, 0)))
}

// backoff doubles from one second to ten minutes, with up to a quarter of
// jitter, and never returns before the platform's own figure.
func backoff(tries int, floor time.Duration) time.Duration {
	d := time.Second << min(tries-1, 10)
	d = min(d, 10*time.Minute)
	d += rand.N(d/4 + 1)
	return max(d, floor)
}

// reset puts a segment that had no effect back to its start. Other content, and
// a person's new order after something was tried, are another operation: a
// platform may remember the old key with the old answer, and so may whoever
// runs its plugin. Nothing that a restored database doubts comes here before
// it was looked up (see Segment.suspect), but what had ended: that is looked up
// when its turn comes.
func (s *Segment) reset(part Part, at time.Time) {
	if s.Attempt > 0 || s.tried() || !reflect.DeepEqual(s.Part, part) {
		s.Revision++
	}
	s.Part, s.State, s.Step, s.Label, s.Tries, s.Problem, s.ArmedHash = part, Scheduled, nil, "", 0, nil, ""
	s.ReplyTo, s.Root, s.DoubtAt, s.CalledAt, s.OrderedAt, s.Canceling = nil, nil, time.Time{}, time.Time{}, time.Time{}, false
	s.Generation++
	s.wake(at)
}

// tried reports whether a step of the segment may have been taken.
func (s *Segment) tried() bool {
	return s.State != Scheduled || s.Step != nil || s.Tries > 0 || s.Problem != nil
}

// next starts the segment after i, or ends the chain behind a dead one. It
// returns what it changed.
func (d *Delivery) next(i int, now time.Time) (changed []*Segment) {
	if i+1 >= len(d.Segments) {
		return nil
	}
	s, following := d.Segments[i], d.Segments[i+1]
	switch {
	case s.State == Live && s.Ref.ID == "":
		return d.cutOff(i, "The part before it is there, but nobody knows under which name, so nothing can follow it.")
	case s.State == Live && following.State == Scheduled:
		following.ReplyTo, following.Root = s.Ref, s.Root
		if following.Root == nil {
			following.Root = s.Ref
		}
		if following.Comment { // it comments on the post, not on the end of its thread
			following.ReplyTo = following.Root
		}
		following.wake(now)
		changed = append(changed, following)
	case s.State == Rejected || s.State == Missed || s.State == Canceled:
		return d.cutOff(i, "The part before it did not go out.")
	}
	return changed
}

// cutOff ends what would have followed segment i.
func (d *Delivery) cutOff(i int, why string) (changed []*Segment) {
	for _, rest := range d.Segments[i+1:] {
		if rest.State == Scheduled {
			rest.State = Canceled
			rest.settle(&Problem{Kind: social.NotFound, Reason: "segment.chain_broken", Message: why})
			changed = append(changed, rest)
		}
	}
	return changed
}

// cancel stops whatever has had no effect yet and reports whether anything
// stopped. What is on its way is marked: should it turn out that it was not
// sent, it will not be.
func (d *Delivery) cancel() (stopped, marked bool) {
	for _, s := range d.Segments {
		switch {
		case s.suspect(), s.State == Sending, s.State == Unknown:
			marked, s.Canceling = true, true
		case s.State.Untouched() && !s.State.Final():
			stopped = true
			s.cancel()
		}
	}
	return stopped, marked
}

func problemOf(f *social.Fault) *Problem {
	if f == nil {
		return nil
	}
	return &Problem{Kind: f.Kind, Reason: f.Key, Message: f.Message, Source: string(f.Source), Detail: f.Upstream}
}

// ErrLost says that somebody else holds the segment now. The loser stops
// without a word: whatever it knew, the new holder finds out by itself.
var ErrLost = fault.New(fault.Conflict, "segment.lost", "Somebody else is at work on this.")
