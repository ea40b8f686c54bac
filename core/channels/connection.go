package channels

import (
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// ConnectionID names one attempt to sign in, such as "con_01jd…".
type ConnectionID string

// Valid reports whether c is a well-formed connection name.
func (c ConnectionID) Valid() bool { return id.Is("con", string(c)) }

// NewConnectionID returns a fresh connection name.
func NewConnectionID() ConnectionID { return ConnectionID(id.New("con")) }

// ConnectionLife is how long a person has to sign in.
const ConnectionLife = 10 * time.Minute

// Stage is what a connection waits for.
type Stage string

// The stages of a connection.
const (
	AwaitsRedirect Stage = "redirect" // the person signs in at Redirect and is sent back
	AwaitsForm     Stage = "form"     // the person fills in Form; answer with Continue
	AwaitsChoice   Stage = "choice"   // the person picks from Choices; answer with Choose
	Done           Stage = "done"     // Channels are connected
	Failed         Stage = "failed"   // Reason and Message say why; start again
)

// wants says what a connection at s waits for.
func (s Stage) wants() string {
	switch s {
	case AwaitsRedirect:
		return "This sign-in waits for the person to come back from the platform: send what is in that address, in input."
	case AwaitsForm:
		return "This sign-in waits for the values of its form, in input."
	case AwaitsChoice:
		return "This sign-in waits for a choice: send the ids of the accounts to connect, in accounts."
	}
	return "This sign-in is over. Please start another."
}

// A Connection is one attempt to sign in to a platform. It belongs to whoever
// started it: nobody else can see or continue it.
type Connection struct {
	ID        ConnectionID
	Platform  string
	Instance  string
	Stage     Stage
	Redirect  string           // answered once, by the call that led there; never stored
	Binding   string           // set with Redirect: a secret for the person's browser, see Callback
	Form      []byte           // JSON Schema
	Choices   []social.Account // what the sign-in can post to
	Channels  []ID
	Reason    string
	Message   string
	ReturnURL string // where to send the person afterwards; empty if nowhere
	Reconnect ID     // the channel this sign-in is meant to repair, if any
	User      tenants.UserID
	Key       string
	CreatedAt time.Time
	ExpiresAt time.Time
	Version   int // bumped by every save; a stale save is a conflict

	// What the Store keeps besides: hashes of the state and of the binding
	// that Callback must be shown, and the sealed rest of the sign-in.
	StateHash   []byte
	BindingHash []byte
	Sealed      []byte
}

// startedBy reports whether who began this attempt.
func (c *Connection) startedBy(who tenants.Scope) bool {
	return c.User == who.User && c.Key == who.Key
}

// await checks that the connection is at stage and in time.
func (c *Connection) await(stage Stage, now time.Time) error {
	switch {
	case !now.Before(c.ExpiresAt):
		return fault.New(fault.Conflict, "connection.expired", "This sign-in took too long. Please start again.")
	case c.Stage != stage:
		return fault.New(fault.Conflict, "connection.other_stage", "%s", c.Stage.wants())
	}
	return nil
}

// fail ends the attempt with what the person should know.
func (c *Connection) fail(err error) {
	f := fault.Of(err)
	c.settle(Failed)
	c.Reason, c.Message = f.Reason, f.Message
}

// settle moves to a stage and forgets what the previous one needed.
func (c *Connection) settle(stage Stage) {
	c.Stage, c.Form, c.Choices = stage, nil, nil
	c.StateHash, c.BindingHash, c.Sealed = nil, nil, nil
}

// notThere is the answer for an unknown connection and for someone else's.
func notThere() error {
	return fault.New(fault.NotFound, "connection.not_found", "There is no such sign-in.")
}
