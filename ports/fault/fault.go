// Package fault is the one error vocabulary of the kernel.
//
// Every failure that a caller may act on is a *fault.Error: it crosses the
// HTTP surface as a problem document, the job queue as a retry decision and
// the plugin wire as an in-band message without losing its code. Anything else
// is a bug or an outage and reads as Internal.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Code says what the caller can do about a failure. Codes are wire contract:
// add at the end, never rename.
type Code string

// The ten codes, with what each asks of the caller.
const (
	Invalid         Code = "invalid"         // fix the request
	Unauthenticated Code = "unauthenticated" // sign in
	Forbidden       Code = "forbidden"       // ask someone with the right
	NotFound        Code = "not_found"       // also said when existence is a secret
	Conflict        Code = "conflict"        // reload and try again
	Quota           Code = "quota"           // the plan or the budget does not include it
	RateLimited     Code = "rate_limited"    // wait RetryAfter
	Unavailable     Code = "unavailable"     // someone else's outage; retry
	Canceled        Code = "canceled"        // the caller went away or ran out of time
	Internal        Code = "internal"        // ours; details are in the log only
)

// Codes lists every code, oldest first. Boundary tables are tested against it.
func Codes() []Code {
	return []Code{Invalid, Unauthenticated, Forbidden, NotFound, Conflict, Quota, RateLimited, Unavailable, Canceled, Internal}
}

// Error is a failure with a meaning. Message is safe to show to the person who
// asked; Err is the cause, for the log, and is never shown.
type Error struct {
	Code       Code
	Reason     string // stable slug for clients, such as "text.too_long"
	Message    string
	Field      string        // JSON Pointer (RFC 6901) to the input at fault, such as "/segments/0/text"
	RetryAfter time.Duration // set with RateLimited and Unavailable, if known
	Violations []Violation   // every input at fault, when there is more than one to name
	Facts      Facts         // what a client can act on besides
	Err        error
}

// Facts are what a client can act on besides the message. What is zero is not
// said.
type Facts struct {
	Plan       string   // with Quota: the plan that does not include it
	NeededPlan string   // with Quota: the least plan that does
	Limit      int      // with Quota: how many there is room for
	Posts      []string // with Conflict: the posts that stand in the way
}

// A Violation is one input that breaks one rule.
type Violation struct {
	Field   string  // JSON Pointer
	Reason  string  // stable slug, such as "text.too_long"
	Message string  // for people
	Limit   float64 // the rule's figure, 0 if it has none
	Actual  float64
	Warning bool // it will be accepted, but not as the person may expect
}

// New reports a failure the caller caused or can act on.
func New(code Code, reason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// On names the input field at fault, as a JSON Pointer.
func (e *Error) On(pointer string) *Error { e.Field = pointer; return e }

// After says when trying again may help.
func (e *Error) After(d time.Duration) *Error { e.RetryAfter = d; return e }

// Knowing attaches what a client can act on.
func (e *Error) Knowing(f Facts) *Error { e.Facts = f; return e }

// Because attaches the cause. The cause is logged and never shown.
func (e *Error) Because(err error) *Error { e.Err = err; return e }

// With attaches the inputs at fault.
func (e *Error) With(v ...Violation) *Error { e.Violations = append(e.Violations, v...); return e }

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Reason, e.Message, e.Err)
	}
	return e.Reason + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Of finds the fault in err's chain. Context errors read as Canceled and
// everything unknown as Internal, so a caller never has to guess. It returns
// nil only for nil.
func Of(err error) *Error {
	var f *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return New(Canceled, "request.canceled", "The request did not finish in time.").Because(err)
	default:
		return New(Internal, "internal", "Something went wrong on our side.").Because(err)
	}
}

// Is reports whether err carries code.
func Is(err error, code Code) bool { return err != nil && Of(err).Code == code }

// Check turns a list of violations into one Invalid fault, or nil when none
// of them is an error. The first error becomes Field and Message.
func Check(violations []Violation) error {
	for _, v := range violations {
		if !v.Warning {
			return New(Invalid, v.Reason, "%s", v.Message).On(v.Field).With(violations...)
		}
	}
	return nil
}
