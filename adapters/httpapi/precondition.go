package httpapi

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/ports/fault"
)

type versionKey struct{}

// precondition reads If-Match. What must not be changed blindly insists on it.
func (s *surface) precondition(r api.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		header := c.Get(fiber.HeaderIfMatch)
		switch {
		case header == "" && r.IfMatch == "required":
			return fault.New(fault.Invalid, "precondition.required", "Send the ETag you have in If-Match.").On("/header/If-Match")
		case header == "":
			return c.Next()
		}
		if header == "*" { // whatever is there: what is not answers 404 by itself
			return c.Next()
		}
		version, ok := parseETag(header)
		if !ok {
			return api.BadParameter("/header/If-Match")
		}
		c.SetUserContext(context.WithValue(c.UserContext(), versionKey{}, version))
		return c.Next()
	}
}

func parseETag(s string) (version int, ok bool) {
	digits, found := strings.CutPrefix(s, `"v`)
	digits, closed := strings.CutSuffix(digits, `"`)
	if !found || !closed || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	version, err := strconv.Atoi(digits)
	return version, err == nil
}

// basedOn is the version that the caller's change is based on: what If-Match
// says, or what is there now. Saying one that is not there now is refused.
func basedOn(ctx context.Context, current int) (int, error) {
	version, said := ctx.Value(versionKey{}).(int)
	if said && version != current {
		return 0, preconditionFailed(current)
	}
	return current, nil
}

// etag says which version the answer is.
func etag(ctx context.Context, version int) {
	exchangeOf(ctx).c.Set(fiber.HeaderETag, fmt.Sprintf(`"v%d"`, version))
}

// staleError carries the version to merge with.
type staleError struct{ current int }

func (e *staleError) Error() string { return fmt.Sprintf("it is at version %d", e.current) }

func preconditionFailed(current int) error {
	return fault.New(fault.Conflict, "precondition.failed", "Someone else changed this; it is at version %d now.", current).
		On("/header/If-Match").Because(&staleError{current})
}

// raced gives the conflict of a change that came second the version to merge
// with. now reads that version.
func raced(err error, now func() (int, error)) error {
	if f := fault.Of(err); f == nil || f.Code != fault.Conflict || !strings.HasSuffix(f.Reason, ".stale") {
		return err
	}
	current, readErr := now()
	if readErr != nil {
		return readErr
	}
	return preconditionFailed(current)
}

// versionOf is what If-Match says; zero if it says nothing.
func versionOf(ctx context.Context) int {
	version, _ := ctx.Value(versionKey{}).(int)
	return version
}

// versionOr is what If-Match says or, if that is nothing or "*", what now reads.
func versionOr(ctx context.Context, now func() (int, error)) (int, error) {
	if version, said := ctx.Value(versionKey{}).(int); said {
		return version, nil
	}
	return now()
}
