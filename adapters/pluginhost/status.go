package pluginhost

import (
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

func (e *entry) status() Status {
	e.mu.Lock()
	current := e.current
	var before []Older
	for _, o := range e.older {
		was := Older{State: o.status().State, PID: o.status().PID, Digest: o.program.digest(), Version: o.status().Version}
		if m := o.known(); m != nil {
			was.StateVersion = m.StateVersion
		}
		if o.pinned {
			was.Until = o.until
		}
		before = append(before, was)
	}
	e.mu.Unlock()
	st := current.status()
	st.InFlight, st.Parked, st.Breakers, st.Older = e.slots.inUse(), e.poison.parked(), e.breakers.refusing(), before
	return st
}

func (s *supervisor) status() Status {
	digest := s.program.digest()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{ID: s.spec.ID, State: s.state, Since: s.since, Digest: digest, Starts: s.starts, Crashes: len(s.crashes)}
	if s.manifest != nil {
		st.Version = s.manifest.Version
	}
	if s.current != nil && s.current.alive() {
		st.PID, st.Sandbox = s.current.run.pid(), s.current.run.level
	}
	if s.state == Quarantined {
		st.Quarantined = s.notBefore
	}
	if s.lastErr != nil {
		st.LastError = s.lastErr.Error()
	}
	return st
}
