package httpapi

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
)

// codesFile is the registry of codes: slug, class and title, one a line. A
// test reads every reason off the source tree and keeps the file equal; run it
// with -update after adding one.
//
//go:embed codes.tsv
var codesFile string

// A code is one entry of the registry.
type code struct {
	Slug  string
	Class fault.Code
	Title string
}

var codes = readCodes(codesFile)

func readCodes(file string) map[string]code {
	all := map[string]code{}
	for line := range strings.Lines(file) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
			all[f[0]] = code{f[0], fault.Code(f[1]), f[2]}
		}
	}
	return all
}

// sortedCodes lists the registry by slug.
func sortedCodes() []code {
	var all []code
	for _, c := range codes {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b code) int { return strings.Compare(a.Slug, b.Slug) })
	return all
}

// classes say what the caller of each class can do.
var classes = map[fault.Code]struct{ Title, Advice string }{
	fault.Invalid:         {"The request is not valid", "Correct what errors[].pointer names, and send it again."},
	fault.Unauthenticated: {"Not signed in", "Sign in, refresh the session or reconnect the account, and send it again."},
	fault.Forbidden:       {"Not allowed", "Ask somebody in this tenant whose role allows it, or use a key that is scoped for it."},
	fault.NotFound:        {"Not found", "Check the name and the tenant. What belongs to another tenant is not found either."},
	fault.Conflict:        {"In conflict with the present state", "Load it again, look at what changed, and decide."},
	fault.Quota:           {"Not included in the plan or the budget", "Waiting does not help: change the plan or the budget."},
	fault.RateLimited:     {"Too many requests", "Wait for as long as Retry-After says."},
	fault.Unavailable:     {"Not available right now", "Try again later, with the same Idempotency-Key."},
	fault.Canceled:        {"Ran out of time", "Try again with the same Idempotency-Key; it says whether the first one was applied."},
	fault.Internal:        {"An error on our side", "Try again with the same Idempotency-Key, and quote request_id if it stays."},
}

// page is the name of the documentation of f: its own, or that of its class
// for a reason that a plugin made up.
func page(f *fault.Error) string {
	if _, ok := codes[f.Reason]; ok {
		return f.Reason
	}
	return string(f.Code)
}

// title is the same for every occurrence of a code.
func title(f *fault.Error) string {
	if c, ok := codes[f.Reason]; ok {
		return c.Title
	}
	return classes[f.Code].Title
}

// nouns are the answers to a name that cannot be one: those of the contexts
// for a name that is none of theirs. A test keeps them equal.
var nouns = map[string]struct{ reason, message string }{
	"ten":  {"tenant.not_found", "There is no such tenant."},
	"usr":  {"member.not_found", "There is no such member."},
	"inv":  {"invitation.not_found", "There is no such invitation."},
	"acg":  {"access.not_found", "There is no such grant of access."},
	"exp":  {"export.not_found", "There is no such export."},
	"dom":  {"domain.not_found", "There is no such host."},
	"key":  {"not_found", "There is no such thing."},
	"ses":  {"not_found", "There is no such thing."},
	"pky":  {"not_found", "There is no such thing."},
	"con":  {"connection.not_found", "There is no such sign-in."},
	"chn":  {"channel.not_found", "There is no such channel."},
	"med":  {"media.not_found", "There is no such file."},
	"post": {"post.not_found", "There is no such post."},
	"seg":  {"segment.not_found", "There is no such part."},
	"whk":  {"webhook.not_found", "There is no such endpoint."},
	"whd":  {"webhook.delivery_not_found", "There is no such delivery."},
	"job":  {"job.not_found", "There is no such job."},
}
