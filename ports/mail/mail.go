// Package mail is the port to whoever carries letters to people.
package mail

import "context"

// A Message is one letter to one person.
type Message struct {
	ID      string // stable over retries; becomes the Message-ID
	Kind    string // what it is about, such as "verify"; for metrics and headers, never shown
	To      string // a bare address, such as "ann@example.org"
	Subject string // one line
	Text    string // UTF-8, always present
	HTML    string // optional alternative to Text

	FromName string // who it is from, for people; empty: the carrier's
	From     string // a bare address; empty: the carrier's
	ReplyTo  string // a bare address; empty: none
}

// Sender hands a message to the next carrier.
type Sender interface {
	// Send returns nil once a carrier has accepted m, fault.Invalid if it
	// refused it for good (an address that cannot exist) and
	// fault.Unavailable if it may take it later. It may deliver twice when a
	// reply is lost; letters are written so that this does no harm.
	Send(ctx context.Context, m Message) error
}
