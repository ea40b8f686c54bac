package mastodon

import (
	"net/http"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// refused gives an answer that is no success its meaning. What is not listed
// here is not known to be a refusal.
func (m *Mastodon) refused(reply *web.Reply, call social.Call, commit bool) error {
	token := call.Credential.AccessToken
	var said struct {
		Error string `json:"error"`
	}
	_ = reply.Into(&said) // an unreadable refusal goes by its status
	fail := func(kind social.Kind, what, message string) *social.Fault {
		return m.web.Fault(kind, what, reply, token, "%s", message)
	}
	switch reply.Status {
	case http.StatusUnauthorized:
		return m.unauthorized(fail, said.Error)
	case http.StatusForbidden:
		return m.forbidden(fail, said.Error)
	case http.StatusNotFound, http.StatusGone:
		return fail(social.NotFound, "gone", "What this post refers to is gone.")
	case http.StatusUnprocessableEntity:
		return m.unprocessable(fail, said.Error)
	case http.StatusTooManyRequests:
		f := fail(social.RateLimited, "rate_limited", "The server asks us to slow down.")
		reset, _ := time.Parse(time.RFC3339, reply.Header.Get("X-RateLimit-Reset"))
		f.RetryAfter, f.Scope = web.RetryAfter(reply.Header, reset, 5*time.Minute), social.ScopeAccount
		return f
	case http.StatusRequestEntityTooLarge:
		f := fail(social.Invalid, "media_too_large", "An attachment is too large for this server.")
		f.Violations = []fault.Violation{{Field: "/content/media", Reason: "media.too_large", Message: f.Message}}
		return f
	case http.StatusBadRequest, http.StatusMethodNotAllowed:
		return fail(social.Permanent, "refused", "The server does not take this request.")
	}
	return m.web.Odd(commit, reply, token)
}

type failing func(kind social.Kind, what, message string) *social.Fault

// unauthorized: Mastodon's tokens do not expire, so a refused one is gone for
// good. Other servers' may.
func (m *Mastodon) unauthorized(fail failing, said string) *social.Fault {
	if strings.Contains(strings.ToLower(said), "expired") {
		return fail(social.AuthExpired, "expired", "The sign-in to this server has expired.")
	}
	return fail(social.AuthRevoked, "revoked", "Connect this Mastodon account again.")
}

func (m *Mastodon) forbidden(fail failing, said string) *social.Fault {
	if strings.Contains(said, "scope") {
		f := fail(social.Permission, "scope", "The connection lacks a permission. Connect this account again.")
		f.Missing = []string{"write:statuses", "write:media"}
		return f
	}
	return fail(social.Policy, "restricted", "The server does not let this account post.")
}

func (m *Mastodon) unprocessable(fail failing, said string) *social.Fault {
	if strings.Contains(said, "not finished processing") {
		f := fail(social.Transient, "media_processing", "An attachment is still being processed.")
		f.RetryAfter = poll
		return f
	}
	f := fail(social.Invalid, "invalid", "The server does not take this post.")
	field := "/content/text"
	if strings.Contains(strings.ToLower(said), "media") || strings.Contains(strings.ToLower(said), "attach") {
		field = "/content/media"
	}
	f.Violations = []fault.Violation{{Field: field, Reason: "mastodon.invalid", Message: f.Message}}
	return f
}
