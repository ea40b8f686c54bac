package stream

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// TicketLife is how long a ticket opens a stream.
const TicketLife = time.Minute

// Claim is who a ticket was given to. It says nothing about what they may do:
// whoever redeems it reads that from the database.
type Claim struct {
	Tenant  tenants.ID     `json:"ten"`
	User    tenants.UserID `json:"usr,omitempty"`
	Key     string         `json:"key,omitempty"` // the API key used, if any
	Session string         `json:"ses,omitempty"` // the session used, if any
}

// Tickets lets an EventSource in, which cannot send headers: the page asks for
// a ticket with its usual credentials and puts it in the stream's URL, where a
// log may keep it for longer than it is worth anything.
type Tickets struct {
	key []byte
	now func() time.Time
}

// NewTickets returns tickets under a key that serves nothing else.
func NewTickets(key []byte, now func() time.Time) *Tickets { return &Tickets{key: key, now: now} }

type sealedClaim struct {
	Claim
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
}

const audience = "event-stream"

// Issue returns a ticket for c, good for TicketLife.
func (t *Tickets) Issue(c Claim) string {
	raw, _ := json.Marshal(sealedClaim{c, audience, t.now().Add(TicketLife).Unix()}) // strings and a number
	body := base64.RawURLEncoding.EncodeToString(raw)
	return body + "." + base64.RawURLEncoding.EncodeToString(t.mac(body))
}

// Redeem reads a ticket. It answers Unauthenticated, the same for every fault
// a ticket can have.
func (t *Tickets) Redeem(ticket string) (Claim, error) {
	body, signature, _ := strings.Cut(ticket, ".")
	mac, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil || len(ticket) > 1024 || !hmac.Equal(mac, t.mac(body)) {
		return Claim{}, badTicket()
	}
	var c sealedClaim
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &c) != nil || c.Audience != audience || t.now().Unix() >= c.Expires || !c.Tenant.Valid() {
		return Claim{}, badTicket()
	}
	return c.Claim, nil
}

func (t *Tickets) mac(body string) []byte {
	h := hmac.New(sha256.New, t.key)
	h.Write([]byte(audience + "\n" + body))
	return h.Sum(nil)
}

func badTicket() error {
	return fault.New(fault.Unauthenticated, "stream.bad_ticket", "This ticket has expired. Ask for another.")
}
