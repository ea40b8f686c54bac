package httpapi

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Streams opens event streams.
type Streams interface {
	// Subscribe goes on after last, a Last-Event-ID; empty means from now on.
	// check is asked again and again, and its error ends the stream.
	Subscribe(ctx context.Context, who tenants.Scope, last events.Cursor, check func(context.Context) error) (Stream, error)
}

// A Stream is one open event stream.
type Stream interface {
	// Frame waits for the next piece of text/event-stream, at most 15 s.
	Frame(ctx context.Context) ([]byte, error)
	Close()
}

// ticketLife is how long a ticket opens a stream.
const ticketLife = time.Minute

const ticketBinding = "event stream"

// CreateStreamTicket implements POST /events/ticket.
func (s *Server) CreateStreamTicket(ctx context.Context, _ api.CreateStreamTicketRequestObject) (api.CreateStreamTicketResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if who.Key != "" {
		return nil, fault.New(fault.Forbidden, "auth.session_required", "This is for a person, not for an API key.")
	}
	ticket, err := s.tickets.issue(ctx, ticketBinding, who, "", ticketLife)
	if err != nil {
		return nil, err
	}
	return api.CreateStreamTicket201JSONResponse{Ticket: ticket, ExpiresIn: int(ticketLife.Seconds())}, nil
}

// withTicket lets in who a ticket was given to.
func (s *surface) withTicket(c *fiber.Ctx) error {
	person, who, _, err := s.admit(c.UserContext(), s.tickets, ticketBinding, c.Query("ticket"),
		fault.New(fault.Unauthenticated, "stream.bad_ticket", "This ticket has expired. Ask for another."))
	if err != nil {
		return err
	}
	ctx := context.WithValue(c.UserContext(), callerKey{}, person)
	c.SetUserContext(tenants.NewContext(ctx, who))
	return c.Next()
}

// StreamEvents implements GET /events/stream.
func (s *Server) StreamEvents(ctx context.Context, req api.StreamEventsRequestObject) (api.StreamEventsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	c := exchangeOf(ctx).c
	last := events.Cursor(or(req.Params.LastEventID))
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // it outlives the request's deadline
	stream, err := s.Streams.Subscribe(life, who, last, s.still(caller(ctx), c.Get(fiber.HeaderAuthorization), who))
	if err != nil {
		end()
		return nil, err
	}
	c.Set("X-Accel-Buffering", "no") // nginx would hold it back
	return api.StreamEvents200TexteventStreamResponse{Body: &feed{stream: stream, ctx: life, end: end, conn: c.Context().Conn()}}, nil
}

// still asks whether whoever opened a stream may still read it.
func (s *surface) still(p identity.Principal, authorization string, was tenants.Scope) func(context.Context) error {
	return func(ctx context.Context) error {
		now, err := s.now(ctx, p, authorization)
		if err != nil {
			return err
		}
		who, err := s.scope(ctx, now, string(was.Tenant))
		if err != nil {
			return err
		}
		return s.Authz.Allow(ctx, who, events.ActRead)
	}
}

// now is what became of p: a person's session, whose token may well have
// expired meanwhile, or a key.
func (s *surface) now(ctx context.Context, p identity.Principal, authorization string) (identity.Principal, error) {
	if p.Scope == nil {
		return p, s.Auth.StillSignedIn(ctx, p)
	}
	bearer, err := identity.Bearer(authorization)
	if err != nil {
		return p, err
	}
	return s.Auth.Authenticate(ctx, bearer)
}

// A feed is a stream as the body of an answer. The server reads until the
// client has left, which it learns by writing.
type feed struct {
	stream Stream
	ctx    context.Context
	end    context.CancelFunc
	conn   net.Conn
	rest   []byte
}

// patience is how long a client may leave a frame unread.
const patience = 30 * time.Second

func (f *feed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		frame, err := f.stream.Frame(f.ctx)
		if err != nil {
			return 0, io.EOF
		}
		f.rest = frame
	}
	if f.conn != nil {
		_ = f.conn.SetWriteDeadline(time.Now().Add(patience))
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Close implements io.Closer; the server calls it when it is done reading.
func (f *feed) Close() error {
	f.end()
	f.stream.Close()
	return nil
}
