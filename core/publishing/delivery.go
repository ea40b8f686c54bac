package publishing

import (
	"slices"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
)

// State is where a post, a delivery or a segment is on its way out.
type State string

// The states. A segment moves
//
//	scheduled → preparing → armed → sending → live | rejected | unknown
//	unknown → live | armed | needs_review
//
// and may end as missed or canceled. Draft, Publishing, Published, PartlyFailed
// and PartlyCanceled sum up a post; the last two, a chain of segments too.
const (
	Draft        State = "draft"
	Scheduled    State = "scheduled"
	Preparing    State = "preparing"
	Armed        State = "armed"
	Sending      State = "sending"
	Live         State = "live"
	Rejected     State = "rejected"
	Unknown      State = "unknown"
	NeedsReview  State = "needs_review"
	Missed       State = "missed"
	Canceled     State = "canceled"
	Publishing   State = "publishing"
	Published    State = "published"
	PartlyFailed State = "partly_failed"
	Failed       State = "failed"
	// PartlyCanceled is out in part; somebody, or what came before it, cut the
	// rest off.
	PartlyCanceled State = "partly_canceled"
)

// Final reports whether a segment in s waits for nobody.
func (s State) Final() bool {
	return s == Live || s == Rejected || s == Missed || s == Canceled
}

// Untouched reports whether a segment in s has surely had no effect, and so
// may be edited, moved or canceled.
func (s State) Untouched() bool {
	switch s {
	case Scheduled, Preparing, Armed, Rejected, Missed, Canceled:
		return true
	}
	return false
}

// DeliveryID names a delivery, such as "dlv_01jd…".
type DeliveryID string

// SegmentID names a segment, such as "seg_01jd…".
type SegmentID string

// A Delivery is one variant on its way to one channel: a chain of segments
// that leave one after the other.
type Delivery struct {
	ID       DeliveryID
	Post     PostID
	Channel  channels.ID
	Format   string
	Settings map[string]any
	Hash     string // of the content it was made from
	DueAt    time.Time
	Segments []*Segment // in order; never empty
	// AtRisk is what a platform would refuse it for since its rules changed, as
	// people's use cases read it; not stored here.
	AtRisk []fault.Violation
	Held   *Held // what keeps it from leaving, as people's use cases read it; not stored
}

// A Segment is one object on a platform, and one effect that must happen once.
// The schedule is this row: who holds it, since when, until when.
type Segment struct {
	ID       SegmentID
	Position int
	Comment  bool // the first comment; otherwise a part of the thread
	Part     Part
	Revision int // bumped when the part is replaced or ordered anew; part of the key
	State    State

	// NextAt is when this row needs somebody: its due time, the end of its
	// holder's lease, or the next look. Zero: nobody, for a final segment,
	// one that a person must settle, or one that waits for its predecessor.
	NextAt     time.Time
	Holder     string // the process at work on it
	Generation int64  // fencing: a save with an older one is refused

	Step      []byte      // what the last prepared step carries to the next
	Label     string      // for people, what it waits for
	Attempt   int         // commits so far
	Tries     int         // failures since the last progress, for the back-off
	OrderedAt time.Time   // when a person ordered it to go out after all; zero: they did not
	DoubtAt   time.Time   // when the outcome first became unknown, by the database
	CalledAt  time.Time   // when a call may last have been under way
	Verify    bool        // after a restore: look before anything else
	Canceling bool        // if it turns out that it was not sent, it will not be
	ReplyTo   *social.Ref // the object before it
	Root      *social.Ref // the first of the thread
	Ref       *social.Ref // set when Live
	LiveAt    time.Time
	Problem   *Problem // why it is where it is, if that needs saying
	Evidence  Evidence // how the outcome is known
	Hidden    Hidden   // why nobody sees it yet, though it is Live; empty: they do
	Warnings  []string // what the platform left out, such as "alt text dropped"
	ArmedHash string   // of the request last armed; a replay must be the same
}

// suspect reports whether the original of a restored database may have sent
// the segment, and nobody has looked yet. What is looked for is what was due:
// with other words or another time it would not be found, and be sent again.
func (s *Segment) suspect() bool { return s.Verify && !s.State.Final() }

// Key is the segment's idempotency key: the same for every attempt to send
// this revision of it.
func (s *Segment) Key() string { return string(s.ID) + "." + strconv.Itoa(s.Revision) }

// Hidden is why an object that a platform has accepted is not visible yet.
type Hidden string

// The reasons.
const (
	Processing Hidden = "processing"
	InReview   Hidden = "in_review"
	TakenBack  Hidden = "refused" // the platform took it back
)

// Hidden is why some of what is live in d cannot be seen yet; empty: it can.
func (d *Delivery) Hidden() (h Hidden) {
	for _, s := range d.Segments {
		h = h.or(s.Hidden)
	}
	return h
}

// Hidden is why some of what is live of a post cannot be seen yet.
func (d *Detail) Hidden() (h Hidden) {
	for _, dl := range d.Deliveries {
		h = h.or(dl.Hidden())
	}
	return h
}

// or is the one that takes longer, or is for good.
func (h Hidden) or(other Hidden) Hidden {
	if h == "" || other == TakenBack || other == InReview && h != TakenBack {
		return other
	}
	return h
}

// Evidence is how a segment's outcome is known.
type Evidence string

// The kinds of evidence.
const (
	ByReceipt Evidence = "receipt" // the platform answered the call
	ByLookup  Evidence = "lookup"  // it was found afterwards
	ByPerson  Evidence = "person"  // somebody looked
)

// A Problem is what went wrong, for people.
type Problem struct {
	Kind    social.Kind `json:"kind"`
	Reason  string      `json:"reason"`
	Message string      `json:"message"`
	Source  string      `json:"source,omitempty"`
	Detail  string      `json:"detail,omitempty"` // what the platform said, redacted
}

// State sums up the segments.
func (d *Delivery) State() State {
	states := make([]State, len(d.Segments))
	for i, s := range d.Segments {
		states[i] = s.State
	}
	return SumSegments(states)
}

// SumSegments is the state of a chain of segments: the worst news first, because that is
// what needs somebody.
func SumSegments(states []State) State {
	for _, s := range []State{NeedsReview, Unknown, Sending} {
		if slices.Contains(states, s) {
			return s
		}
	}
	live := 0
	for _, s := range states {
		if s == Live {
			live++
		}
	}
	switch {
	case live == len(states):
		return Live
	case slices.Contains(states, Rejected) && live > 0:
		return PartlyFailed
	case slices.Contains(states, Rejected):
		return Rejected
	case slices.Contains(states, Missed):
		return Missed
	case slices.Contains(states, Canceled) && live == 0:
		return Canceled
	case slices.Contains(states, Canceled): // somebody cut the rest of it off
		return PartlyCanceled
	case live > 0:
		return Sending
	}
	return states[0]
}

// Sum is the state of a post whose deliveries are in states.
func Sum(states []State) State {
	if len(states) == 0 {
		return Draft
	}
	n := map[State]int{}
	for _, s := range states {
		n[s]++
	}
	bad := n[Rejected] + n[Missed] + n[PartlyFailed]
	out := n[Live] + n[PartlyCanceled]
	moving := n[Preparing] + n[Armed] + n[Sending] + n[Unknown]
	switch {
	case n[NeedsReview] > 0:
		return NeedsReview
	case n[Live] == len(states):
		return Published
	case n[Canceled] == len(states):
		return Canceled
	case moving > 0 || (n[Scheduled] > 0 && out+bad > 0):
		return Publishing
	case n[Scheduled] > 0:
		return Scheduled
	case n[Missed] == bad && bad > 0 && out == 0:
		return Missed
	case n[PartlyFailed] > 0 || (out > 0 && bad > 0):
		return PartlyFailed
	case bad > 0:
		return Failed
	}
	return PartlyCanceled
}

// newDelivery makes the delivery of v, due at.
func newDelivery(p *Post, v Variant, at time.Time) *Delivery {
	d := &Delivery{
		ID: DeliveryID(id.New("dlv")), Post: p.ID, Channel: v.Channel, Format: v.Format,
		Settings: v.Settings, Hash: p.Content.Hash(), DueAt: at,
	}
	parts, thread := p.Content.PartsFor(v)
	for i, part := range parts {
		d.Segments = append(d.Segments, &Segment{
			ID: SegmentID(id.New("seg")), Position: i, Comment: i >= thread, Part: part, State: Scheduled,
		})
	}
	d.Segments[0].NextAt = at
	return d
}

// wanted is since when s is to go out: its due time, or a person's order after it.
func (d *Delivery) wanted(s *Segment) time.Time {
	if s.OrderedAt.After(d.DueAt) {
		return s.OrderedAt
	}
	return d.DueAt
}

// Segment returns the segment with id, or nil.
func (d *Delivery) Segment(id SegmentID) *Segment {
	for _, s := range d.Segments {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// Untouched reports whether no segment may have had an effect.
func (d *Delivery) Untouched() bool {
	for _, s := range d.Segments {
		if !s.State.Untouched() || s.suspect() {
			return false
		}
	}
	return true
}
