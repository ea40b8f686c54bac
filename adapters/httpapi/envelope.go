package httpapi

import (
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/id"
)

// envelope is what every request gets, known or not: headers, a name, a
// deadline, a look at its framing, and an answer even if a handler panics.
func (s *surface) envelope(c *fiber.Ctx) (err error) {
	harden(c)
	c.Set(headerVersion, newest())
	defer func() {
		if p := recover(); p != nil {
			err = s.problems(c, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	if err := sound(c); err != nil {
		c.Context().SetConnectionClose() // what follows on it cannot be trusted
		return s.problems(c, err)
	}
	// fasthttp does not notice a client that has left; without a deadline
	// its work would never end.
	ctx, cancel := context.WithTimeout(events.WithRequestID(c.UserContext(), requestID(c), ""), s.Timeout)
	defer cancel()
	x := &exchange{c: c, id: requestID(c)}
	c.SetUserContext(context.WithValue(ctx, exchangeKey{}, x))
	if err := c.Next(); err != nil {
		return s.problems(c, err)
	}
	return nil
}

// An exchange is one request and its answer, for handlers that set more than a body.
type exchange struct {
	c     *fiber.Ctx
	id    string
	route string // of the contract; empty until it matched
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

const headerRequestID = "Carillon-Request-Id"

// requestID names the request, the first time it is asked.
func requestID(c *fiber.Ctx) string {
	if got := string(c.Response().Header.Peek(headerRequestID)); got != "" {
		return got
	}
	name := id.New("req")
	c.Set(headerRequestID, name)
	return name
}

// securityHeaders go on every answer. A page that needs more says so itself.
var securityHeaders = [][2]string{
	{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
	{"Strict-Transport-Security", "max-age=63072000; includeSubDomains"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
	{"Cache-Control", "no-store"},
}

func harden(c *fiber.Ctx) {
	requestID(c)
	for _, h := range securityHeaders {
		c.Set(h[0], h[1])
	}
}

// client is the address the request comes from: the right-most hop that is
// not one of ours.
func (s *surface) client(c *fiber.Ctx) netip.Addr {
	peer, _ := netip.AddrFromSlice(c.Context().RemoteIP())
	return nearest(peer.Unmap(), string(c.Request().Header.Peek(fiber.HeaderXForwardedFor)), s.TrustedProxies)
}

func nearest(peer netip.Addr, forwarded string, trusted []netip.Prefix) netip.Addr {
	hops := strings.Split(forwarded, ",")
	for i := len(hops) - 1; i >= 0 && within(peer, trusted); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // a hop that cannot be read cannot vouch for the one before it
		}
		peer = hop.Unmap().WithZone("")
	}
	return peer
}

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// extend gives a request more time than others have.
func extend(c *fiber.Ctx, d time.Duration) context.CancelFunc {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), d)
	c.SetUserContext(ctx)
	return cancel
}
