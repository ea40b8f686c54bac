package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Guard counts tries at an address.
type Guard struct {
	Count int
	At    time.Time // of the last try that counted
	Until time.Time // no try counts before
}

// try counts one try, or returns how long to wait: five are free, then the wait
// doubles from a second to fifteen minutes.
func (g *Guard) try(now time.Time) time.Duration {
	const free, most = 5, 15 * time.Minute
	if now.Before(g.Until) {
		return g.Until.Sub(now)
	}
	if now.Sub(g.At) > 24*time.Hour {
		g.Count = 0
	}
	g.Count++
	g.At = now
	if over := g.Count - free; over >= 0 {
		g.Until = now.Add(min(time.Second<<min(over, 20), most))
	}
	return 0
}

func (s *Service) guardKey(address string) string {
	mac := hmac.New(sha256.New, s.AddressKey)
	mac.Write([]byte("operator\x00" + address))
	return hex.EncodeToString(mac.Sum(nil))
}
