package rehearsal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
)

// maxKept is how much of a body is kept, in bytes.
const maxKept = 64 << 10

// An Exchange is one request of the plugin and what came of it.
type Exchange struct {
	N              int // from 1, over the life of the proxy
	Label          string
	Call           egress.Call // that it says it is of; zero: of none
	Late           bool        // that call was over by then
	At             time.Time
	Took           time.Duration
	Method         string
	Host           string
	Path           string // with the query
	RequestHeader  http.Header
	RequestBody    []byte // the first 64 KiB
	Status         int    // what the plugin was told; 0: nothing
	ResponseHeader http.Header
	ResponseBody   []byte // the first 64 KiB
	Injected       string // what was spoiled, or ""
	Forwarded      bool   // the fake had it
	Direct         bool   // it went around the proxy
	Refused        bool   // its host is not in the manifest
	Abandoned      bool   // the plugin gave up waiting
	Err            string
}

// Mutates reports whether the request is one that may change something.
func (e Exchange) Mutates() bool {
	return !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, e.Method)
}

// Unattributed reports whether the request came through the proxy and did not
// say which call under way it is of.
func (e Exchange) Unattributed() bool { return (e.Call == egress.Call{} || e.Late) && !e.Direct }

// Place is the request without what differs from one try to the next: long
// words and numbers of the path, and the query.
func (e Exchange) Place() string {
	path, _, _ := strings.Cut(e.Path, "?")
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if len(p) > 24 || strings.ContainsAny(p, "0123456789") && !isVersion(p) {
			parts[i] = "…"
		}
	}
	return e.Method + " " + strings.Join(parts, "/")
}

func isVersion(p string) bool { return len(p) <= 3 && strings.HasPrefix(p, "v") }

// Holds reports whether text is anywhere in the request.
func (e Exchange) Holds(text string) bool {
	if strings.Contains(e.Path, text) || strings.Contains(string(e.RequestBody), text) {
		return true
	}
	for _, values := range e.RequestHeader {
		for _, v := range values {
			if strings.Contains(v, text) {
				return true
			}
		}
	}
	return false
}

// String is the exchange as a line, such as
// "POST api.example.com/posts → 201 (forwarded)".
func (e Exchange) String() string {
	outcome := "no answer"
	if e.Status != 0 {
		outcome = fmt.Sprint(e.Status)
	}
	var notes []string
	for _, n := range []struct {
		is   bool
		what string
	}{
		{e.Injected != "", "spoiled: " + e.Injected}, {e.Forwarded, "the fake had it"}, {e.Direct, "around the proxy"},
		{e.Refused, "host not in the manifest"}, {e.Unattributed(), "of no call under way"}, {e.Abandoned, "the plugin gave up"},
	} {
		if n.is {
			notes = append(notes, n.what)
		}
	}
	path, _, _ := strings.Cut(e.Path, "?")
	line := fmt.Sprintf("#%d %s %s%s → %s", e.N, e.Method, e.Host, path, outcome)
	if len(notes) > 0 {
		line += " (" + strings.Join(notes, ", ") + ")"
	}
	return line
}

// An Action is what the proxy does with one request instead of passing it on.
type Action struct {
	Name    string
	Before  func() // when the request has come, before anything is done with it
	Forward bool   // the fake gets it
	After   func() // once the fake has answered, before the plugin hears of it
	Answer  *Answer
	Cut     Cut
	Stall   bool // never answer
}

// Cut is a connection that ends.
type Cut int

// The cuts.
const (
	NoCut      Cut = iota
	BeforeBody     // reset once the head was read
	AfterBody      // reset when the answer is due
)
