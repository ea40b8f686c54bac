package pluginhost

import (
	"context"
)

// enter lets a call into the live process, starting one if there is none. Of a
// half-open plugin it lets one in: trial is true for that one.
func (s *supervisor) enter(ctx context.Context) (p *process, trial bool, err error) {
	for {
		if p, err = s.process(ctx); err != nil {
			return nil, false, err
		}
		if trial, err = s.try(); err != nil {
			return nil, false, err
		}
		if p.gate.enter() {
			return p, trial, nil
		}
		s.tried(trial, false)
	}
}

// try takes the one call that a half-open plugin is allowed.
func (s *supervisor) try() (trial bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != HalfOpen {
		return false, nil
	}
	if s.trying {
		return false, down("plugin.trial", patience, s.lastErr)
	}
	s.trying = true
	return true, nil
}

// tried ends that call. One that was answered brings the plugin back.
func (s *supervisor) tried(trial, answered bool) {
	if !trial {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trying = false
	if answered && s.state == HalfOpen {
		s.crashes, s.rest = nil, 0
		s.to(Running)
	}
}
