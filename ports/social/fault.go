package social

import (
	"errors"
	"fmt"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// Kind is what a failure means for the publish protocol. It decides whether a
// commit may be sent again, so a plugin picks it with care: when in doubt,
// Ambiguous.
type Kind string

// The kinds of failure.
const (
	AuthExpired Kind = "auth_expired" // refused; the host refreshes once, then repeats the step
	AuthRevoked Kind = "auth_revoked" // refused; a person must reconnect
	Permission  Kind = "permission"   // refused; a scope, role or review is missing
	RateLimited Kind = "rate_limited" // refused; wait, and it was no attempt
	Invalid     Kind = "invalid"      // refused; the platform will never take it
	Policy      Kind = "policy"       // refused; the account is restricted
	Duplicate   Kind = "duplicate"    // refused because it is already there; look it up
	NotFound    Kind = "not_found"    // refused; what it refers to is gone
	Unsupported Kind = "unsupported"  // refused; the plugin cannot do this
	Transient   Kind = "transient"    // provably not applied; safe to repeat
	Permanent   Kind = "permanent"    // refused, and repeating does not help
	Ambiguous   Kind = "ambiguous"    // may have been applied; find out, never repeat blindly
	OutOfFunds  Kind = "out_of_funds" // refused; the account, or what the request may cost, does not reach
)

// Source is who failed.
type Source string

// The sources of a failure.
const (
	FromPlatform Source = "platform"
	FromNetwork  Source = "network"
	FromPlugin   Source = "plugin"
)

// A Fault is a failure at a platform. Errors that a plugin returns are Faults;
// anything else it returns, the host treats as Ambiguous in a commit step and
// as Transient in any other.
type Fault struct {
	Kind       Kind
	Source     Source
	Key        string // stable slug, "mastodon.media_processing"
	Message    string // for people, no secrets
	Violations []fault.Violation
	RetryAfter time.Duration
	Scope      QuotaScope // whose limit, with RateLimited
	Missing    []string   // scopes or roles, with Permission
	HTTPStatus int
	Upstream   string // what the platform said, at most 2 KiB, redacted
	// Local, with Transient, says that only this process cannot: another may do
	// it now. RetryAfter is when this one can again. Plugins do not set it.
	Local bool
	Err   error // for the log
}

// StateUnreadable is the Key of a Transient fault about a state that no running
// version of the plugin can read. Nothing was sent. A segment that is not in
// doubt begins its preparation anew; one that is cannot be looked up.
const StateUnreadable = "plugin.state_unreadable"

// Fail makes a Fault.
func Fail(kind Kind, key, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Source: FromPlatform, Key: key, Message: fmt.Sprintf(format, args...)}
}

func (f *Fault) Error() string { return fmt.Sprintf("%s (%s): %s", f.Key, f.Kind, f.Message) }

// Unwrap answers with the kernel's own vocabulary, so a Fault crosses HTTP
// and jobs like any other fault.
func (f *Fault) Unwrap() error {
	e := &fault.Error{
		Code: codeOf[f.Kind], Reason: f.Key, Message: f.Message,
		RetryAfter: f.RetryAfter, Violations: f.Violations, Err: f.Err,
	}
	if e.Code == "" {
		e.Code = fault.Internal
	}
	return e
}

var codeOf = map[Kind]fault.Code{
	AuthExpired: fault.Unauthenticated,
	AuthRevoked: fault.Unauthenticated,
	Permission:  fault.Forbidden,
	RateLimited: fault.RateLimited,
	Invalid:     fault.Invalid,
	Policy:      fault.Forbidden,
	Duplicate:   fault.Conflict,
	NotFound:    fault.NotFound,
	Unsupported: fault.Invalid,
	Transient:   fault.Unavailable,
	Permanent:   fault.Invalid,
	Ambiguous:   fault.Unavailable,
	OutOfFunds:  fault.Quota,
}

// Refused reports whether the platform surely did not apply the request.
func (k Kind) Refused() bool { return k != Ambiguous && codeOf[k] != "" }

// FaultOf finds the Fault in err's chain. An error without one is a broken
// plugin or transport: Ambiguous if the step was a commit, else Transient.
func FaultOf(err error, commit bool) *Fault {
	var f *Fault
	if errors.As(err, &f) && codeOf[f.Kind] != "" {
		return f
	}
	kind := Transient
	if commit {
		kind = Ambiguous
	}
	return &Fault{Kind: kind, Source: FromPlugin, Key: "plugin.broken", Message: "The connection to this platform failed.", Err: err}
}
