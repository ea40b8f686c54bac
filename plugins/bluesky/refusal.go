package bluesky

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/social"
)

// nameOf is the error that an answer names, or "".
func nameOf(reply *web.Reply) string {
	name, _ := said(reply)
	return name
}

func said(reply *web.Reply) (name, message string) {
	var body struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	if reply == nil || reply.OK() || reply.Into(&body) != nil {
		return "", ""
	}
	return body.Error, body.Message
}

// refused gives an answer that is no success its meaning. What is not listed
// here is not known to be a refusal: a server answers 500 to things it has
// done as well as to things it has not.
func (b *Bluesky) refused(reply *web.Reply, token string, commit bool) error {
	name, message := said(reply)
	fail := func(kind social.Kind, what, format string) *social.Fault {
		return b.web.Fault(kind, what, reply, token, "%s", format)
	}
	switch name {
	case "use_dpop_nonce":
		return fail(social.Transient, "nonce", "Bluesky wants the request signed anew.")
	case "invalid_client", "invalid_client_metadata", "unauthorized_client":
		return fail(social.Permission, "client", "Bluesky does not know this installation.")
	case "ExpiredToken", "invalid_token", "InvalidToken", "AuthMissing", "AuthenticationRequired":
		return fail(social.AuthExpired, "expired", "The sign-in to Bluesky has expired.")
	case "AccountTakedown", "AccountDeactivated", "AccountSuspended", "RepoTakendown", "RepoSuspended", "RepoDeactivated":
		return fail(social.Policy, "restricted", "Bluesky does not let this account post.")
	case "InsufficientScope", "Forbidden":
		return fail(social.Permission, "scope", "The connection lacks a permission. Connect this account again.")
	case "RateLimitExceeded":
		return b.limited(reply, token)
	case "InvalidSwap":
		return fail(social.Duplicate, "exists", "Bluesky already has a post under this key.")
	case "BlobNotFound":
		return fail(social.Permanent, "image_dropped", "Bluesky has dropped the uploaded image. Send the post again.")
	case "BlobTooLarge", "InvalidMimeType", "PayloadTooLarge":
		return invalid(fail(social.Invalid, "image", "Bluesky does not take this image."), "/content/media")
	case "RecordNotFound", "NotFound":
		return fail(social.NotFound, "gone", "What this refers to is gone.")
	case "InvalidRequest", "InvalidRecord":
		return invalid(fail(social.Invalid, "invalid", "Bluesky does not take this."), pointer(message))
	}
	switch reply.Status {
	case http.StatusTooManyRequests:
		return b.limited(reply, token)
	case http.StatusUnauthorized:
		return fail(social.AuthExpired, "expired", "The sign-in to Bluesky has expired.")
	case http.StatusRequestEntityTooLarge:
		return invalid(fail(social.Invalid, "image", "Bluesky does not take this image."), "/content/media")
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound:
		return fail(social.Permanent, "refused", "Bluesky refused the request.")
	}
	return b.web.Odd(commit, reply, token)
}

func (b *Bluesky) limited(reply *web.Reply, token string) *social.Fault {
	f := b.web.Fault(social.RateLimited, "rate_limited", reply, token, "%s", "Bluesky asks us to slow down.")
	var reset time.Time
	if seconds, err := strconv.ParseInt(reply.Header.Get("RateLimit-Reset"), 10, 64); err == nil {
		reset = time.Unix(seconds, 0)
	}
	f.RetryAfter, f.Scope = web.RetryAfter(reply.Header, reset, 5*time.Minute), social.ScopeAccount
	return f
}

func invalid(f *social.Fault, field string) *social.Fault {
	f.Violations = violation(field, f.Key, f.Message)
	return f
}

// pointer is the input that a validation message is about, such as
// "Record/text must not be longer than 300 graphemes".
func pointer(message string) string {
	switch {
	case strings.Contains(message, "/embed"):
		return "/content/media"
	case strings.Contains(message, "/reply"):
		return "/content/reply_to"
	case strings.Contains(message, "/langs"):
		return "/content/languages"
	}
	return "/content/text"
}
