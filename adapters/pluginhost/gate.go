package pluginhost

import (
	"sync"
	"time"
)

// gate counts the calls inside a process and can be shut, so that one that is
// to end gets no call that it would cut.
type gate struct {
	mu     sync.Mutex
	inside int
	shut   bool
	empty  chan struct{} // closed once shut and nobody is inside
	last   time.Time     // when somebody was inside last
}

func newGate() *gate { return &gate{empty: make(chan struct{}), last: time.Now()} }

// enter reports whether the call may go in. One that did calls leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.last = time.Now()
	if g.shut && g.inside == 0 {
		close(g.empty)
	}
}

// close lets nobody in any more. The channel ends when the last one has left.
func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		g.shut = true
		if g.inside == 0 {
			close(g.empty)
		}
	}
	return g.empty
}

// closeUnused closes the gate if nobody was inside for that long.
func (g *gate) closeUnused(long time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut || g.inside > 0 || time.Since(g.last) < long {
		return false
	}
	g.shut = true
	close(g.empty)
	return true
}
