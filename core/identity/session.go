package identity

import (
	"time"

	"github.com/carillonhq/carillon/tenants"
)

// SessionID names a session, such as "ses_01jd…".
type SessionID string

// A Session is one sign-in on one device, renewed by refreshing.
type Session struct {
	ID        SessionID
	User      tenants.UserID
	Agent     string
	Address   string // as text; IPv6 is cut to its /64
	CreatedAt time.Time
	SeenAt    time.Time // of the last refresh
	ExpiresAt time.Time
}
