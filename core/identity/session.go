package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
)

// How long things of a session live.
const (
	AccessTTL  = 10 * time.Minute
	IdleTTL    = 30 * 24 * time.Hour // without a refresh
	SessionTTL = 90 * 24 * time.Hour // in all; then the password again
	// grace is how long a used refresh token still answers the client that
	// used it: two tabs may refresh at once, and a reply may be lost.
	grace = 10 * time.Second
)

// SessionID names a session, such as "ses_01jd…".
type SessionID string

// A Session is one sign-in on one device, renewed by refreshing.
type Session struct {
	ID        SessionID
	User      tenants.UserID
	Name      string // as the person calls it; may be empty
	Agent     string
	Address   string // as text; IPv6 is cut to its /64
	Device    Hash   // of the token of the device it began on
	CreatedAt time.Time
	SeenAt    time.Time // of the last refresh
	ExpiresAt time.Time // moves with each refresh, until SessionTTL
	// Methods is how the person proved who they are, first to last, and
	// AuthenticatedAt when they last did. A refresh proves nothing.
	Methods         []Method
	AuthenticatedAt time.Time
}

func newSession(user tenants.UserID, from Client, methods []Method, now time.Time) *Session {
	from = from.trim()
	return &Session{
		ID: SessionID(id.At("ses", now)), User: user, Agent: from.Agent, Address: from.Address.String(),
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(IdleTTL), Methods: methods, AuthenticatedAt: now,
	}
}

// renew moves the session's end; from is where it was last seen.
func (s *Session) renew(from Client, now time.Time) {
	from = from.trim()
	s.SeenAt, s.Agent, s.Address = now, from.Agent, from.Address.String()
	s.ExpiresAt = now.Add(IdleTTL)
	if last := s.CreatedAt.Add(SessionTTL); s.ExpiresAt.After(last) {
		s.ExpiresAt = last
	}
}

// alive reports whether the session still stands for its person.
func (s *Session) alive(now time.Time) bool { return now.Before(s.ExpiresAt) }

// RefreshToken is one link of a session's chain, as it is kept. A used one
// stays, because seeing it again is how theft is noticed.
type RefreshToken struct {
	Hash    Hash
	Session SessionID
	UsedAt  time.Time // zero: the living end of the chain
	UsedBy  string    // the client that used it
}

// A reuse of a refresh token is one of three things.
type reuse int

const (
	firstUse   reuse = iota
	sameClient       // a second tab, or a retry after a lost reply
	stolen           // someone has a copy
)

func (r *RefreshToken) use(from Client, now time.Time) reuse {
	switch {
	case r.UsedAt.IsZero():
		r.UsedAt, r.UsedBy = now, from.fingerprint()
		return firstUse
	case now.Sub(r.UsedAt) <= grace && r.UsedBy == from.fingerprint():
		return sameClient
	}
	return stolen
}

// successor returns the token that follows. It is derived, not drawn: a client
// whose reply was lost gets the very token it missed, so a chain never forks,
// and the database need not hold a token to answer with.
func successor(key []byte, token secret.Secret) secret.Secret {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(token.Reveal()))
	return secret.Secret(refreshPrefix + encode([32]byte(mac.Sum(nil))))
}

const maxAgent = 200

// trim cuts a client to what is kept of it. A machine owns an IPv6 /64, and
// changes addresses inside it as it likes.
func (c Client) trim() Client {
	c.Agent = trimAgent(c.Agent)
	c.Address = c.Address.Unmap().WithZone("")
	if c.Address.Is6() {
		if p, err := c.Address.Prefix(64); err == nil {
			c.Address = p.Addr()
		}
	}
	return c
}

func trimAgent(agent string) string {
	clean := make([]byte, 0, min(len(agent), maxAgent))
	for i := 0; i < len(agent) && len(clean) < maxAgent; i++ {
		if agent[i] >= ' ' && agent[i] <= '~' {
			clean = append(clean, agent[i])
		}
	}
	return string(clean)
}

// fingerprint tells one client from another, as well as can be told from here.
func (c Client) fingerprint() string {
	c = c.trim()
	sum := sha256.Sum256([]byte(c.Address.String() + "\x00" + c.Agent))
	return encode(sum)[:26]
}

func errSignedOut() error {
	return fault.New(fault.Unauthenticated, "session.ended", "Please sign in again.")
}
