package pluginhost

import (
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// What an operation is blamed for. Two ends of a process by itself park it. An
// end from outside, by the kernel or a person, may have meant another: it
// counts half.
const (
	fellByItself  = 2
	fellByOthers  = 1
	enoughToPark  = 4
	poisonMemory  = time.Hour
	maxSuspicious = 1024
)

// How many suspects run at once, each in a process of its own, in all and of
// one tenant.
const (
	maxAlone          = 4
	maxAlonePerTenant = 1
)

// poison remembers the operations under which a process fell. One of them is a
// suspect: it may have been a bystander, so until it is answered it runs in a
// process that nobody else is in. What falls with that one is its own doing,
// and nobody else's call. Only such a fall parks an operation: those that shared
// a process make it a suspect, however many they are.
type poison struct {
	alone *bulkhead // of the suspects that run

	mu       sync.Mutex
	suspects map[string]*suspect // by operation
}

type suspect struct {
	blame int
	last  time.Time
}

func newPoison() *poison {
	return &poison{alone: newBulkhead(maxAlone, maxAlonePerTenant), suspects: map[string]*suspect{}}
}

// operation names what a retry of r repeats; "" if nothing does.
func (r request) operation() string {
	if r.call.Idempotency == "" {
		return ""
	}
	return r.call.Tenant + "\x00" + r.call.Idempotency + "\x00" + r.kind()
}

// admit reports whether r is a suspect. Its error is the fault of one that is
// parked.
func (p *poison) admit(r request) (suspect bool, err error) {
	blame, left := p.of(r.operation())
	if blame >= enoughToPark {
		return true, parked(r, left)
	}
	return blame > 0, nil
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

// blame notes that a process fell while op was under way in it, alone or beside
// others. It reports whether that parked it.
func (p *poison) blame(op string, weight int, alone bool) bool {
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
	if s.last = time.Now(); alone {
		s.blame += weight
	} else {
		s.blame = max(s.blame, weight)
	}
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
// later call answers. What nobody gives up, such as a lookup, waits. Whoever
// orders it anew gives it another key, and so another try.
func parked(r request, left time.Duration) *social.Fault {
	f := social.Fail(social.Transient, "plugin.operation_parked", "This stopped the platform's plugin twice, so it is not tried again for now.")
	f.Source, f.RetryAfter = social.FromPlugin, left
	if r.method == "publish" || r.method == "commit" {
		f.Kind = social.Permanent
	}
	if r.method == "publish" { // of a commit, nobody here knows whether an earlier one went out
		f.Message = "This stopped the platform's plugin twice, and nothing of it went out. Change it, or send it once more as it is."
	}
	return f
}
