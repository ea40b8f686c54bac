package publishing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// An Attempt is one journaled try to send a segment. It is written before the
// call and closed after it; one that was never closed is a process that died.
type Attempt struct {
	Segment     SegmentID
	N           int // from 1, per segment
	Key         string
	RequestHash string // hexadecimal SHA-256 of what was sent
	Replay      bool   // the same key again, after a lost reply
	Holder      string
	ArmedAt     time.Time // the database's clock
	EndedAt     time.Time // zero while open
	Outcome     Outcome
	Problem     *Problem
}

// An Arming is an attempt to be opened, and what its segment must still be for
// that: as it was when the request was built.
type Arming struct {
	State     State
	Canceling bool
	Attempt   int    // the last one's number
	Hash      string // the delivery's

	Step        []byte
	Key         string
	RequestHash string
	Replay      bool
	Lease       time.Duration
}

// Arm is what Store.Arm does to d, now being the database's clock: it opens the
// next attempt, or answers ErrLost if the claim or the segment is no longer
// what a was made for. From here on nobody sends this segment until the
// attempt's outcome is known. The lease begins anew, because nobody may take
// the call for a dead process's while it can still be under way.
func (d *Delivery) Arm(c Claim, a Arming, now time.Time) (*Attempt, error) {
	s := d.Segment(c.Segment)
	if s == nil || s.Generation != c.Generation || s.State != a.State || s.Canceling != a.Canceling || s.Attempt != a.Attempt || d.Hash != a.Hash {
		return nil, ErrLost
	}
	s.Attempt++
	s.State, s.Step, s.ArmedHash, s.Label = Sending, a.Step, a.RequestHash, ""
	s.NextAt, s.CalledAt = now.Add(a.Lease), now
	if s.DoubtAt.IsZero() {
		s.DoubtAt = now
	}
	return &Attempt{Segment: s.ID, N: s.Attempt, Key: a.Key, RequestHash: a.RequestHash, Replay: a.Replay, Holder: s.Holder, ArmedAt: now}, nil
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes. An unknown one may later be resolved by a lookup or a person.
const (
	Applied       Outcome = "applied"
	Refused       Outcome = "refused"
	OutcomeLost   Outcome = "unknown"
	NotSent       Outcome = "not_sent" // closed before the call left
	FoundLater    Outcome = "found"
	AbsentLater   Outcome = "absent"
	SettledLive   Outcome = "settled_live"
	SettledAbsent Outcome = "settled_absent"
)

// requestHash identifies what is about to be sent. Addresses of media change
// with every call and credentials are none of the journal's business, so
// neither is part of it.
func requestHash(req social.PublishRequest) string {
	c := req.Content
	c.Media = slices.Clone(c.Media)
	for i := range c.Media {
		c.Media[i].URL = ""
	}
	b, err := json.Marshal(struct {
		Key     string
		Content social.Content
		State   []byte
	}{req.Call.Idempotency, c, req.State})
	if err != nil { // settings came from JSON and go back to it
		panic(fmt.Sprintf("publishing: request is not JSON: %v", err))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
