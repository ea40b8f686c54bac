// Package smtp sends mail through a server of the operator's.
//
// The connection is encrypted unless the operator says otherwise in so many
// words, and credentials never travel without encryption. A message counts as
// sent when the server has accepted it: what fails after that, such as saying
// goodbye, must not make it go out twice.
package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/carillonhq/carillon/ports/fault"
	port "github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/ports/secret"
)

// Security is how a connection is encrypted.
type Security string

// The ways.
const (
	STARTTLS Security = "starttls" // upgraded before anything is said, or not used
	Implicit Security = "tls"      // encrypted from the first byte
	Plain    Security = "plain"    // not encrypted; no credentials
)

// Config is a server and who writes.
type Config struct {
	Host     string
	Port     int
	Security Security
	Username string
	Password secret.Secret
	From     string        // "Carillon <hello@example.org>"
	Timeout  time.Duration // of one message, all told; 0 means 30 s
	// TLS replaces the default configuration, for a private authority.
	TLS *tls.Config
}

// ParseURL reads a server from configuration: smtp:// (STARTTLS, port 587),
// smtps:// (port 465) or smtp+plain:// (port 25), each with user and password
// if the server wants them. Its errors do not repeat the text.
func ParseURL(text, from string) (Config, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return Config{}, errors.New("smtp: write smtp://user:password@host:port, or smtps://…")
	}
	kinds := map[string]Config{
		"smtp": {Port: 587, Security: STARTTLS}, "smtps": {Port: 465, Security: Implicit}, "smtp+plain": {Port: 25, Security: Plain},
	}
	c, ok := kinds[u.Scheme]
	if !ok {
		return Config{}, errors.New("smtp: the scheme must be smtp, smtps or smtp+plain")
	}
	if p := u.Port(); p != "" {
		if c.Port, err = strconv.Atoi(p); err != nil {
			return Config{}, errors.New("smtp: the port is not a number")
		}
	}
	password, _ := u.User.Password()
	c.Host, c.Username, c.Password, c.From = u.Hostname(), u.User.Username(), secret.Secret(password), from
	return c, nil
}

// Sender implements mail.Sender. It is safe for concurrent use; each message
// has a connection of its own.
type Sender struct {
	client *gomail.Client
	from   *mail.Address
	domain string
	limit  time.Duration
}

// New checks c and returns a sender. It does not connect.
func New(c Config) (*Sender, error) {
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return nil, errors.New("smtp: the sender must be an address, such as Carillon <hello@example.org>")
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	opts, err := options(c)
	if err != nil {
		return nil, err
	}
	client, err := gomail.NewClient(c.Host, opts...)
	if err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	return &Sender{client: client, from: from, domain: domain, limit: c.Timeout}, nil
}

func options(c Config) ([]gomail.Option, error) {
	opts := []gomail.Option{
		gomail.WithPort(c.Port), gomail.WithTimeout(c.Timeout),
		// Both would be said after the message was accepted, and could fail.
		gomail.WithoutRset(), gomail.WithoutNoop(),
	}
	switch c.Security {
	case STARTTLS:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit:
		opts = append(opts, gomail.WithSSL())
	case Plain:
		if c.Username != "" {
			return nil, errors.New("smtp: no password travels over a connection that is not encrypted; use smtp:// or smtps://")
		}
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("smtp: security %q is not starttls, tls or plain", c.Security)
	}
	if c.TLS != nil {
		opts = append(opts, gomail.WithTLSConfig(c.TLS))
	}
	if c.Username != "" {
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(c.Username), gomail.WithPassword(c.Password.Reveal()))
	}
	return opts, nil
}

// Send implements mail.Sender.
func (s *Sender) Send(ctx context.Context, m port.Message) error {
	msg, err := s.message(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	conn, err := s.client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return asFault(err)
	}
	defer func() { _ = s.client.CloseWithSMTPClient(conn) }() // the message is out, or it failed already
	return asFault(s.client.SendWithSMTPClient(conn, msg))
}

// Check connects, encrypts, signs in and leaves, for a health report.
func (s *Sender) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	conn, err := s.client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return asFault(err)
	}
	return asFault(s.client.CloseWithSMTPClient(conn))
}

func (s *Sender) message(m port.Message) (*gomail.Msg, error) {
	bad := func(err error) error {
		return fault.New(fault.Invalid, "mail.malformed", "This message cannot be sent.").Because(err)
	}
	if strings.ContainsAny(m.Subject+m.ID+m.Kind+m.FromName+m.From+m.ReplyTo, "\r\n") {
		return nil, bad(errors.New("smtp: a header has more than one line"))
	}
	msg := gomail.NewMsg()
	from, err := s.sender(m)
	if err != nil {
		return nil, bad(err)
	}
	msg.FromMailAddress(from)
	if from.Address != s.from.Address { // what cannot be delivered comes back to the operator
		msg.EnvelopeFromMailAddress(s.from)
	}
	if m.ReplyTo != "" {
		if err := msg.ReplyTo(m.ReplyTo); err != nil {
			return nil, bad(err)
		}
	}
	if err := msg.To(m.To); err != nil {
		return nil, bad(err)
	}
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageIDWithValue(m.ID + "@" + s.domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday notes, please
	msg.SetGenHeader("X-Carillon-Kind", m.Kind)
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}

// sender is who m says it is from and, for what it leaves out, the operator's.
func (s *Sender) sender(m port.Message) (*mail.Address, error) {
	from := *s.from
	if m.FromName != "" {
		from.Name = m.FromName
	}
	if m.From != "" {
		at, err := mail.ParseAddress(m.From)
		if err != nil {
			return nil, err
		}
		from.Address = at.Address
	}
	return &from, nil
}

// asFault tells a refusal of the reader's address, which is final, from
// everything else, which the operator or time may repair.
func asFault(err error) error {
	if err == nil {
		return nil
	}
	var sent *gomail.SendError
	if errors.As(err, &sent) && sent.Reason == gomail.ErrSMTPRcptTo && sent.ErrorCode() >= 500 {
		return fault.New(fault.Invalid, "mail.refused", "The mail server does not accept this address.").Because(err)
	}
	return fault.New(fault.Unavailable, "mail.unavailable", "The mail server cannot take messages right now.").Because(err)
}
