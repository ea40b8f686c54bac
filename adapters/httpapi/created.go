package httpapi

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
)

// nowhere is the x-location of what is made and cannot be fetched.
const nowhere = "none"

// created says of what an operation made where it can be fetched: at the path
// of the operation, by its id, unless the contract says otherwise in x-location.
// What a rehearsal made is nowhere.
func created(r api.Route) fiber.Handler {
	where := r.Location
	if where == "" {
		where = r.Path + "/{id}"
	}
	return func(c *fiber.Ctx) error {
		if err := c.Next(); err != nil || where == nowhere {
			return err
		}
		res := c.Response()
		if res.StatusCode() != http.StatusCreated || len(res.Header.Peek(headerDry)) > 0 || len(res.Header.Peek(fiber.HeaderLocation)) > 0 {
			return nil
		}
		made := map[string]any{}
		_ = json.Unmarshal(res.Body(), &made) // an answer that is no object names nothing
		if at, ok := filled(where, c, made); ok {
			c.Set(fiber.HeaderLocation, base+at)
		}
		return nil
	}
}

var brace = regexp.MustCompile(`\{[a-z_.]+\}`)

// filled fills in a path: from the path of the request or, without such a
// parameter there, from the answer. Where neither has a name, there is no path.
func filled(path string, c *fiber.Ctx, made map[string]any) (at string, ok bool) {
	ok = true
	at = brace.ReplaceAllStringFunc(path, func(hole string) string {
		name := hole[1 : len(hole)-1]
		if v := c.Params(name); v != "" {
			return v
		}
		part := made
		if outer, inner, within := strings.Cut(name, "."); within {
			part, _ = made[outer].(map[string]any)
			name = inner
		}
		v, _ := part[name].(string)
		ok = ok && v != ""
		return v
	})
	return at, ok
}
