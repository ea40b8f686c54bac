package events

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

// EndpointID names a webhook endpoint, such as "whk_01jd…".
type EndpointID string

// NewEndpointID returns a fresh endpoint name.
func NewEndpointID() EndpointID { return EndpointID(id.New("whk")) }

// EndpointState is whether an endpoint is sent to.
type EndpointState string

// The endpoint states.
const (
	Enabled  EndpointState = "enabled"
	Disabled EndpointState = "disabled"
)

// DisabledReason is why an endpoint is disabled.
type DisabledReason string

// The reasons.
const (
	ByHand  DisabledReason = "manual"
	Gone    DisabledReason = "gone"    // it answered 410
	Failing DisabledReason = "failing" // nothing got through for FailingLimit
)

// Figures of endpoints.
const (
	// APIVersion is the shape of events an endpoint is pinned to when it is made.
	APIVersion = "2026-11-01"
	// MaxEndpoints is how many a tenant may have.
	MaxEndpoints = 20
	// FailingLimit is how long nothing may get through before an endpoint
	// that also exhausts a delivery is disabled. It leaves room for two full
	// runs of the retry schedule.
	FailingLimit = 4 * 24 * time.Hour
	// DefaultOverlap is how long a rotated secret goes on signing.
	DefaultOverlap = 24 * time.Hour
	// MaxOverlap bounds the overlap a caller may ask for.
	MaxOverlap = 7 * 24 * time.Hour
)

// An Endpoint is where a tenant's events are sent.
type Endpoint struct {
	ID           EndpointID
	URL          string
	Description  string
	Types        []Filter // none means all
	State        EndpointState
	Reason       DisabledReason // set when Disabled
	APIVersion   string         // a date
	Secrets      []SealedSecret // newest first; one, or two while rotating
	FailingSince time.Time      // first failure since the last success; zero if it works
	CreatedAt    time.Time
	Version      int // bumped by every save; a stale save is a conflict
}

// A SealedSecret is a signing secret at rest.
type SealedSecret struct {
	Row     string    `json:"row"` // what it is bound to, see Sealer
	Sealed  []byte    `json:"sealed"`
	Expires time.Time `json:"expires,omitzero"` // zero: it is the current one
}

// Wants reports whether e is to be sent an event of type t.
func (e *Endpoint) Wants(t Type) bool {
	return e.State == Enabled && t != WebhookTest && Matches(e.Types, t)
}

// Check holds the invariants. Every Store runs it before a save.
func (e *Endpoint) Check() error {
	switch {
	case !id.Is("whk", string(e.ID)) || len(e.Secrets) == 0 || len(e.Secrets) > 2:
		return fault.New(fault.Internal, "webhook.malformed", "Endpoint %q is malformed.", e.ID)
	case e.URL == "" || len(e.URL) > 2048:
		return fault.New(fault.Invalid, "webhook.bad_url", "Give an address of at most 2048 characters.").On("/url")
	case utf8.RuneCountInString(e.Description) > 500 || strings.ContainsFunc(e.Description, isControl):
		return fault.New(fault.Invalid, "webhook.bad_description", "Use one line of at most 500 characters.").On("/description")
	case e.State != Enabled && e.State != Disabled:
		return fault.New(fault.Invalid, "webhook.bad_state", "An endpoint is enabled or disabled.").On("/state")
	}
	return checkFilters(e.Types)
}

// SetState enables or disables by hand. Enabling forgets past failures.
func (e *Endpoint) SetState(s EndpointState) {
	e.State, e.Reason = s, ""
	if s == Disabled {
		e.Reason = ByHand
	}
	e.FailingSince = time.Time{}
}

// Rotate makes fresh the current secret. The old one signs beside it until
// then; one that was still expiring is dropped.
func (e *Endpoint) Rotate(fresh SealedSecret, until time.Time) {
	old := e.Secrets[0]
	old.Expires = until
	e.Secrets = []SealedSecret{fresh, old}
}

// Active returns the secrets that sign at now, newest first.
func (e *Endpoint) Active(now time.Time) []SealedSecret {
	return slices.DeleteFunc(slices.Clone(e.Secrets), func(s SealedSecret) bool {
		return !s.Expires.IsZero() && !now.Before(s.Expires)
	})
}

// Heard records what came of a delivery, and reports whether that disabled e.
func (e *Endpoint) Heard(d *Delivery, now time.Time) (disabled bool) {
	switch {
	case d.State == Delivered:
		e.FailingSince = time.Time{}
	case d.Status == statusGone:
		e.State, e.Reason = Disabled, Gone
	case e.FailingSince.IsZero():
		e.FailingSince = now
	case d.State == Failed && now.Sub(e.FailingSince) >= FailingLimit:
		e.State, e.Reason = Disabled, Failing
	}
	return e.State == Disabled
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func pointer(base string, i int) string { return fmt.Sprintf("%s/%d", base, i) }

// clip cuts s to at most n bytes of valid UTF-8, for messages and excerpts.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
}
