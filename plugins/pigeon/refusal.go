package pigeon

import (
	"net/http"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// refused gives an answer that is no success its meaning. What is not listed
// here is not known to be a refusal.
func (p *Pigeon) refused(reply *web.Reply, req social.PublishRequest) error {
	token := req.Call.Credential.AccessToken
	var said struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Field   string `json:"field"`
	}
	_ = reply.Into(&said) // an unreadable refusal goes by its status
	fail := func(kind social.Kind, message string) *social.Fault {
		return p.web.Fault(kind, "refused_"+said.Error, reply, token, "%s", message)
	}
	switch status := reply.Status; {
	case status == http.StatusUnauthorized && said.Error == "token_revoked":
		return fail(social.AuthRevoked, "Access to this Pigeon account was withdrawn. Connect it again.")
	case status == http.StatusUnauthorized:
		return fail(social.AuthExpired, "The sign-in to Pigeon has expired.")
	case status == http.StatusTooManyRequests:
		f := fail(social.RateLimited, "Pigeon asks us to slow down.")
		f.RetryAfter, f.Scope = web.RetryAfter(reply.Header, time.Time{}, time.Minute), social.ScopeAccount
		return f
	case status == http.StatusConflict && said.Error == "duplicate":
		return fail(social.Duplicate, "Pigeon says this post is already there.")
	case status == http.StatusConflict && said.Error == "media_not_ready":
		return fail(social.Transient, "A picture is still being processed.")
	case status == http.StatusNotFound:
		return fail(social.NotFound, "What this post refers to is gone.")
	case status == http.StatusUnprocessableEntity, status == http.StatusRequestEntityTooLarge, status == http.StatusUnsupportedMediaType:
		f := fail(social.Invalid, said.Message)
		f.Violations = []fault.Violation{{Field: "/content/" + said.Field, Reason: "pigeon." + said.Error, Message: said.Message}}
		return f
	case status == http.StatusBadRequest, status == http.StatusForbidden:
		return fail(social.Permanent, "Pigeon refused the request.")
	}
	return p.web.Odd(req.Commit, reply, token)
}
