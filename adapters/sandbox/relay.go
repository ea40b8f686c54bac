package sandbox

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// maxRelayed is how many connections a guest may have to one address.
const maxRelayed = 512

// relay carries connections from a guest's network to an address of the host's.
type relay struct {
	ln     net.Listener
	target string
	slots  chan struct{}

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

func newRelay(ln net.Listener, target string) *relay {
	r := &relay{ln: ln, target: target, slots: make(chan struct{}, maxRelayed), open: map[net.Conn]struct{}{}}
	go r.serve()
	return r
}

func (r *relay) serve() {
	for {
		r.slots <- struct{}{}
		in, err := r.ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { <-r.slots }()
			r.carry(in)
		}()
	}
}

func (r *relay) carry(in net.Conn) {
	defer r.drop(in)
	if !r.keep(in) {
		return
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	out, err := d.DialContext(context.Background(), "tcp", r.target)
	if err != nil {
		return
	}
	defer r.drop(out)
	if !r.keep(out) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { pump(out, in) })
	both.Go(func() { pump(in, out) })
	both.Wait()
}

// pump copies until src ends, and tells dst. A copy that fails ends both ways.
func pump(dst, src net.Conn) {
	_, err := io.Copy(dst, src)
	if half, ok := dst.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_, _ = dst.Close(), src.Close()
}

func (r *relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.open[c] = struct{}{}
	return true
}

func (r *relay) drop(c net.Conn) {
	_ = c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
}

func (r *relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	_ = r.ln.Close()
	for c := range r.open {
		_ = c.Close()
	}
}
