package pluginhost

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// When a plugin is given up. A crash that repeats is not cured by restarting,
// and each start costs every other plugin its share of the machine.
const (
	crashWindow  = 10 * time.Minute
	maxCrashes   = 5
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 30 * time.Second
	maxRest      = 30 * time.Minute
	// patience is how long a call waits for a restart or a slot before it is
	// sent back as not applied.
	patience = time.Second
)

// supervisor keeps one version of a plugin available: at most one process that
// serves and at most one start of it at a time, without ever holding the lock
// while either takes its time. Suspects have processes of their own besides.
type supervisor struct {
	host    *Host
	spec    Spec
	program *executable
	secrets *secrets
	egress  Egress
	starts  *atomic.Int64   // of every version
	life    context.Context // ends with close; a start under way ends with it
	end     context.CancelFunc

	mu        sync.Mutex
	state     State
	since     time.Time
	current   *process
	leaving   *process   // ends because nobody needs it
	lone      []*process // that one suspect each runs in
	starting  *start
	manifest  *social.Manifest
	reached   func()      // closes what the manifest opened
	crashes   []time.Time // inside crashWindow, oldest first
	rest      time.Duration
	notBefore time.Time // the next start
	alarm     *time.Timer
	trying    bool // the one call of a half-open plugin is under way
	lastErr   error
	closed    bool
	ended     sync.Once
	parting   sync.WaitGroup // starts of lone processes; begun with the lock held, before it is closed
}

// start is one attempt to get a process, shared by every call that waits.
type start struct {
	done chan struct{}
	p    *process
	err  error
}

func newSupervisor(e *entry, spec Spec, program *executable) *supervisor {
	s := &supervisor{
		host: e.host, spec: spec, program: program, secrets: e.secrets, egress: e.egress, starts: &e.starts,
		state: Idle, since: time.Now(),
	}
	s.life, s.end = context.WithCancel(e.host.life)
	return s
}

// errClosed says that this version does not run any more: another may.
var errClosed = errors.New("this version of the plugin is closed")

// describe returns the manifest, from the first start on without a process.
func (s *supervisor) describe(ctx context.Context) (social.Manifest, error) {
	if m := s.known(); m != nil {
		return *m, nil
	}
	p, err := s.process(ctx)
	if err != nil {
		return social.Manifest{}, err
	}
	return p.manifest, nil
}

// known is the manifest if there was a process to ask for it, else nil.
func (s *supervisor) known() *social.Manifest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manifest
}

// process returns the live process, starting one if there is none. Its errors
// are errClosed and Transient faults: whatever the call was for has not been
// sent.
func (s *supervisor) process(ctx context.Context) (*process, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	if p := s.current; p != nil && p.alive() {
		s.mu.Unlock()
		return p, nil
	}
	st, err := s.join()
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-st.done:
		return st.p, st.err
	case <-ctx.Done():
		return nil, down("plugin.starting", 0, ctx.Err())
	}
}

// join returns the start under way, or begins one. Called with the lock held.
func (s *supervisor) join() (*start, error) {
	if s.starting != nil {
		return s.starting, nil
	}
	wait := time.Until(s.notBefore)
	switch {
	case s.rest > 0 && wait > 0:
		return nil, down("plugin.quarantined", wait, s.lastErr)
	case wait > patience:
		return nil, down("plugin.resting", wait, s.lastErr)
	case s.rest > 0:
		s.to(HalfOpen)
	default:
		s.to(Starting)
	}
	st := &start{done: make(chan struct{})}
	s.starting = st
	s.starts.Add(1)
	go s.launch(st, wait)
	return st, nil
}

func (s *supervisor) launch(st *start, wait time.Duration) {
	select {
	case <-time.After(wait):
	case <-s.life.Done():
	}
	st.p, st.err = s.adopt(launch(s))
	close(st.done)
}

// adopt makes a new process the current one, unless the host closed meanwhile.
func (s *supervisor) adopt(p *process, err error) (*process, error) {
	s.mu.Lock()
	s.starting = nil
	closed := s.closed
	switch {
	case err != nil && !closed:
		s.crashed(err)
		err = down("plugin.not_started", time.Until(s.notBefore), s.lastErr)
	case err == nil && !closed:
		s.current, s.manifest = p, &p.manifest
		s.reach(p.manifest)
		if s.state != HalfOpen {
			s.to(Running)
		}
	}
	s.mu.Unlock()
	switch {
	case closed && err == nil:
		p.kill()
		p.release()
		return nil, errClosed
	case closed:
		return nil, errClosed
	case err != nil:
		return nil, err
	}
	go s.watch(p)
	return p, nil
}

// watch notices the end of a process, probes it while it is silent and ends it
// when nobody needs it.
func (s *supervisor) watch(p *process) {
	t := s.host.cfg.Timeouts
	tick := time.NewTicker(min(t.Idle, t.Unused))
	defer tick.Stop()
	for p.alive() {
		select {
		case <-p.run.done:
		case <-tick.C:
			if s.dismiss(p) {
				return
			}
			if p.silence() >= t.Idle {
				p.probe()
			}
		}
	}
	s.mu.Lock()
	if s.current == p {
		s.current = nil
	}
	if !s.closed {
		s.crashed(p.cause())
	}
	s.mu.Unlock()
	p.release()
}

// retire lets a process finish what it has begun, and ends it.
func (s *supervisor) retire(p *process) {
	ctx, cancel := context.WithTimeout(context.Background(), s.host.cfg.Timeouts.Drain)
	defer cancel()
	p.stop(ctx)
	p.release()
}

// dismiss ends a process that had no call for Timeouts.Unused. The next call
// starts another; the manifest stays known.
func (s *supervisor) dismiss(p *process) bool {
	s.mu.Lock()
	if s.closed || s.current != p || s.state != Running || !p.gate.closeUnused(s.host.cfg.Timeouts.Unused) {
		s.mu.Unlock()
		return false
	}
	s.current, s.leaving = nil, p
	s.to(Draining)
	s.mu.Unlock()
	s.retire(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = nil
	if s.state == Draining && !s.closed {
		s.to(Idle)
	}
	return true
}

// close ends this version: calls in flight finish until ctx ends. It may be
// called again, also meanwhile, with a shorter ctx.
func (s *supervisor) close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	processes, st := []*process{s.current, s.leaving}, s.starting
	if s.alarm != nil {
		s.alarm.Stop()
	}
	if s.state != Closed {
		s.to(Draining)
	}
	s.mu.Unlock()
	s.end()
	if st != nil {
		<-st.done
	}
	s.parting.Wait()
	s.mu.Lock()
	processes = append(processes, s.lone...)
	s.mu.Unlock()
	for _, p := range processes {
		if p != nil {
			p.stop(ctx)
			p.release()
		}
	}
	var err error
	s.ended.Do(func() {
		s.mu.Lock()
		s.to(Closed)
		reached := s.reached
		s.mu.Unlock()
		if reached != nil {
			reached()
		}
		if s.program != s.host.own {
			err = s.program.close()
		}
	})
	return err
}

// down is the fault of a call that was never sent, because this process cannot
// for now.
func down(key string, retry time.Duration, err error) *social.Fault {
	f := social.Fail(social.Transient, key, "The connection to this platform is down.")
	f.Source, f.RetryAfter, f.Err, f.Local = social.FromPlugin, max(0, retry), err, true
	return f
}
