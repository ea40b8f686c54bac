package api

import (
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/ports/fault"
)

// A Route is one operation and what it declares in the contract. Exactly one
// of Action, Public, Session and Operator is set.
type Route struct {
	Method, Path, Operation string
	Handler                 fiber.Handler

	Action  string // the permission it needs in the caller's tenant
	Public  string // why it needs no caller
	Session bool   // needs a person, but no tenant
	StepUp  bool   // needs a person who proved who they are in the last minutes
	// Operator: it is of the operators' realm, and needs one who signed in there.
	Operator bool
	// NoImpersonation: an operator who acts as somebody may not.
	NoImpersonation bool

	Cookie bool // reads or sets a cookie that stands for somebody: for our own pages

	Keyed       bool              // takes an Idempotency-Key
	Bodyless    bool              // takes no body
	Stream      bool              // reads its body as it arrives
	Most        int64             // of a stream, in bytes; zero: what this installation takes of an upload
	Ticket      bool              // may be opened with ?ticket=
	Rate        string            // which limiter: "sign_in", "ask", "refresh", "upload", or by method
	Idempotency string            // "required", or optional
	IfMatch     string            // "required", or optional
	IDs         map[string]string // path parameters that are names, with their prefix
	Query       []string          // the query parameters it knows
	Texts       []string          // those of them that may have several lines
	// Enums are the values that query parameters may have, of those that list them.
	Enums map[string][]string
	// QueryIDs are the query parameters that are names, with their prefix, and
	// Patterns what others must look like, as regular expressions.
	QueryIDs, Patterns map[string]string
	// Location is where what the operation made can be fetched, with members of
	// the answer in braces; empty: at its own path, by its id; "none": nowhere.
	Location string
}

type bodyKey struct{}

// SetBodyStream replaces the body that a streaming operation will read.
func SetBodyStream(c *fiber.Ctx, r io.Reader) { c.Locals(bodyKey{}, r) }

// BodyStream is the body of a streaming operation, as it arrives.
func BodyStream(c *fiber.Ctx) io.Reader {
	r, ok := c.Locals(bodyKey{}).(io.Reader)
	if !ok {
		return c.Context().RequestBodyStream()
	}
	return r
}

// Sent reports whether the body is of a media type or, with "image/*", range.
func Sent(c *fiber.Ctx, kind string) bool {
	return strings.HasPrefix(strings.ToLower(c.Get(fiber.HeaderContentType)), strings.TrimSuffix(kind, "*"))
}

// BadParameter reports a parameter that is missing or cannot be read, such as
// "/query/limit", and what would do: one of values if there are any.
func BadParameter(pointer string, values ...string) error {
	f := fault.New(fault.Invalid, "request.bad_parameter", "A parameter is missing or cannot be read.").On(pointer)
	name := pointer[strings.LastIndex(pointer, "/")+1:]
	would := would[name]
	if len(values) > 0 {
		would = "one of: " + strings.Join(values, ", ")
	}
	f.Message = name + " is missing or cannot be read."
	if would != "" {
		f.Message += " Send " + would + "."
	}
	return f
}

// would is what the parameters of many operations take.
var would = map[string]string{
	"If-Match":          `the ETag of the version you have, such as "v3"`,
	"Idempotency-Key":   "1 to 255 visible ASCII characters, without a space",
	"limit":             "a whole number",
	"dry_run":           "true or false",
	"scheduled_at[gte]": "an instant, such as 2027-03-01T00:00:00Z",
	"scheduled_at[lt]":  "an instant, such as 2027-03-01T00:00:00Z",
}
