package httpapi

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
)

// status is the one place where a fault becomes an HTTP status.
var status = map[fault.Code]int{
	fault.Invalid:         http.StatusUnprocessableEntity,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.Quota:           http.StatusPaymentRequired,
	fault.RateLimited:     http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.Canceled:        http.StatusGatewayTimeout,
	fault.Internal:        http.StatusInternalServerError,
}

// exact are the reasons for which HTTP has a status of its own.
var exact = map[string]int{
	"request.malformed":              http.StatusBadRequest,
	"request.incomplete":             http.StatusBadRequest,
	"request.bad_parameter":          http.StatusBadRequest,
	"request.unknown_parameter":      http.StatusBadRequest,
	"request.unknown_value":          http.StatusBadRequest,
	"request.bad_framing":            http.StatusBadRequest,
	"request.wrong_host":             http.StatusBadRequest,
	"request.unknown_host":           http.StatusMisdirectedRequest,
	"request.too_large":              http.StatusRequestEntityTooLarge,
	"request.unsupported_media_type": http.StatusUnsupportedMediaType,
	"request.unsupported_encoding":   http.StatusUnsupportedMediaType,
	"request.headers_too_large":      http.StatusRequestHeaderFieldsTooLarge,
	"request.timeout":                http.StatusRequestTimeout,
	"route.method_not_allowed":       http.StatusMethodNotAllowed,
	"request.unknown_method":         http.StatusNotImplemented,
	"media.bad_range":                http.StatusRequestedRangeNotSatisfiable,
	"precondition.required":          http.StatusPreconditionRequired,
	"precondition.failed":            http.StatusPreconditionFailed,
}

func statusOf(f *fault.Error) int {
	if s, ok := exact[f.Reason]; ok {
		return s
	}
	if f.Code == fault.Invalid && strings.HasPrefix(f.Field, "/query/") {
		return http.StatusBadRequest // the address is wrong, not what is sent to it
	}
	if s, ok := status[f.Code]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// retryable reports whether the same request may succeed later.
func retryable(c fault.Code) bool {
	return c == fault.RateLimited || c == fault.Unavailable || c == fault.Canceled || c == fault.Internal
}

const problemJSON = "application/problem+json"

// problems answers every error as a problem document. Only what a fault's
// author wrote for people leaves the building.
func (s *surface) problems(c *fiber.Ctx, err error) error {
	f := asFault(err)
	p := s.problem(f)
	p.RequestId = requestID(c)
	harden(c) // a request that could not be read has met no middleware

	if p.Status >= http.StatusInternalServerError && f.Code != fault.Invalid {
		s.Log.LogAttrs(c.UserContext(), severity(f), "request failed",
			slog.Any("err", err), slog.String("request_id", p.RequestId), slog.String("route", routeOf(c)))
	}
	if p.RetryAfter != nil {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(*p.RetryAfter))
	}
	if allowed := s.allowed(c.Path()); p.Status == http.StatusMethodNotAllowed && len(allowed) > 0 {
		c.Set(fiber.HeaderAllow, strings.Join(allowed, ", "))
	}
	if f.Code == fault.Unauthenticated {
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	}
	return c.Status(p.Status).JSON(p, problemJSON)
}

// notReady is the reason of a server that is asked whether it is ready, and is
// not: as it starts, and as long as whoever asks wants to know.
const notReady = "server.not_ready"

// maintenance is the reason of a server that an operator has closed for a while.
const maintenance = "server.maintenance"

func severity(f *fault.Error) slog.Level {
	if f.Reason == notReady || f.Reason == maintenance {
		return slog.LevelInfo
	}
	return slog.LevelError
}

func (s *surface) problem(f *fault.Error) api.Problem {
	p := api.Problem{
		Type: s.URL + "/errors/" + page(f), Title: title(f), Status: statusOf(f), Code: f.Reason,
		Class: api.ProblemClass(f.Code), Detail: some(f.Message), Retryable: retryable(f.Code),
		Errors: fieldErrors(f), Plan: some(f.Facts.Plan), NeededTier: some(f.Facts.NeededPlan), Limit: some(f.Facts.Limit), Posts: f.Facts.Posts,
	}
	if f.RetryAfter > 0 {
		p.RetryAfter = some(int(math.Ceil(f.RetryAfter.Seconds())))
	}
	if f.Reason == "stepup.required" {
		p.StepUp = &api.StepUpHint{Begin: base + "/auth/step-up:begin", Finish: base + "/auth/step-up", CountsS: int(identity.StepUpTTL.Seconds())}
	}
	var stale *staleError
	if errors.As(f.Err, &stale) {
		p.CurrentVersion = &stale.current // 0: nobody has written it yet
	}
	return p
}

func fieldErrors(f *fault.Error) []api.FieldError {
	if len(f.Violations) == 0 && f.Field != "" {
		return []api.FieldError{{Pointer: f.Field, Code: f.Reason, Detail: f.Message}}
	}
	return fields(f.Violations)
}

func fields(violations []fault.Violation) []api.FieldError {
	var out []api.FieldError
	for _, v := range violations {
		out = append(out, api.FieldError{
			Pointer: v.Field, Code: v.Reason, Detail: v.Message,
			Limit: some(float32(v.Limit)), Actual: some(float32(v.Actual)), Warning: some(v.Warning),
		})
	}
	return out
}

// asFault also understands Fiber's own errors: no route, a bad request line.
func asFault(err error) *fault.Error {
	var fe *fiber.Error
	if !errors.As(err, &fe) {
		return fault.Of(err)
	}
	switch fe.Code {
	case http.StatusNotFound:
		return fault.New(fault.NotFound, "route.not_found", "There is nothing at this address.").Because(err)
	case http.StatusMethodNotAllowed:
		return wrongMethod().Because(err)
	case http.StatusRequestEntityTooLarge:
		return tooLarge(maxJSON)
	case http.StatusRequestHeaderFieldsTooLarge:
		return fault.New(fault.Invalid, "request.headers_too_large", "The headers are too large.").Because(err)
	case http.StatusRequestTimeout:
		return fault.New(fault.Canceled, "request.timeout", "The request did not arrive in time.").Because(err)
	}
	if fe.Code < http.StatusInternalServerError {
		return fault.New(fault.Invalid, "request.malformed", "The request could not be read.").Because(err)
	}
	return fault.Of(err)
}

// some returns nil for a zero value, which JSON then leaves out.
func some[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// or returns what p points to, or the zero value.
func or[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
