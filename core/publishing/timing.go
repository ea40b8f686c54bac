package publishing

import (
	"fmt"
	"time"
)

// Lease is how long a claim holds in production; see Timing.
const Lease = 90 * time.Second

// Timing is how long the protocol waits for what. The figures depend on each
// other, so they change together or not at all: see Check.
type Timing struct {
	// Lease is how long a claim holds. It is longer than any step may take, so
	// a live worker never loses a segment it is working on.
	Lease time.Duration
	// Step bounds a preparing step or a lookup.
	Step time.Duration
	// Commit bounds the irreversible call, from just before its arming on.
	Commit time.Duration
	// Fresh is the longest a process may hesitate between arming and sending.
	// One that was suspended in between must not wake up and send.
	Fresh time.Duration
}

// DefaultTiming is production's.
var DefaultTiming = Timing{Lease: Lease, Step: 45 * time.Second, Commit: 30 * time.Second, Fresh: 2 * time.Second}

// Check refuses figures under which a live worker could be taken for a dead one.
func (t Timing) Check() error {
	switch {
	case t.Lease <= 0 || t.Step <= 0 || t.Commit <= 0 || t.Fresh <= 0:
		return fmt.Errorf("publishing: every time of %+v must be positive", t)
	case t.Fresh >= t.Commit:
		return fmt.Errorf("publishing: the call ends (%s) before it is stale (%s)", t.Commit, t.Fresh)
	case t.Step > t.Lease/2:
		return fmt.Errorf("publishing: a step (%s) may outlast half a lease (%s)", t.Step, t.Lease)
	case t.Commit+t.Fresh > t.Lease/2: // the other half is for recording the outcome
		return fmt.Errorf("publishing: a call (%s) may outlast half a lease (%s)", t.Commit+t.Fresh, t.Lease)
	}
	return nil
}
