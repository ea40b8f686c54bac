package pluginhost

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// entry is one plugin: the version that serves, and those before it that
// finish what only they can read. What a tenant may take of it and what went
// wrong with it outlive its versions.
type entry struct {
	host     *Host
	id       string
	slots    *bulkhead
	secrets  *secrets
	egress   Egress
	poison   *poison
	breakers *breakers
	starts   atomic.Int64
	notes    atomic.Bool   // its calls tell of their requests
	changing chan struct{} // held by an upgrade or a removal

	mu      sync.Mutex
	current *supervisor
	older   []*older // newest first
	removed bool
}

// older is a version that was replaced.
type older struct {
	*supervisor
	pinned bool // operations of its own are let in; else it only finishes
	until  time.Time
	watch  *time.Timer // looks whether until has come
}

func newEntry(h *Host, spec Spec, program *executable) *entry {
	e := &entry{
		host: h, id: spec.ID, slots: newBulkhead(maxInFlight, maxPerTenant), secrets: newSecrets(),
		egress: h.cfg.Egress(spec.ID), poison: newPoison(), breakers: newBreakers(time.Now), changing: make(chan struct{}, 1),
	}
	e.breakers.off = !h.cfg.Breakers
	e.secrets.lend(passOf(e.egress.URL())) // for good: it is in the environment
	e.current = newSupervisor(e, spec, program)
	return e
}

// serving is the version that new operations go to.
func (e *entry) serving() *supervisor {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

// describe returns the manifest of the version that serves.
func (e *entry) describe(ctx context.Context) (social.Manifest, error) {
	for range maxTurns {
		m, err := e.serving().describe(ctx)
		if !errors.Is(err, errClosed) {
			return m, err
		}
		if e.gone() {
			break
		}
	}
	return social.Manifest{}, down("plugin.closed", 0, nil)
}

// described is the plugin with that manifest id and its manifest; nil if there is
// none.
func (h *Host) described(ctx context.Context, id string) (*entry, social.Manifest, error) {
	e := h.entry(id)
	if e == nil {
		return nil, social.Manifest{}, nil
	}
	m, err := e.describe(ctx)
	return e, m, err
}

func (e *entry) gone() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.removed
}

// maxTurns bounds how often a call may find the version it was going to gone.
const maxTurns = 16

// A seat is a call's place in a process.
type seat struct {
	s     *supervisor
	p     *process
	trial bool
}

func (t seat) leave(answered bool) {
	t.p.gate.leave()
	t.s.tried(t.trial, answered)
}

// enter finds the version that reads r's state, and a place in its process.
// Its errors are Transient faults: nothing was sent.
func (e *entry) enter(ctx context.Context, r request) (seat, error) {
	for range maxTurns {
		s, err := e.route(r)
		if err != nil {
			return seat{}, err
		}
		p, trial, err := s.enter(ctx)
		switch {
		case errors.Is(err, errClosed): // replaced meanwhile
			continue
		case err != nil:
			return seat{}, err
		}
		return seat{s, p, trial}, nil
	}
	return seat{}, down("plugin.closed", 0, nil)
}

// route is the version for r: the serving one if it reads the state, else the
// newest before it that does.
func (e *entry) route(r request) (*supervisor, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.removed {
		return nil, down("plugin.closed", 0, nil)
	}
	m := e.current.known()
	if !r.stateful || m == nil || m.Reads(r.shape) {
		return e.current, nil
	}
	for _, o := range e.older {
		if m := o.known(); o.pinned && m != nil && m.Reads(r.shape) {
			o.until = time.Now().Add(e.host.cfg.Timeouts.Pinned)
			return o.supervisor, nil
		}
	}
	f := social.Fail(social.Transient, social.StateUnreadable, "This was begun with another version of the connection to this platform.")
	f.Source = social.FromPlugin
	return nil, f
}

// replace makes next the serving version. Operations of the one before stay
// with it for Timeouts.Pinned if next does not read their state.
func (e *entry) replace(next *supervisor) error {
	m := next.known()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.removed {
		return fault.New(fault.Conflict, "plugin.closed", "The plugin was removed meanwhile.")
	}
	before := &older{supervisor: e.current, pinned: true, until: time.Now().Add(e.host.cfg.Timeouts.Pinned)}
	e.current, e.older = next, slices.Insert(e.older, 0, before)
	e.poison.forget()
	for _, o := range e.older {
		was := o.known()
		if o.pinned && (was == nil || m.Reads(was.StateVersion)) {
			o.pinned = false
			go e.finish(o)
		}
	}
	if before.pinned {
		before.watch = time.AfterFunc(time.Until(before.until), func() { e.expire(before) })
	}
	return nil
}

// expire lets a version go that nobody asked for lately.
func (e *entry) expire(o *older) {
	e.mu.Lock()
	defer e.mu.Unlock()
	left := time.Until(o.until)
	switch {
	case !o.pinned || e.removed:
	case left > 0:
		o.watch = time.AfterFunc(left, func() { e.expire(o) })
	default:
		o.pinned = false
		go e.finish(o)
	}
}

// finish ends a version once its calls are over. Each has a deadline, so that
// is soon enough.
func (e *entry) finish(o *older) {
	t := e.host.cfg.Timeouts
	ctx, cancel := context.WithTimeout(context.Background(), max(t.Prepare, t.Commit, t.Query)+t.Drain)
	defer cancel()
	if err := o.close(ctx); err != nil {
		e.host.cfg.Log.Warn("plugin version not closed", "plugin", e.id, "error", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.older = slices.DeleteFunc(e.older, func(x *older) bool { return x == o })
}

// close ends every version, and the way to the network with the last.
func (e *entry) close(ctx context.Context) error {
	e.mu.Lock()
	e.removed = true
	all := []*supervisor{e.current}
	for _, o := range e.older {
		all = append(all, o.supervisor)
		if o.watch != nil {
			o.watch.Stop() // it would keep the plugin's memory until then
		}
	}
	e.mu.Unlock()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { errs[i] = s.close(ctx) })
	}
	wg.Wait()
	e.egress.Revoke()
	return errors.Join(errs...)
}
