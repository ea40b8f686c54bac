package httpapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/ports/fault"
)

// An address is a path of the contract and one method that it takes.
type address struct {
	method string
	path   *regexp.Regexp
}

var hole = regexp.MustCompile(`\\\{[a-z_]+\\\}`)

// addressOf is r's. No name has a colon, so what follows one is a verb.
func addressOf(r api.Route) address {
	path := hole.ReplaceAllString(regexp.QuoteMeta(base+r.Path), "[^/:]+")
	return address{r.Method, regexp.MustCompile("^" + path + "$")}
}

// allowed are the methods that the contract has for a path.
func (s *surface) allowed(path string) (methods []string) {
	for _, a := range s.table {
		if a.path.MatchString(path) {
			methods = append(methods, a.method)
			if a.method == fiber.MethodGet {
				methods = append(methods, fiber.MethodHead)
			}
		}
	}
	slices.Sort(methods)
	return methods
}

// swallowed refuses, on a route that ends in a name, the address of a verb that
// only another method takes: to the router, "post_1:publish" is a name.
func (s *surface) swallowed(r api.Route) fiber.Handler {
	verb := func(path string) bool { return strings.Contains(path[strings.LastIndex(path, "/")+1:], ":") }
	return func(c *fiber.Ctx) error {
		if verb(r.Path) || !verb(c.Path()) || len(s.allowed(c.Path())) == 0 {
			return c.Next()
		}
		return wrongMethod()
	}
}

func wrongMethod() *fault.Error {
	return fault.New(fault.Invalid, "route.method_not_allowed", "This address does not take that method.")
}

// knowMethods answers requests with a method that nobody knows, which Fiber
// would do before any of our handlers, in its own words.
func (s *surface) knowMethods(app *fiber.App) {
	next := app.Server().Handler
	known := app.Config().RequestMethods
	app.Server().Handler = func(ctx *fasthttp.RequestCtx) {
		if slices.Contains(known, string(ctx.Method())) {
			next(ctx)
			endBody(ctx)
			return
		}
		ctx.SetConnectionClose() // who knows what else it means by what follows
		c := app.AcquireCtx(ctx)
		defer app.ReleaseCtx(c)
		if err := s.problems(c, fault.New(fault.Invalid, "request.unknown_method", "There is no such method.")); err != nil {
			ctx.Error("", fasthttp.StatusInternalServerError)
		}
		endBody(ctx)
	}
}
