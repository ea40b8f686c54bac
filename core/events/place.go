package events

import (
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

// Cursor is a place in one tenant's stream, as others may hold it: the name of
// the last event seen, or Start. It says nothing about anybody else, unlike
// the numbers of Place, and means nothing in another tenant.
type Cursor string

// Start is the place before the oldest event kept.
const Start Cursor = "0"

// Valid reports whether c is well formed. Only the store knows if it exists.
func (c Cursor) Valid() bool { return c == Start || id.Is("evt", string(c)) }

// Place is where an event stands in the order of its tenant. It stays inside
// the process: the numbers count what the whole database does.
type Place struct {
	Cursor Cursor
	Commit uint64 // the transaction
	Nth    int64  // within the transaction
	At     time.Time
}

// After reports whether p comes later than q.
func (p Place) After(q Place) bool {
	return p.Commit > q.Commit || p.Commit == q.Commit && p.Nth > q.Nth
}

// A Filter chooses types: one by name, "post.*" for all of a noun, "*" for all.
type Filter string

// Match reports whether f chooses t.
func (f Filter) Match(t Type) bool {
	if f == "*" || string(f) == string(t) {
		return true
	}
	noun, ok := strings.CutSuffix(string(f), "*")
	return ok && strings.HasSuffix(noun, ".") && strings.HasPrefix(string(t), noun)
}

// Matches reports whether one of filters chooses t. No filters choose all.
func Matches(filters []Filter, t Type) bool {
	for _, f := range filters {
		if f.Match(t) {
			return true
		}
	}
	return len(filters) == 0
}

// checkFilters refuses filters that choose nothing there is, so that a typing
// error is heard of before an event is missed.
func checkFilters(filters []Filter) error {
	if len(filters) > len(Types()) {
		return fault.New(fault.Invalid, "event.too_many_types", "Choose at most %d event types.", len(Types())).On("/types")
	}
	for i, f := range filters {
		if !f.known() {
			return fault.New(fault.Invalid, "event.unknown_type", "There is no event type %q.", clip(string(f), 64)).On(pointer("/types", i))
		}
	}
	return nil
}

func (f Filter) known() bool {
	if f == "*" {
		return true
	}
	for _, t := range Types() {
		if f.Match(t) {
			return true
		}
	}
	return f == Filter(WebhookTest)
}
