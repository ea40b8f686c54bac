package smtp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/carillonhq/carillon/adapters/smtp"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/mail"
)

var letter = mail.Message{
	ID: "let_1", Kind: "verify", To: "ann@example.org", Subject: "Grüße",
	Text: "Hello,\nfollow https://app.example.org/#token=abc\n", HTML: "<p>Hello</p>",
}

func TestAMessageArrivesWhole(t *testing.T) {
	for name, security := range map[string]smtp.Security{"starttls": smtp.STARTTLS, "tls": smtp.Implicit, "plain": smtp.Plain} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, security)
			if security != smtp.Plain {
				s.config.Username, s.config.Password = "carillon", "right"
			}
			if err := s.sender(t).Send(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			got := <-s.got
			if got.from != "hello@carillon.test" || got.to != letter.To || got.user != s.config.Username {
				t.Errorf("envelope %+v", got)
			}
			checkMessage(t, got.data)
		})
	}
}

func checkMessage(t *testing.T, data []byte) {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"Message-ID": "<let_1@carillon.test>", "Auto-Submitted": "auto-generated", "X-Carillon-Kind": "verify",
		"From": `"Carillon" <hello@carillon.test>`, "To": "<ann@example.org>",
	} {
		if got := m.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if got, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); got != letter.Subject {
		t.Errorf("subject %q", got)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{letter.Text, letter.HTML} {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil || strings.TrimSpace(strings.ReplaceAll(string(body), "\r\n", "\n")) != strings.TrimSpace(want) {
			t.Errorf("part %q, %v, want %q", body, err, want)
		}
	}
}

func TestFailures(t *testing.T) {
	refusal := func(code int) error {
		return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{code / 100, 0, 0}, Message: "no"}
	}
	for name, tc := range map[string]struct {
		change func(*server)
		to     string
		want   fault.Code
	}{
		"nobody there":         {func(s *server) { s.rcpt = refusal(550) }, "", fault.Invalid},
		"mailbox busy":         {func(s *server) { s.rcpt = refusal(450) }, "", fault.Unavailable},
		"content refused":      {func(s *server) { s.body = refusal(554) }, "", fault.Unavailable},
		"try the content late": {func(s *server) { s.body = refusal(451) }, "", fault.Unavailable},
		"wrong password":       {func(s *server) { s.config.Username, s.config.Password = "carillon", "wrong" }, "", fault.Unavailable},
		"no such server":       {func(s *server) { s.config.Port = closedPort(t) }, "", fault.Unavailable},
		"an unknown authority": {func(s *server) { s.config.TLS = nil }, "", fault.Unavailable},
		"not an address":       {func(*server) {}, "ann@example.org\r\nBcc: all@example.org", fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, smtp.STARTTLS)
			tc.change(s)
			m := letter
			if tc.to != "" {
				m.To = tc.to
			}
			err := s.sender(t).Send(t.Context(), m)
			if !fault.Is(err, tc.want) {
				t.Errorf("err = %v, want %s", err, tc.want)
			}
			if f := fault.Of(err); f != nil && strings.Contains(f.Message, "127.0.0.1") {
				t.Errorf("the message names our server: %s", f.Message)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	s := serve(t, smtp.STARTTLS)
	s.config.Username, s.config.Password = "carillon", "right"
	if err := s.sender(t).Check(t.Context()); err != nil {
		t.Error(err)
	}
	s.config.Password = "wrong"
	if err := s.sender(t).Check(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v", err)
	}
	if len(s.got) != 0 {
		t.Error("a check sent something")
	}
}

// A server that does not offer encryption gets nothing.
func TestMandatoryTLS(t *testing.T) {
	s := serve(t, smtp.Plain)
	s.config.Security = smtp.STARTTLS
	if err := s.sender(t).Send(t.Context(), letter); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v", err)
	}
	if len(s.got) != 0 {
		t.Error("the message went out in the clear")
	}
}

func TestASilentServerTimesOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := smtp.Config{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Security: smtp.Plain, From: "a@carillon.test", Timeout: 50 * time.Millisecond}
	s, err := smtp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), letter); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v", err)
	}
}

func TestHeadersHaveOneLine(t *testing.T) {
	m := letter
	m.Subject = "Hello\r\nBcc: all@example.org"
	if err := serve(t, smtp.Plain).sender(t).Send(t.Context(), m); !fault.Is(err, fault.Invalid) {
		t.Errorf("err = %v", err)
	}
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]smtp.Config{
		"smtp://u:p%40ss@mail.test":  {Host: "mail.test", Port: 587, Security: smtp.STARTTLS, Username: "u", Password: "p@ss"},
		"smtps://mail.test":          {Host: "mail.test", Port: 465, Security: smtp.Implicit},
		"smtp+plain://[::1]:1025":    {Host: "::1", Port: 1025, Security: smtp.Plain},
		"smtp://mail.test:2525":      {Host: "mail.test", Port: 2525, Security: smtp.STARTTLS},
		"":                           {},
		"http://mail.test":           {},
		"smtp://:hunter2@":           {},
		"smtp://u:hunter2@mail.t:xx": {},
	} {
		got, err := smtp.ParseURL(text, "")
		if (err == nil) != (want.Host != "") || err == nil && (got.Host != want.Host || got.Port != want.Port ||
			got.Security != want.Security || got.Username != want.Username || got.Password != want.Password) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}

func TestNew(t *testing.T) {
	for name, c := range map[string]smtp.Config{
		"no sender":                {Host: "mail.test", Port: 25, Security: smtp.Plain},
		"no security":              {Host: "mail.test", Port: 25, From: "a@b.test"},
		"a password without cover": {Host: "mail.test", Port: 25, From: "a@b.test", Security: smtp.Plain, Username: "u", Password: "p"},
	} {
		if _, err := smtp.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// server is a mail server in this process.
type server struct {
	config     smtp.Config
	got        chan received
	rcpt, body error
}

type received struct {
	user, from, to string
	data           []byte
}

func (s *server) sender(t *testing.T) *smtp.Sender {
	t.Helper()
	sender, err := smtp.New(s.config)
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

func serve(t *testing.T, security smtp.Security) *server {
	t.Helper()
	serverTLS, clientTLS := certificates(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{got: make(chan received, 4), config: smtp.Config{
		Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Security: security,
		From: "Carillon <hello@carillon.test>", TLS: clientTLS, Timeout: 5 * time.Second,
	}}
	backend := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return &session{s: s}, nil }))
	backend.Domain = "localhost"
	backend.ErrorLog = discard{}
	switch security {
	case smtp.STARTTLS:
		backend.TLSConfig = serverTLS
	case smtp.Implicit:
		l = tls.NewListener(l, serverTLS)
	}
	go func() { _ = backend.Serve(l) }()
	t.Cleanup(func() { _ = backend.Close() })
	return s
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

type session struct {
	s *server
	r received
}

func (c *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (c *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "right" {
			return errors.New("wrong password")
		}
		c.r.user = user
		return nil
	}), nil
}

func (c *session) Mail(from string, _ *gosmtp.MailOptions) error { c.r.from = from; return nil }
func (c *session) Rcpt(to string, _ *gosmtp.RcptOptions) error   { c.r.to = to; return c.s.rcpt }
func (c *session) Reset()                                        {}
func (c *session) Logout() error                                 { return nil }

func (c *session) Data(r io.Reader) (err error) {
	if c.r.data, err = io.ReadAll(r); err != nil {
		return err
	}
	if c.s.body == nil {
		c.s.got <- c.r
	}
	return c.s.body
}

// certificates makes a server's certificate and who trusts it.
func certificates(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12},
		&tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

// closedPort is a port that nobody listens on.
func closedPort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// A brand's own address is in the letter, and what cannot be delivered comes
// back to the operator. What is no address, and what has more than one line, is
// not sent.
func TestALetterFromABrand(t *testing.T) {
	s := serve(t, smtp.Plain)
	m := letter
	m.FromName, m.From, m.ReplyTo = "Glöckner, \"Chimes\"", "hello@chimes.test", "re@chimes.test"
	if err := s.sender(t).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := <-s.got
	read, err := netmail.ReadMessage(bytes.NewReader(got.data))
	if err != nil {
		t.Fatal(err)
	}
	from, err := netmail.ParseAddress(read.Header.Get("From"))
	if err != nil || from.Name != m.FromName || from.Address != m.From || got.from != "hello@carillon.test" || !strings.Contains(read.Header.Get("Reply-To"), m.ReplyTo) {
		t.Errorf("from %v (%v), envelope %s, answers to %s", from, err, got.from, read.Header.Get("Reply-To"))
	}
	for name, change := range map[string]func(*mail.Message){
		"a name of two lines": func(m *mail.Message) { m.FromName = "a\r\nBcc: eve@evil.test" }, "two lines": func(m *mail.Message) { m.From = "a@b.test\r\nBcc: eve@evil.test" },
		"no address": func(m *mail.Message) { m.From = "nobody" }, "no answer": func(m *mail.Message) { m.ReplyTo = "x\nBcc: eve@evil.test" },
	} {
		bad := letter
		change(&bad)
		if err := s.sender(t).Send(t.Context(), bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
