// Package faulty is what the vendor fakes share: troubles that are armed by a
// test and met by one publishing request each.
package faulty

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Trouble is one thing that can go wrong, by the names of package socialtest.
type Trouble string

// The troubles. Limit and Expire are answered in each vendor's own words.
const (
	None            Trouble = ""
	DropReply       Trouble = "drop the reply after accepting"
	FailAfterAccept Trouble = "answer 5xx after accepting"
	Garble          Trouble = "answer nonsense after accepting"
	Stall           Trouble = "accept and never answer"
	ResetBefore     Trouble = "reset the connection before accepting"
	Limit           Trouble = "refuse by rate limit with a time to wait"
	Expire          Trouble = "refuse because the token expired"
)

// A Queue holds armed troubles. The zero value is ready.
type Queue struct {
	mu    sync.Mutex
	armed []Trouble
}

// Arm makes the next publishing request meet t.
func (q *Queue) Arm(t Trouble) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.armed = append(q.armed, t)
}

// Take is the trouble of this request.
func (q *Queue) Take() Trouble {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.armed) == 0 {
		return None
	}
	t := q.armed[0]
	q.armed = q.armed[1:]
	return t
}

// Answer meets a trouble that comes after accepting, and reports whether that
// was the answer.
func Answer(w http.ResponseWriter, r *http.Request, t Trouble) bool {
	switch t {
	case DropReply:
		HangUp(w, false)
	case FailAfterAccept:
		http.Error(w, `{"error":"InternalServerError"}`, http.StatusInternalServerError)
	case Garble:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>Bad gateway"))
	case Stall:
		stall(r)
		HangUp(w, false)
	default:
		return false
	}
	return true
}

// stall waits until the caller has given up.
func stall(r *http.Request) {
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-timer.C:
	}
}

// HangUp ends the connection without an answer, by reset if reset is set.
func HangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
