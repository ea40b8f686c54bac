package network

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Trouble is one thing that goes wrong with one request to post. Each is also
// a word that a post's text may contain, and then fires once for that post:
// for its author and client_ref, or its text if it has no client_ref.
type Trouble string

// The troubles, in the order in which they fire when a text has several.
const (
	Limit           Trouble = "#429"              // refused, with a second to wait
	Expire          Trouble = "#expire"           // refused, and the access token is dead from now on
	Reject          Trouble = "#reject"           // refused as against the rules
	Reset           Trouble = "#reset"            // connection reset, nothing kept
	Unavailable     Trouble = "#503"              // 503, nothing kept
	Slow            Trouble = "#slow"             // kept and answered, late
	Dup             Trouble = "#dup"              // kept, and answered 409: it is already there
	DropReply       Trouble = "#drop-reply"       // kept, connection closed without an answer
	FailAfterAccept Trouble = "#500-after-accept" // kept, answered 500
	Garble          Trouble = "#garble"           // kept, answered 200 with nonsense
	Stall           Trouble = "#stall"            // kept, never answered
)

var troubles = []Trouble{Limit, Expire, Reject, Reset, Unavailable, Slow, Dup, DropReply, FailAfterAccept, Garble, Stall}

// Faults are chances, each from 0 to 1, that a request to post meets a
// trouble. The dice depend on the seed, the post and the number of the try
// alone, so a run can be repeated whatever the order of its requests.
type Faults struct {
	Seed            uint64
	Limit           float64
	Expire          float64
	Reset           float64
	Unavailable     float64
	Slow            float64
	DropReply       float64
	FailAfterAccept float64
	Garble          float64
	Stall           float64
}

func (f Faults) dice() []struct {
	chance  float64
	trouble Trouble
} {
	return []struct {
		chance  float64
		trouble Trouble
	}{
		{f.Limit, Limit}, {f.Expire, Expire}, {f.Reset, Reset}, {f.Unavailable, Unavailable}, {f.Slow, Slow},
		{f.DropReply, DropReply}, {f.FailAfterAccept, FailAfterAccept}, {f.Garble, Garble}, {f.Stall, Stall},
	}
}

// Trouble arms one trouble for the next request to post.
func (n *Network) Trouble(t Trouble) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.armed = append(n.armed, t)
}

// choose says what goes wrong with a draft: what was armed, else the next word
// of its text that has not fired, else what the dice say. The caller holds the
// lock.
func (n *Network) choose(d draft, account string) Trouble {
	if len(n.armed) > 0 {
		next := n.armed[0]
		n.armed = n.armed[1:]
		return next
	}
	identity := account + " " + d.ClientRef
	if d.ClientRef == "" {
		identity = account + " " + hash(d.Text+"\x00"+d.ReplyTo)
	}
	for _, t := range troubles {
		key := string(t) + " " + identity
		if n.fired[key] || !mentions(d.Text, t) {
			continue
		}
		n.fired[key] = true
		_ = n.journal.put("fired", key) // at worst it fires again after a restart
		return t
	}
	n.tries[identity]++
	return n.opt.Faults.roll(identity, n.tries[identity])
}

// mentions reports whether text has t as a word of its own: "#5000" is not "#500".
func mentions(text string, t Trouble) bool {
	for _, word := range strings.Fields(text) {
		if strings.TrimRight(word, ".,;:!?") == string(t) {
			return true
		}
	}
	return false
}

func (f Faults) roll(identity string, try int) Trouble {
	at := fraction(fmt.Sprintf("%d %s %d", f.Seed, identity, try))
	for _, die := range f.dice() {
		if at < die.chance {
			return die.trouble
		}
		at -= die.chance
	}
	return ""
}

// fraction is a number in [0, 1) that depends on text alone.
func fraction(text string) float64 {
	sum := sha256.Sum256([]byte(text))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// before meets a trouble that comes before the post is kept, and reports
// whether that was the answer.
func (n *Network) before(w http.ResponseWriter, t Trouble, g *grant) bool {
	switch t {
	case Limit:
		refusal := fail(http.StatusTooManyRequests, "rate_limited", "Too many posts, slow down.")
		refusal.retryAfter = time.Second
		refusal.write(w)
	case Expire:
		n.expire(g)
		fail(http.StatusUnauthorized, "token_expired", "The access token has expired.").write(w)
	case Reject:
		fail(http.StatusUnprocessableEntity, "against_the_rules", "The network does not want this post.").on("text").write(w)
	case Unavailable:
		fail(http.StatusServiceUnavailable, "unavailable", "The network is busy.").write(w)
	case Reset:
		hangUp(w, true)
	default:
		return false
	}
	return true
}

// after meets a trouble that comes once the post is kept, and reports whether
// that was the answer.
func (n *Network) after(w http.ResponseWriter, t Trouble) bool {
	switch t {
	case Slow:
		n.pause(n.opt.SlowFor / 2)
		return false
	case Dup:
		fail(http.StatusConflict, "duplicate", "This post is already there.").write(w)
	case DropReply:
		hangUp(w, false)
	case FailAfterAccept:
		fail(http.StatusInternalServerError, "internal", "Something went wrong.").write(w)
	case Garble:
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>Bad gateway"))
	case Stall:
		n.pause(time.Minute)
		hangUp(w, false)
	default:
		return false
	}
	return true
}

// expire makes an access token die early. Refreshing helps.
func (n *Network) expire(g *grant) {
	n.mu.Lock()
	defer n.mu.Unlock()
	dead := *g
	dead.Until = n.opt.Now()
	_ = n.save(&dead) // at worst the token lives on after a restart
}

// pause does not end with the request: a platform goes on working when the
// caller has hung up.
func (n *Network) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.closed:
	}
}

// hangUp ends the connection without an answer, by reset if reset is set.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
