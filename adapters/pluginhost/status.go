package pluginhost

import (
	"slices"
	"time"

	"github.com/carillonhq/carillon/adapters/sandbox"
)

// Status is how one plugin is doing.
type Status struct {
	ID          string
	State       State
	Since       time.Time // of the state
	Digest      string    // of the program, once it ran
	Version     string    // of the plugin, once it ran
	PID         int       // 0: not running
	Alone       []int     // processes that one suspect each runs in
	InFlight    int
	Starts      int       // since the host began, of this version
	Crashes     int       // in the last 10 minutes
	Quarantined time.Time // until when it is left alone; zero if it is not
	LastError   string
	Parked      int           // operations that are refused because it fell under them
	Breakers    []Breaker     // that refuse calls
	Older       []Older       // versions that finish what they began
	Sandbox     sandbox.Level // of the process that runs
}

// Older is a version that was replaced and still has something to do.
type Older struct {
	Version      string
	Digest       string
	StateVersion int
	State        State
	PID          int
	Until        time.Time // when it ends, if nobody needs it before; zero if it is ending
}

// Status tells how every plugin is doing, in the order of their installation.
func (h *Host) Status() []Status {
	all := h.all()
	out := make([]Status, len(all))
	for i, e := range all {
		out[i] = e.status()
	}
	return out
}

// Bundles names the bundles of all versions that run or may be started, those
// that only finish what they began included.
func (h *Host) Bundles() (out []string) {
	for _, e := range h.all() {
		e.mu.Lock()
		out = append(out, e.current.spec.Bundle)
		for _, o := range e.older {
			out = append(out, o.spec.Bundle)
		}
		e.mu.Unlock()
	}
	return slices.DeleteFunc(out, func(b string) bool { return b == "" })
}

func (e *entry) status() Status {
	e.mu.Lock()
	current, before := e.current, make([]older, len(e.older))
	for i, o := range e.older {
		before[i] = *o
	}
	e.mu.Unlock()
	// Outside the lock, for a digest waits while a program is hashed.
	st := current.status()
	st.InFlight, st.Parked, st.Breakers = e.slots.inUse(), e.poison.parked(), e.breakers.refusing()
	for _, o := range before {
		st.Older = append(st.Older, o.describeOlder())
	}
	return st
}

func (o older) describeOlder() Older {
	st := o.status()
	out := Older{Version: st.Version, Digest: st.Digest, State: st.State, PID: st.PID}
	if m := o.known(); m != nil {
		out.StateVersion = m.StateVersion
	}
	if o.pinned {
		out.Until = o.until
	}
	return out
}

func (s *supervisor) status() Status {
	digest := s.program.digest()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{ID: s.spec.ID, State: s.state, Since: s.since, Digest: digest, Starts: int(s.starts.Load()), Crashes: len(s.crashes)}
	if s.manifest != nil {
		st.Version = s.manifest.Version
	}
	if s.current != nil && s.current.alive() {
		st.PID, st.Sandbox = s.current.run.pid(), s.current.run.level
	}
	for _, p := range s.lone {
		st.Alone = append(st.Alone, p.run.pid())
	}
	if s.state == Quarantined {
		st.Quarantined = s.notBefore
	}
	if s.lastErr != nil {
		st.LastError = s.lastErr.Error()
	}
	return st
}
