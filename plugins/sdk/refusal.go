package sdk

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// Refusal reads an answer that is not a success the way HTTP means it, for
// platforms that keep to it; key is the fault's slug, such as
// "mastodon.refused". A plugin that knows better changes the kind and the message.
//
// In a commit step, statuses that do not say the request was refused are
// Ambiguous: every 5xx, 408 and 425, redirects, and a success that the plugin
// could not parse. 501 and 505 are refusals. Out of a commit they are
// Transient.
func Refusal(res *http.Response, commit bool, key string) *social.Fault {
	kind := kindOf(res.StatusCode, commit)
	f := social.Fail(kind, key, "%s", sayings[kind])
	f.HTTPStatus = res.StatusCode
	f.RetryAfter = RetryAfter(res.Header, time.Now())
	if f.Kind == social.RateLimited {
		f.Scope = social.ScopeAccount
	}
	if b, err := io.ReadAll(io.LimitReader(res.Body, 2<<10)); err == nil {
		f.Upstream = strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return f
}

// sayings tell people what a refusal means, the same in every SDK. A plugin that
// knows better says it in the platform's words.
var sayings = map[social.Kind]string{
	social.AuthExpired: "The platform does not accept the sign-in any more.",
	social.Permission:  "The platform does not allow this account to do that.",
	social.NotFound:    "The platform does not know what this refers to.",
	social.Unsupported: "The platform cannot do that.",
	social.Duplicate:   "The platform says that it has this already.",
	social.RateLimited: "The platform asks to wait.",
	social.Invalid:     "The platform refuses this.",
	social.Transient:   "The platform has trouble at the moment.",
	social.Ambiguous:   "The platform does not say what became of this.",
}

func kindOf(status int, commit bool) social.Kind {
	switch status {
	case http.StatusUnauthorized:
		return social.AuthExpired
	case http.StatusForbidden:
		return social.Permission
	case http.StatusNotFound, http.StatusGone:
		return social.NotFound
	case http.StatusConflict:
		return social.Duplicate
	case http.StatusTooManyRequests:
		return social.RateLimited
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusMethodNotAllowed:
		return social.Unsupported
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return unproven(commit)
	}
	if status >= 400 && status < 500 {
		return social.Invalid
	}
	return unproven(commit)
}

func unproven(commit bool) social.Kind {
	if commit {
		return social.Ambiguous
	}
	return social.Transient
}

// maxRetryAfter is as long as a platform may silence a plugin with one header.
const maxRetryAfter = 24 * time.Hour

// RetryAfter is how long an answer asks to wait, at most a day, zero if it does
// not say: retry-after-ms, in milliseconds, which some AI vendors add because it
// is more exact, or else Retry-After, in seconds or as a date (RFC 9110, 10.2.3).
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(h.Get("Retry-After-Ms"), 10, 32); err == nil {
		return min(time.Duration(n)*time.Millisecond, maxRetryAfter)
	}
	raw := h.Get("Retry-After")
	if n, err := strconv.ParseUint(raw, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(raw); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}
