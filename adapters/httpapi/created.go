package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
)

// created says of everything that an operation made where it is: at the path of
// the operation, by its id, unless the contract says otherwise in x-location.
// What a rehearsal made is nowhere.
func created(r api.Route) fiber.Handler {
	where := r.Location
	if where == "" {
		where = r.Path + "/{id}"
	}
	return func(c *fiber.Ctx) error {
		if err := c.Next(); err != nil {
			return err
		}
		res := c.Response()
		if res.StatusCode() != http.StatusCreated || len(res.Header.Peek(headerDry)) > 0 || len(res.Header.Peek(fiber.HeaderLocation)) > 0 {
			return nil
		}
		made := map[string]any{}
		_ = json.Unmarshal(res.Body(), &made) // an answer that is no object names nothing
		c.Set(fiber.HeaderLocation, base+filled(where, c, made))
		return nil
	}
}

var brace = regexp.MustCompile(`\{[a-z_.]+\}`)

// filled fills in a path: from the path of the request or, without such a
// parameter there, from the answer.
func filled(path string, c *fiber.Ctx, made map[string]any) string {
	return brace.ReplaceAllStringFunc(path, func(hole string) string {
		name := hole[1 : len(hole)-1]
		if v := c.Params(name); v != "" {
			return v
		}
		if outer, inner, within := strings.Cut(name, "."); within {
			part, _ := made[outer].(map[string]any)
			return fmt.Sprint(part[inner])
		}
		return fmt.Sprint(made[name])
	})
}
