package httpapi

import (
	"cmp"
	"slices"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
)

const headerVersion = "Carillon-Version"

// versions are the dates at which answers changed shape, oldest first. What a
// key or an endpoint is pinned to is one of them.
var versions = []string{events.APIVersion}

// version settles which shape the answer has: the one asked for, the one the
// key is pinned to, or the newest.
func (s *surface) version(c *fiber.Ctx) error {
	asked := c.Get(headerVersion)
	if asked != "" && !slices.Contains(versions, asked) {
		return fault.New(fault.Invalid, "request.unknown_version", "There is no such version. The newest is %s.", newest()).On("/header/" + headerVersion)
	}
	c.Set(headerVersion, cmp.Or(asked, caller(c.UserContext()).APIVersion, newest()))
	return c.Next()
}

func newest() string { return versions[len(versions)-1] }
