package httpapi

import (
	"context"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// Requests are authenticated by a header, which no page of another site can
// have a browser send. A few operations also take a cookie, which it can, and
// the contract marks them, and those that set one, x-cookie. They are for our
// own pages: not for other sites, and not for a sibling under the same domain,
// whose requests SameSite lets through.

// ours refuses what a browser sends to an operation with cookies on behalf of
// a page that is not ours. Browsers say where a request comes from in
// Sec-Fetch-Site, older ones in Origin; what says neither is no browser.
func (s *surface) ours(r api.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if r.Cookie && !s.ownPage(c) {
			return fault.New(fault.Forbidden, "auth.cross_site", "Another site cannot use this session.")
		}
		return c.Next()
	}
}

func (s *surface) ownPage(c *fiber.Ctx) bool {
	if site := c.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	origin := c.Get(fiber.HeaderOrigin)
	return origin == "" || s.ownOrigin(origin, c.Get(fiber.HeaderHost))
}

// ownOrigin reports whether origin is where this request went or where people
// reach this server. A page that came without TLS is nobody's.
func (s *surface) ownOrigin(origin, host string) bool {
	if s.URL != "" && strings.EqualFold(origin, s.URL) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && host != "" && strings.EqualFold(u.Host, host) && (u.Scheme == "https" || s.InsecureCookies && u.Scheme == "http")
}

// cookieOf is a cookie of the request. One that opens something is read in
// operations that are marked x-cookie alone; a device's opens nothing.
func cookieOf(ctx context.Context, name string) secret.Secret {
	return secret.Secret(exchangeOf(ctx).c.Cookies(name))
}
