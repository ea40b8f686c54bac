package pluginhost

import (
	"math/rand/v2"
	"time"
)

// State is what a plugin is doing.
type State string

// The states. A plugin moves
//
//	idle → starting → running → draining → idle
//	starting, running → resting → idle
//	starting, running → quarantined → half-open → running | quarantined
//
// and is closed for good with its host, when it is removed, or when a newer
// version has taken its place.
const (
	Idle        State = "idle"        // no process; the next call starts one
	Starting    State = "starting"    // a process was asked for its manifest
	Running     State = "running"     // a process serves
	Draining    State = "draining"    // what is in flight finishes, then the process ends
	Resting     State = "resting"     // it fell and may start again in a moment
	Quarantined State = "quarantined" // it fell too often and is left alone for a while
	HalfOpen    State = "half-open"   // one start and one call decide whether it serves again
	Closed      State = "closed"      // it will not run again
)

// States are all of them.
var States = []State{Idle, Starting, Running, Draining, Resting, Quarantined, HalfOpen, Closed}

// to notes a change of state and logs it. Called with the lock held.
func (s *supervisor) to(next State) {
	if s.state == next {
		return
	}
	before := s.state
	s.state, s.since = next, time.Now()
	version := ""
	if s.manifest != nil {
		version = s.manifest.Version
	}
	s.host.cfg.Log.Info("plugin state", "plugin", s.spec.ID, "version", version, "from", before, "to", next)
}

// restUntil leaves the plugin alone until at. Called with the lock held.
func (s *supervisor) restUntil(at time.Time, resting State) {
	s.notBefore = at
	s.to(resting)
	if s.alarm != nil {
		s.alarm.Stop()
	}
	s.alarm = time.AfterFunc(time.Until(at), s.rested)
}

// rested ends a rest. Nothing starts before it is needed.
func (s *supervisor) rested() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case time.Now().Before(s.notBefore): // it fell again meanwhile
	case s.state == Resting:
		s.to(Idle)
	case s.state == Quarantined:
		s.to(HalfOpen)
	}
}

// crashed counts an end that nobody asked for, with the lock held, and says
// when the next start may be.
func (s *supervisor) crashed(err error) {
	now := time.Now()
	for len(s.crashes) > 0 && now.Sub(s.crashes[0]) > crashWindow {
		s.crashes = s.crashes[1:]
	}
	err = s.secrets.clean(err)
	s.crashes, s.lastErr = append(s.crashes, now), err
	s.host.cfg.Log.Error("plugin ended", "plugin", s.spec.ID, "crashes", len(s.crashes), "error", err)
	switch {
	case s.rest > 0: // the trial failed
		s.rest = min(2*s.rest, maxRest)
	case len(s.crashes) >= maxCrashes:
		s.rest = s.host.cfg.Timeouts.Rest
	default:
		s.restUntil(now.Add(backoff(len(s.crashes))), Resting)
		return
	}
	s.restUntil(now.Add(s.rest), Quarantined)
}

// backoff doubles with each crash, half of it by chance, so that plugins that
// fell together do not rise together.
func backoff(crashes int) time.Duration {
	d := min(firstBackoff<<(crashes-1), maxBackoff)
	return d/2 + rand.N(d/2)
}
