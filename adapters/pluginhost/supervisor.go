package pluginhost

import (
	"context"
	"math/rand/v2"
	"sync"
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
	// patience is how long a call waits for a restart or a slot before it is
	// sent back as not applied.
	patience = time.Second
)

// supervisor keeps one plugin available: at most one process and at most one
// start at a time, without ever holding the lock while either takes its time.
type supervisor struct {
	host    *Host
	spec    Spec
	program *executable
	slots   *bulkhead
	secrets *secrets
	egress  Egress

	mu        sync.Mutex
	current   *process
	starting  *start
	manifest  *social.Manifest
	reached   func() // closes what the manifest opened
	starts    int
	crashes   []time.Time // inside crashWindow, oldest first
	notBefore time.Time   // the next start
	lastErr   error
	closed    bool
}

// start is one attempt to get a process, shared by every call that waits.
type start struct {
	done chan struct{}
	p    *process
	err  error
}

func newSupervisor(h *Host, spec Spec, program *executable) *supervisor {
	return &supervisor{host: h, spec: spec, program: program, slots: newBulkhead(maxInFlight, maxPerTenant), secrets: newSecrets(),
		egress: h.cfg.Egress(spec.ID)}
}

// describe returns the manifest, from the first start on without a process.
func (s *supervisor) describe(ctx context.Context) (social.Manifest, error) {
	s.mu.Lock()
	known := s.manifest
	s.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	p, err := s.process(ctx)
	if err != nil {
		return social.Manifest{}, err
	}
	return p.manifest, nil
}

// process returns the live process, starting one if there is none. Its errors
// are Transient faults: whatever the call was for has not been sent.
func (s *supervisor) process(ctx context.Context) (*process, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, down("plugin.closed", 0, nil)
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
	if wait > patience {
		return nil, down("plugin.resting", wait, s.lastErr)
	}
	st := &start{done: make(chan struct{})}
	s.starting, s.starts = st, s.starts+1
	go s.launch(st, wait)
	return st, nil
}

func (s *supervisor) launch(st *start, wait time.Duration) {
	select {
	case <-time.After(wait):
	case <-s.host.life.Done():
	}
	st.p, st.err = s.adopt(launch(s))
	close(st.done)
}

// adopt makes a new process the current one, unless the host closed meanwhile.
func (s *supervisor) adopt(p *process, err error) (*process, error) {
	s.mu.Lock()
	s.starting = nil
	closed := s.closed
	if err != nil {
		s.crashed(err)
		err = down("plugin.not_started", time.Until(s.notBefore), err)
	} else if !closed {
		s.current, s.manifest = p, &p.manifest
		s.reach(p.manifest)
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case closed:
		p.kill()
		p.release()
		return nil, down("plugin.closed", 0, nil)
	}
	go s.watch(p)
	return p, nil
}

// watch notices the end of a process and probes it while it is silent.
func (s *supervisor) watch(p *process) {
	idle := time.NewTicker(s.host.cfg.Timeouts.Idle)
	defer idle.Stop()
	for p.alive() {
		select {
		case <-p.run.done:
		case <-idle.C:
			if p.silence() >= s.host.cfg.Timeouts.Idle {
				p.probe()
			}
		}
	}
	s.mu.Lock()
	if s.current == p {
		s.current = nil
	}
	if !s.closed {
		s.crashed(p.run.cause())
	}
	s.mu.Unlock()
	p.release()
}

// crashed counts an end that nobody asked for, with the lock held, and says
// when the next start may be.
func (s *supervisor) crashed(err error) {
	now := time.Now()
	for len(s.crashes) > 0 && now.Sub(s.crashes[0]) > crashWindow {
		s.crashes = s.crashes[1:]
	}
	s.crashes, s.lastErr = append(s.crashes, now), err
	s.notBefore = now.Add(backoff(len(s.crashes)))
	s.host.cfg.Log.Error("plugin ended", "plugin", s.spec.ID, "crashes", len(s.crashes), "error", err,
		"quarantined", len(s.crashes) >= maxCrashes)
}

// backoff doubles with each crash, half of it by chance, so that plugins that
// fell together do not rise together. Past maxCrashes it is the quarantine.
func backoff(crashes int) time.Duration {
	if crashes >= maxCrashes {
		return crashWindow
	}
	d := min(firstBackoff<<(crashes-1), maxBackoff)
	return d/2 + rand.N(d/2)
}

func (s *supervisor) close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	p, st := s.current, s.starting
	s.mu.Unlock()
	if st != nil {
		<-st.done // soon: the host's life is over
	}
	if p != nil {
		p.stop(ctx)
		p.release()
	}
}

func (s *supervisor) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{ID: s.spec.ID, Digest: s.program.digest(), InFlight: s.slots.inUse(), Starts: s.starts, Crashes: len(s.crashes)}
	if s.manifest != nil {
		st.Version = s.manifest.Version
	}
	if s.current != nil && s.current.alive() {
		st.PID, st.Sandbox = s.current.run.pid(), s.current.run.level
	}
	if len(s.crashes) >= maxCrashes && time.Now().Before(s.notBefore) {
		st.Quarantined = s.notBefore
	}
	if s.lastErr != nil {
		st.LastError = s.lastErr.Error()
	}
	return st
}

// down is the fault of a call that was never sent.
func down(key string, retry time.Duration, err error) *social.Fault {
	f := social.Fail(social.Transient, key, "The connection to this platform is down.")
	f.Source, f.RetryAfter, f.Err = social.FromPlugin, max(0, retry), err
	return f
}
