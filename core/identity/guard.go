package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Guard counts tries at something that strangers may try: signing in to an
// address, having letters sent to it. It is kept by address, not by account,
// so that it says nothing about which addresses have one.
type Guard struct {
	Count int
	At    time.Time // of the last try that counted
	Until time.Time // no try counts before
}

// pace is how fast tries may follow each other: free ones, then a wait that
// doubles from first to most.
type pace struct {
	free  int
	first time.Duration
	most  time.Duration
}

var (
	// signIn lets a person mistype and makes guessing 15 characters hopeless:
	// under 120 tries a day.
	signIn = pace{free: 5, first: time.Second, most: 15 * time.Minute}
	// network is many people's, and lets them mistype; it slows down who tries
	// one password at many addresses.
	network = pace{free: 50, first: time.Second, most: 5 * time.Minute}
	// letters keeps a stranger from filling somebody's mailbox.
	letterPace = pace{free: 3, first: time.Minute, most: 12 * time.Hour}
)

// quiet is how long after the last try a guard forgets.
const quiet = 24 * time.Hour

// try counts one try, or returns how long to wait.
func (g *Guard) try(p pace, now time.Time) time.Duration {
	if now.Before(g.Until) {
		return g.Until.Sub(now)
	}
	if now.Sub(g.At) > quiet {
		g.Count = 0
	}
	g.Count++
	g.At = now
	if over := g.Count - p.free; over >= 0 {
		g.Until = now.Add(min(p.first<<min(over, 20), p.most))
	}
	return 0
}

// salt is that of every registration of address. Strangers may register it,
// too: with one salt, signing in tells the owner that the address is not
// confirmed yet whichever of them was last, for the price of one computation.
func (s *Service) salt(address string) []byte {
	mac := hmac.New(sha256.New, s.cfg.AddressKey)
	mac.Write([]byte("salt\x00" + address))
	return mac.Sum(nil)[:16]
}

// guardKey names address in a counter without writing it there: people type
// passwords into the wrong field.
func (s *Service) guardKey(what, address string) string {
	mac := hmac.New(sha256.New, s.cfg.AddressKey)
	mac.Write([]byte(what + "\x00" + address))
	return hex.EncodeToString(mac.Sum(nil))
}
