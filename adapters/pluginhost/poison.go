package pluginhost

import (
	"context"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// What an operation is blamed for. Two ends of the process by itself park it.
// An end from outside, by the kernel or a person, may have meant another: it
// counts half.
const (
	fellByItself  = 2
	fellByOthers  = 1
	enoughToPark  = 4
	poisonMemory  = time.Hour
	maxSuspicious = 1024
)

// poison remembers the operations under which the process fell. One of them is
// a suspect and runs alone among suspects, so that the next fall tells which it
// was; one that it fell under again is parked, for everybody else's sake.
type poison struct {
	alone chan struct{} // held by the one suspect that runs

	mu       sync.Mutex
	suspects map[string]*suspect // by operation
}

type suspect struct {
	blame int
	last  time.Time
}

func newPoison() *poison {
	return &poison{alone: make(chan struct{}, 1), suspects: map[string]*suspect{}}
}

// operation names what a retry of r repeats; "" if nothing does.
func (r request) operation() string {
	if r.call.Idempotency == "" {
		return ""
	}
	method := r.method
	if method == "commit" {
		method = "publish"
	}
	return r.call.Tenant + "\x00" + r.call.Idempotency + "\x00" + method
}

// admit lets an operation through, after waiting its turn if it is a suspect,
// no longer than patience. done is called when the call is over.
func (p *poison) admit(ctx context.Context, r request) (done func(), err error) {
	op := r.operation()
	blame, left := p.of(op)
	switch {
	case blame == 0:
		return func() {}, nil
	case blame >= enoughToPark:
		return nil, parked(r, left)
	}
	turn := time.NewTimer(patience)
	defer turn.Stop()
	select {
	case p.alone <- struct{}{}:
		return func() { <-p.alone }, nil
	case <-turn.C:
		return nil, down("plugin.busy", patience, nil)
	case <-ctx.Done():
		return nil, down("plugin.busy", 0, ctx.Err())
	}
}

// of is what op is blamed for, and for how long that is remembered.
func (p *poison) of(op string) (blame int, left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.suspects[op]
	if s == nil || op == "" {
		return 0, 0
	}
	if left = poisonMemory - time.Since(s.last); left <= 0 {
		delete(p.suspects, op)
		return 0, 0
	}
	return s.blame, left
}

// blame notes that the process fell while op was under way. It reports whether
// that parked it.
func (p *poison) blame(op string, weight int) bool {
	if op == "" {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.suspects[op]
	if s == nil {
		p.makeRoom()
		s = &suspect{}
		p.suspects[op] = s
	}
	before := s.blame
	s.blame, s.last = s.blame+weight, time.Now()
	return before < enoughToPark && s.blame >= enoughToPark
}

// makeRoom drops the oldest suspect of too many. Called with the lock held.
func (p *poison) makeRoom() {
	if len(p.suspects) < maxSuspicious {
		return
	}
	var oldest string
	for op, s := range p.suspects {
		if oldest == "" || s.last.Before(p.suspects[oldest].last) {
			oldest = op
		}
	}
	delete(p.suspects, oldest)
}

// clear takes the blame off an operation that was answered.
func (p *poison) clear(op string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.suspects, op)
}

// forget takes the blame off all of them: another program may do better.
func (p *poison) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.suspects)
}

// parked counts the operations that are refused.
func (p *poison) parked() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.suspects {
		if s.blame >= enoughToPark && time.Since(s.last) < poisonMemory {
			n++
		}
	}
	return n
}

// parked is the fault of an operation that is not tried again for now. This
// call had no effect. What came of the ones before it, if they were commits,
// is for its journal to say: a segment in doubt stays in doubt whatever a
// later call answers. What nobody gives up, such as a lookup, waits.
func parked(r request, left time.Duration) *social.Fault {
	f := social.Fail(social.Transient, "plugin.operation_parked", "This stopped the platform's plugin twice, so it is not tried again for now.")
	f.Source, f.RetryAfter = social.FromPlugin, left
	if r.method == "publish" || r.method == "commit" {
		f.Kind = social.Permanent
	}
	return f
}
